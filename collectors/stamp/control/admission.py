"""Decides which control connections a TWAMP server takes, and at which pace. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from collectors.path import IPAddress, IPNetwork

MAX_CONNECTIONS = 64
MAX_CONNECTIONS_OF_PEER = 8
CONNECTIONS_PER_SECOND = 10
"""From all peers together; twenty at once."""

_NS = 1_000_000_000


class ConnectionRefusal(StrEnum):
    """Why a connection was closed before a word was said."""

    NOT_ALLOWED = "not_allowed"
    """The peer is in none of the networks that are answered."""
    TOO_MANY = "too_many"
    """There are as many connections as there may be."""
    TOO_MANY_OF_PEER = "too_many_of_peer"
    """This peer has as many as one may have."""
    RATE = "rate"
    """New connections come faster than they are taken."""


@dataclass(slots=True)
class Pace:
    """Lets through one each ``interval_ns`` on average, ``burst`` at once.

    Kept as the time at which all is forgotten, the generic cell rate algorithm: one number, no rounding.
    """

    interval_ns: int
    burst: int
    forgotten_at_ns: int = 0

    def take(self, now_ns: int) -> bool:
        """Say whether one more is within the pace; only then does it count."""
        forgotten_at_ns = max(self.forgotten_at_ns, now_ns) + self.interval_ns
        if forgotten_at_ns - now_ns > self.burst * self.interval_ns:
            return False
        self.forgotten_at_ns = forgotten_at_ns
        return True


class Door:
    """Knows how many connections are open, and takes further ones of the networks in ``allow``."""

    def __init__(self, allow: Sequence[IPNetwork]) -> None:
        self._networks = tuple(allow)
        self._open: Counter[bytes] = Counter()
        self._pace = Pace(_NS // CONNECTIONS_PER_SECOND, burst=2 * CONNECTIONS_PER_SECOND)

    def enter(self, peer: IPAddress, now_ns: int) -> ConnectionRefusal | None:
        """Let a peer in, or say why not; strangers do not use up what the allowed have."""
        if not any(peer in network for network in self._networks):
            return ConnectionRefusal.NOT_ALLOWED
        if self._open.total() >= MAX_CONNECTIONS:
            return ConnectionRefusal.TOO_MANY
        if self._open[peer.packed] >= MAX_CONNECTIONS_OF_PEER:
            return ConnectionRefusal.TOO_MANY_OF_PEER
        if not self._pace.take(now_ns):
            return ConnectionRefusal.RATE
        self._open[peer.packed] += 1
        return None

    def leave(self, peer: IPAddress) -> None:
        """Forget a connection of a peer that was let in."""
        self._open[peer.packed] -= 1
        self._open += Counter()  # peers that have none left are forgotten
