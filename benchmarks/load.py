"""What a load of requests came to, and the search for the highest that a server keeps up with. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

_KEPT_UP = 0.99  # of the load offered is answered while it lasts; the rest may be on its way
_OFFERED = 0.98  # of the load wanted; with less the generator is at its limit, not the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a generator counted.

    The rates are those of the measured stretch of time; the counts are of everything it sent, until the last answer
    came. ``overlooked`` are answers that the kernel had no room for at the generator.
    """

    offered_per_second: float
    replies_per_second: float
    sent: int
    replies: int
    overlooked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A load as the server took it.

    ``dropped`` is what the kernel had no room for in the server's queue; ``cpu_s`` what answering cost the server.
    """

    load: Load
    dropped: int
    cpu_s: float

    @property
    def own_loss(self) -> int:
        """How many requests the kernel gave to the server and no answer left it."""
        return self.load.sent - self.dropped - self.load.replies - self.load.overlooked

    @property
    def cpu_us(self) -> float:
        """The server's CPU time for each answer, µs."""
        return self.cpu_s * 1e6 / max(self.load.replies + self.load.overlooked, 1)

    @property
    def kept_up(self) -> bool:
        """Whether nothing was lost, and the answers came as fast as the requests."""
        answered = self.load.replies + self.load.overlooked  # what the generator had no room for was answered too
        if self.dropped or answered < self.load.sent or not answered:
            return False
        seen = self.load.replies / answered
        return self.load.replies_per_second >= _KEPT_UP * seen * self.load.offered_per_second


def highest_kept_up(answered: Callable[[float], Answered], rates: Iterable[float]) -> Answered | None:
    """Step up through ``rates`` (requests a second) until the server falls behind; return the last it kept up with.

    A step is tried twice before it counts as the end, because the host may have had something else to do. ``None``
    where already the first was too much. A rate that the generator cannot offer is the end too.
    """
    highest = None
    for rate in rates:
        tried = answered(rate)
        if not tried.kept_up:
            tried = answered(rate)
        if not tried.kept_up:
            return highest
        highest = tried
        if tried.load.offered_per_second < _OFFERED * rate:
            return highest
    return highest


def udp_drops(table: str, port: int) -> int:
    """Return how many datagrams found no room in the queues of IPv4 sockets bound to ``port``.

    ``table`` is ``/proc/net/udp``, whose last column counts them for each socket since it was opened.
    """
    wanted = f":{port:04X}"
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(int(row[-1]) for row in rows if row[1].endswith(wanted))
