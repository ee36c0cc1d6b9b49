"""What a lab could leave behind on a host, which is the test's own, and waiting until it is gone."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Mounts are shared, as systemd has them: so what should have stayed in a lab's own namespace is seen too. Any host has
# /run/mount, where mount(8) takes notes.
_HOST = (
    "mount --make-rshared / && mount -t tmpfs tmpfs /run && mkdir /run/mount && ip link set lo up && "
    "echo made && exec cat"
)


@dataclass(frozen=True)
class Host:
    """This machine but for devices, mounts and /run, which other programs change meanwhile: here nobody does."""

    pid: int

    def inside(self, *command: str) -> list[str]:
        """Return the command that runs this there, as the very process that is started."""
        here = ("env", f"--chdir={Path.cwd()}")  # who enters a namespace of mounts stands at its root
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", *here, *command]

    def holds(self) -> Counter[str]:
        """What a lab could leave behind: devices, named namespaces, files of /run, mounts.

        Less than before is no trace of anybody: a mount is gone here too once somebody removes the place it is at.
        """
        host = Path(f"/proc/{self.pid}")
        devices = [line.partition(":")[0].strip() for line in (host / "net" / "dev").read_text().splitlines()[2:]]
        files = [entry.name for entry in (host / "root" / "run").iterdir()]
        return Counter([*devices, *files, *(host / "mounts").read_text().splitlines()])


@contextmanager
def own_host() -> Iterator[Host]:
    """Have such a host, which a process holds; needs root."""
    command = ["unshare", "--mount", "--net", "sh", "-c", _HOST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "made\n"
        yield Host(holder.pid)


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def processes_in(namespace: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "ns" / "pid").readlink()) == namespace:
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return found
