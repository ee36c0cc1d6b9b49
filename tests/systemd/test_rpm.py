"""The rpm in a booted system: no distribution of its own, but rpm itself, its scripts, its files and the service."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.container import Container
from tests.systemd.installed import CONFIGURATION, Installed

pytestmark = [pytest.mark.root, pytest.mark.systemd]


def _rpm(host: Container, *arguments: str | Path) -> None:
    """Run this host's rpm on the other's root: its scripts run inside of that root."""
    done = subprocess.run(["rpm", "--root", host.root, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def service(system: Container, rpm: Path) -> Iterator[Installed]:
    """The service of the rpm; nothing of the Debian package is there."""
    system.run("sh", "-c", "dpkg --purge eragent 2>&1 || true")
    _rpm(system, "--install", "--nodeps", rpm)  # it knows nothing of Debian's Python
    system.run("systemctl", "daemon-reload")
    try:
        yield Installed(system)
    finally:
        _rpm(system, "--erase", "eragent")
        system.run("rm", "-rf", "/etc/eragent", "/var/lib/eragent", "/var/lib/private/eragent")
        system.run("systemctl", "daemon-reload")


def test_its_command_checks_a_configuration_and_probes(service: Installed) -> None:
    checked = service.host.run("eragent", "check", "--config", f"/{CONFIGURATION}")
    assert checked.returncode == 0
    probed = service.host.run("eragent", "probe", "--target", "127.0.0.1", "--count", "2", "--interval", "20ms")
    assert "received / sent" in probed.stdout


def test_its_service_measures_and_an_upgrade_keeps_the_operators_configuration(service: Installed, rpm: Path) -> None:
    host = service.host
    host.run("systemctl", "start", "eragent")
    host.wait_until(service.is_sending, "samples")
    assert host.show("eragent", "UnitFileState") == "enabled"
    ours = (host.root / CONFIGURATION).read_text(encoding="utf-8") + "# ours\n"
    service.configure(ours)
    _rpm(host, "--upgrade", "--nodeps", "--replacepkgs", rpm)
    assert (host.root / CONFIGURATION).read_text(encoding="utf-8") == ours
    service.restart()
    host.wait_until(service.is_sending, "samples")
    host.run("systemctl", "stop", "eragent")
