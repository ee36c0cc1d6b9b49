"""The way that packets take in a benchmark: private network namespaces, a router between or not, or the loopback."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figure import NotRun
from benchmarks.processes import ERAGENT, pinned, running

STAMP_PORT = 8862
NEAR_INTERFACE, FAR_INTERFACE, ROUTER_INTERFACE = "near0", "far0", "near1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Two ends: commands that run a program at each, the addresses to send from, at least two, that to send to."""

    name: str
    near: tuple[str, ...]
    far: tuple[str, ...]
    sources: tuple[str, ...]
    target: str
    pings: bool
    """Whether ICMP echo is possible: always in our namespaces; on the host only where this user may."""
    router: tuple[str, ...] | None = None
    """Runs a program between the two ends, where something is there."""

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
    with _namespace() as near, _namespace() as far:
        _join((near, NEAR_INTERFACE, ("10.99.0.1/24", "10.99.0.2/24")), (far, FAR_INTERFACE, ("10.99.0.3/24",)))
        yield _between("veth pair", near, far, sources=("10.99.0.1", "10.99.0.2"), target="10.99.0.3")


@contextmanager
def routed() -> Iterator[Wire]:
    """Join two network namespaces by two veth pairs and a third namespace that forwards; else as :func:`veth`."""
    sources = tuple(f"10.99.1.{host}" for host in range(1, 6))
    with _namespace() as near, _namespace() as router, _namespace() as far:
        _join(
            (near, NEAR_INTERFACE, tuple(f"{source}/24" for source in sources)),
            (router, ROUTER_INTERFACE, ("10.99.1.254/24",)),
        )
        _join((router, "far1", ("10.99.2.254/24",)), (far, FAR_INTERFACE, ("10.99.2.3/24",)))
        _write(router, "/proc/sys/net/ipv4/ip_forward", "1")
        for pid, gateway in ((near, "10.99.1.254"), (far, "10.99.2.254")):
            _run(*_inside(pid), "ip", "route", "add", "default", "via", gateway)
        wire = _between("router", near, far, sources=sources, target="10.99.2.3")
        yield replace(wire, router=_inside(router))


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


@contextmanager
def _namespace() -> Iterator[int]:
    """Have a network namespace while the context lasts; yield the process that lives in it."""
    if os.geteuid() != 0:
        raise NotRun("needs root, for network namespaces and captures in them: sudo make bench")
    with running(["unshare", "--net", "sleep", "infinity"]) as process:
        _await_own_namespace(process.pid)
        _run(*_inside(process.pid), "ip", "link", "set", "dev", "lo", "up")
        # A new namespace allows ping sockets to nobody.
        _write(process.pid, "/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
        yield process.pid


_End = tuple[int, str, tuple[str, ...]]
"""A namespace, the interface to make in it, and the interface's addresses."""


def _join(one: _End, other: _End) -> None:
    pair = ["link", "add", one[1], "netns", str(one[0]), "type", "veth"]
    _run("ip", *pair, "peer", "name", other[1], "netns", str(other[0]))
    for pid, interface, addresses in (one, other):
        for address in addresses:
            _run(*_inside(pid), "ip", "address", "add", address, "dev", interface)
        _run(*_inside(pid), "ip", "link", "set", "dev", interface, "up")


def _between(name: str, near: int, far: int, *, sources: tuple[str, ...], target: str) -> Wire:
    return Wire(name=name, near=_inside(near), far=_inside(far), sources=sources, target=target, pings=True)


def _write(pid: int, file: str, text: str) -> None:
    _run(*_inside(pid), "sh", "-c", f"echo {text} >{file}")


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
