"""The service in a booted system, as its operator has it: configuration, drop-ins, status, metrics."""

from __future__ import annotations

import time
from pathlib import Path

from tests.systemd.container import Container
from tests.systemd.releases import ROOT

CONFIGURATION = "etc/eragent/eragent.yaml"
_METRICS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9469/metrics', timeout=5).read().decode())"
_DROP_INS = "etc/systemd/system/eragent.service.d"


class Installed:
    """The package's service in a container."""

    def __init__(self, host: Container) -> None:
        self.host = host

    def metric(self, name: str, label: str = "") -> float:
        """Return the sum of all series of a name that have this label; 0 where there are none yet."""
        lines = self.host.said("python3", "-c", _METRICS).splitlines()
        series = (line for line in lines if line.startswith((name + "{", name + " ")) and label in line)
        return sum(float(line.rsplit(" ", 1)[1]) for line in series)

    def is_sending(self) -> bool:
        """Whether answers arrive."""
        return self.metric("eragent_packets_received_total") > 0

    def process(self) -> int:
        """Return the number of the service's first process, 0 where it does not run."""
        return int(self.host.show("eragent", "MainPID"))

    def configure(self, text: str) -> None:
        """Write the configuration; the service has not read it yet."""
        (self.host.root / CONFIGURATION).write_text(text, encoding="utf-8")

    def configure_as_shipped(self) -> None:
        """Write the configuration that the package brings."""
        self.configure((ROOT / "systemd/eragent.yaml").read_text(encoding="utf-8"))

    def add_drop_in(self, name: str, text: str | None = None) -> None:
        """Add a drop-in to the unit: one of those that are shipped, or this text."""
        folder = self.host.root / _DROP_INS
        folder.mkdir(parents=True, exist_ok=True)
        shipped = ROOT / "systemd" / name
        (folder / name).write_text(shipped.read_text(encoding="utf-8") if text is None else text, encoding="utf-8")
        self.host.run("systemctl", "daemon-reload")

    def remove_drop_ins(self) -> None:
        """Have the unit as it is shipped."""
        folder = self.host.root / _DROP_INS
        for file in folder.glob("*.conf"):
            file.unlink()
        self.host.run("systemctl", "daemon-reload")

    def restart(self) -> None:
        """Restart it, whatever becomes of it."""
        self.host.run("systemctl", "reset-failed", "eragent", check=False)
        self.host.run("systemctl", "restart", "eragent", check=False)

    def status(self) -> str:
        """Return what `systemctl status` tells the operator."""
        return self.host.said("systemctl", "status", "--no-pager", "--full", "eragent")

    def logged(self) -> list[str]:
        """Return the lines that the service has logged since its last start."""
        start = self.host.show("eragent", "InvocationID")
        return self.host.said("journalctl", "--output=cat", f"_SYSTEMD_INVOCATION_ID={start}").splitlines()

    def exit_code(self) -> int:
        """Return what the service's process ended with the last time."""
        return int(self.host.show("eragent", "ExecMainStatus"))


def install(host: Container, package: Path) -> float:
    """Install the package where it is not, anew where it is; return how long the first sample took, in seconds."""
    host.run("sh", "-c", "dpkg --purge eragent 2>&1 || true")
    (host.root / "root/eragent.deb").write_bytes(package.read_bytes())
    begun = time.monotonic()
    host.run("dpkg", "--install", "/root/eragent.deb")
    host.wait_until(Installed(host).is_sending, "samples")
    return time.monotonic() - begun
