"""A system of its own, booted by systemd-nspawn with a network of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.systemd.releases import Release, root_of

_CONTROL_GROUPS = [Path("/sys/fs/cgroup", name) for name in ("", "systemd", "unified")]  # version 2, or both
_BOOT_S = 60.0
_WAIT_S = 30.0


class Container:
    """A booted system; ``root`` is where its files are seen from here, ``leader`` its first process."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self.leader = leader

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in it and return what it said; fail the test where it fails, unless told not to."""
        enter = ["nsenter", "--all", "--target", str(self.leader), "--", "env", "-i", "PATH=/usr/sbin:/usr/bin"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, check=False)
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def said(self, *command: str) -> str:
        """Return what a program printed, without the last line's end; its exit code does not matter."""
        return self.run(*command, check=False).stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit, as MainPID or ActiveState."""
        return self.said("systemctl", "show", "--value", "--property", name, unit)

    def journal(self, unit: str) -> str:
        """Return all that a unit logged."""
        return self.said("journalctl", "--no-pager", "--output=short-monotonic", "--unit", unit)

    def wait_until(self, condition: Callable[[], bool], what: str, unit: str = "eragent") -> None:
        """Wait for what takes its time; fail with the unit's log where it does not come."""
        deadline = time.monotonic() + _WAIT_S
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"no {what} in {_WAIT_S:g} s:\n{self.journal(unit)[-4000:]}")
            time.sleep(0.05)


@contextmanager
def booted(release: Release, folder: Path) -> Iterator[Container]:
    """Boot a copy of a release's root in this folder, and power it off at the end."""
    root = folder / "root"
    subprocess.run(["cp", "--archive", "--reflink=auto", root_of(release), root], check=True)
    (root / "etc/resolv.conf").unlink(missing_ok=True)  # it has no way to a name server
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")  # debootstrap makes none
    command = ["systemd-nspawn", "--quiet", f"--directory={root}", "--boot", "--register=no", "--keep-unit"]
    # As on a real host: reading the state of the clock, and taking a descriptor of a child. Containers may not.
    command.append("--system-call-filter=adjtimex clock_adjtime pidfd_getfd")
    log = folder / "console"
    with (
        log.open("wb") as console,
        _own_groups(f"eragent-{secrets.token_hex(4)}") as enter,
        subprocess.Popen(
            ["sh", "-c", f'{enter}exec "$@"', "sh", *command, "--private-network", "--console=pipe"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        ) as nspawn,
    ):
        try:
            container = Container(root, _leader(nspawn, log))
            _wait_for_boot(container, log)
            yield container
        finally:
            nspawn.terminate()  # systemd-nspawn passes it on as an orderly shutdown
            try:
                nspawn.wait(_WAIT_S)
            except subprocess.TimeoutExpired:
                nspawn.kill()


@contextmanager
def _own_groups(name: str) -> Iterator[str]:
    """Make control groups; yield the shell's words that enter them. They are removed at the end.

    With --keep-unit two systems begun from the same group would share all below it, and end each other's services.
    """
    groups = [folder / name for folder in _CONTROL_GROUPS if (folder / "cgroup.procs").exists()]
    for group in groups:
        group.mkdir()
    try:
        yield "".join(f"echo $$ >{group / 'cgroup.procs'} && " for group in groups)
    finally:
        for group in groups:
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()


def _leader(nspawn: subprocess.Popen[bytes], log: Path) -> int:
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    deadline = time.monotonic() + _BOOT_S
    while time.monotonic() < deadline and nspawn.poll() is None:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.05)
    pytest.fail(f"systemd-nspawn started no system:\n{log.read_text()}")


def _wait_for_boot(container: Container, log: Path) -> None:
    deadline = time.monotonic() + _BOOT_S
    while container.said("systemctl", "is-system-running") not in ("running", "degraded"):
        if time.monotonic() > deadline:
            pytest.fail(f"the system did not come up in {_BOOT_S:g} s:\n{log.read_text()}")
        time.sleep(0.1)
