"""What this host has for a test: interfaces, buffers, and how busy it was, whoever used it.

A program's own account of processor time lacks much of the kernel's work for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.throughput.observed import HostBuffers
from collectors.path import NetworkPath

_TCP = Path("/proc/sys/net/ipv4")
_INTERFACES = Path("/sys/class/net")
_STAT = Path("/proc/stat")
_IDLE, _IOWAIT, _GUEST = 3, 4, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """What all processors together did since the host's start, in clock ticks."""

    busy: int
    idle: int


def parse_ticks(text: str) -> Ticks | None:
    """Read the first line of proc_stat(5); ``None`` where it is something else. Guests are in user time already."""
    name, *fields = text.partition("\n")[0].split() or [""]
    if name != "cpu" or len(fields) <= _IOWAIT or not all(field.isdigit() for field in fields):
        return None
    ticks = [int(field) for field in fields[:_GUEST]]
    idle = ticks[_IDLE] + ticks[_IOWAIT]
    return Ticks(busy=sum(ticks) - idle, idle=idle)


def processors() -> Ticks | None:
    """Return what the processors did until now; ``None`` where a sandbox hides it. 60 µs."""
    try:
        return parse_ticks(_STAT.read_text(encoding="ascii"))
    except OSError:
        return None


def busy_share(before: Ticks | None, after: Ticks | None) -> float | None:
    """Return the share of the time between that the processors were busy; ``None`` where nothing is known of it."""
    if before is None or after is None:
        return None
    busy, idle = after.busy - before.busy, after.idle - before.idle
    return busy / (busy + idle) if busy + idle > 0 else None


def host_buffers() -> HostBuffers | None:
    """Return the largest buffers of TCP's sockets; ``None`` where a sandbox hides them."""
    try:
        sending, receiving = ((_TCP / name).read_text(encoding="ascii").split() for name in ("tcp_wmem", "tcp_rmem"))
        return HostBuffers(sending=int(sending[-1]), receiving=int(receiving[-1]))
    except (OSError, ValueError, IndexError):
        return None


def interface_rate(path: NetworkPath, interfaces: Path = _INTERFACES) -> int | None:
    """Return the speed of a path's interface in bits per second; where it names none, of this host's fastest one.

    ``None`` where no driver tells it: those of virtual machines often do not.
    """
    found = [interfaces / path.interface] if path.interface is not None else interfaces.glob("*")
    return max((rate for rate in map(_speed, found) if rate is not None), default=None)


def _speed(interface: Path) -> int | None:
    try:
        mbit = int((interface / "speed").read_text(encoding="ascii"))
    except (OSError, ValueError):  # EINVAL while the link is down
        return None
    return mbit * 1_000_000 if mbit > 0 else None
