"""The way that packets take in a benchmark: a veth pair between two private network namespaces, or the loopback."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import NotRun
from benchmarks.processes import ERAGENT, pinned, running

STAMP_PORT = 8862
NEAR_INTERFACE, FAR_INTERFACE = "near0", "far0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Two ends: commands that run a program at each, the addresses to send from, the address to send to."""

    name: str
    near: tuple[str, ...]
    far: tuple[str, ...]
    sources: tuple[str, str]
    target: str
    pings: bool
    """Whether ICMP echo is possible: always in our namespaces; on the host only where this user may."""

    @contextmanager
    def reflector(self, *, allow: Sequence[str] = (), core: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Answer STAMP at the far end while the context lasts, on one core where it is named.

        ``allow`` are addresses that are answered instead of both of the near end.
        """
        listen = ["--listen", f"{self.target}:{STAMP_PORT}"]
        listen += [word for source in allow or self.sources for word in ("--allow", source)]
        command = [*self.far, ERAGENT, "reflect", *listen]
        with running(command if core is None else pinned(core, command), ready="Answering") as process:
            yield process


@contextmanager
def veth() -> Iterator[Wire]:
    """Join two network namespaces of our own; they end with the context, or with this process.

    The namespaces have no names: they live as long as a process in them. Raise :class:`NotRun` without root.
    """
    if os.geteuid() != 0:
        raise NotRun("needs root, for two network namespaces and captures in them: sudo make bench")
    holder = ["unshare", "--net", "sleep", "infinity"]
    with running(holder) as near, running(holder) as far:
        for process in (near, far):
            _await_own_namespace(process.pid)
        ends = (
            (near.pid, NEAR_INTERFACE, ("10.99.0.1/24", "10.99.0.2/24")),
            (far.pid, FAR_INTERFACE, ("10.99.0.3/24",)),
        )
        pair = ["link", "add", NEAR_INTERFACE, "netns", str(near.pid), "type", "veth"]
        _run("ip", *pair, "peer", "name", FAR_INTERFACE, "netns", str(far.pid))
        for pid, interface, addresses in ends:
            for address in addresses:
                _run(*_inside(pid), "ip", "address", "add", address, "dev", interface)
            for device in ("lo", interface):
                _run(*_inside(pid), "ip", "link", "set", "dev", device, "up")
        everybody = (
            "echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range"  # a new namespace allows ping sockets to nobody
        )
        _run(*_inside(near.pid), "sh", "-c", everybody)
        yield Wire(
            name="veth pair",
            near=_inside(near.pid),
            far=_inside(far.pid),
            sources=("10.99.0.1", "10.99.0.2"),
            target="10.99.0.3",
            pings=True,
        )


@contextmanager
def any_wire() -> Iterator[Wire]:
    """Join two namespaces where this user may, else use the host's loopback."""
    if os.geteuid() == 0:
        with veth() as wire:
            yield wire
    else:
        yield Wire(
            name="loopback",
            near=(),
            far=(),
            sources=("127.99.0.1", "127.99.0.2"),
            target="127.99.0.3",
            pings=_may_ping(),
        )


def _may_ping() -> bool:
    first, last = map(int, Path("/proc/sys/net/ipv4/ping_group_range").read_text(encoding="ascii").split())
    return first <= os.getegid() <= last


def _inside(pid: int) -> tuple[str, ...]:
    return ("nsenter", f"--net=/proc/{pid}/ns/net", "--")


def _await_own_namespace(pid: int) -> None:
    """Wait until the process, which `setpriv` and `unshare` become one after the other, has left our namespace."""
    ours = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}/ns/net").readlink() == ours:
        if time.monotonic() > deadline:
            raise NotRun("`unshare --net` made no network namespace: is this a container without CAP_SYS_ADMIN?")
        time.sleep(0.01)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise NotRun(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
