"""Private namespaces that end with the process that asked for them: nothing of the lab can stay behind on the host."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

_UCRED = struct.Struct("iII")  # struct ucred: pid, uid, gid


class Isolation(StrEnum):
    """What the system lets this user have."""

    ROOT = "root"
    USER_NAMESPACE = "user namespace"
    LOOPBACK = "loopback"


class AlreadyRunningError(Exception):
    """Another instance runs in this network namespace."""


_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
_UNSHARE: dict[Isolation, list[str]] = {
    Isolation.ROOT: ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    Isolation.USER_NAMESPACE: [
        *("unshare", "--map-root-user"),
        *("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
    ],
    Isolation.LOOPBACK: [],
}
_ENTER: dict[Isolation, list[str]] = {
    Isolation.ROOT: ["--mount", "--net", "--pid"],
    Isolation.USER_NAMESPACE: ["--user", "--preserve-credentials", "--mount", "--net", "--pid"],
}


def find_isolation() -> Isolation:
    """Find out by trying which namespaces this user may have.

    Some systems grant a user namespace and then nothing in it, so the trial mounts something.
    """
    for isolation in (Isolation.ROOT, Isolation.USER_NAMESPACE):
        trial = [*_UNSHARE[isolation], "mount", "-t", "tmpfs", "tmpfs", "/run"]
        if subprocess.run(trial, capture_output=True, check=False).returncode == 0:
            return isolation
    return Isolation.LOOPBACK


def hold_instance(name: str) -> socket.socket:
    """Return a socket that marks this process as the one instance while it is open.

    The name lives in the kernel, in this network namespace, and goes with the process however that ends.
    Raise :class:`AlreadyRunningError` where another process has it.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(f"\0{name}")
    except OSError as error:
        lock.close()
        raise AlreadyRunningError(name) from error
    return lock


class Sandbox:
    """A Python module running as the first process of namespaces of its own, with a control socket to it.

    The kernel ends it in any case: ``setpriv --pdeathsig`` kills `unshare` when this process dies, `unshare
    --kill-child` kills the first process when `unshare` dies, and that ends all others in the pid namespace.
    """

    def __init__(self, isolation: Isolation, module: str) -> None:
        self._isolation = isolation
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with theirs:
            self._process = subprocess.Popen(
                [*_DIE_WITH_PARENT, *_UNSHARE[isolation], sys.executable, "-m", module],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.pid: int | None = None

    def receive(self) -> bytes:
        """Return what the first process sent next; empty when it has ended.

        The kernel adds who sent it, translated into our pid namespace: that is how :attr:`pid` is known.
        """
        try:
            data, ancillary, _, _ = self.control.recvmsg(65536, socket.CMSG_SPACE(_UCRED.size))
        except ConnectionResetError:  # it ended with something of ours unread
            return b""
        for level, kind, credentials in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and data:
                self.pid = _UCRED.unpack(credentials)[0]
        return data

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs ``arguments`` inside; what it runs ends with the sandbox."""
        if self._isolation is Isolation.LOOPBACK:
            return [*_DIE_WITH_PARENT, *arguments]
        here = ["env", f"--chdir={Path.cwd()}"]  # nsenter's own --wdns came with util-linux 2.38
        return ["nsenter", "--target", str(self.pid), *_ENTER[self._isolation], *here, *arguments]

    def pid_inside(self, entered: subprocess.Popen[bytes]) -> int:
        """Return the process, as the host counts, that a :meth:`command` runs: `nsenter` waits outside as its parent.

        Signals go there. With `nsenter` killed, the process would be left to the host's init to be reaped.
        """
        if self._isolation is Isolation.LOOPBACK:
            return entered.pid
        children = Path(f"/proc/{entered.pid}/task/{entered.pid}/children").read_text(encoding="ascii").split()
        return int(children[0]) if children else entered.pid

    def close(self) -> None:
        """End everything inside and wait until it is gone."""
        self.control.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
