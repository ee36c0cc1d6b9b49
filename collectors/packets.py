"""The packets of one stream by number: those on their way, and for a while those that are settled. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collectors.roundtrip import Answer, Departure
from collectors.sample import Outcome

_REMEMBERED = 4096  # settled packets whose further answers are still told apart,
_REMEMBERED_NS = 10_000_000_000  # if they left so long before the latest: half a kilobyte each adds up
_FORGET_EVERY_NS = 100_000_000  # with each packet it would take as long as to settle one
_LOW_32_BITS = 0xFFFFFFFF


@dataclass(slots=True)
class Packet:
    """What is known of a packet so far."""

    sequence: int
    departure: Departure
    due_ns: int  # when it settles, whatever is still missing then
    dropped_before: int = 0  # datagrams that this host had dropped when it left
    unheard: bool = False  # its socket was closed while it was on its way
    transmit_ns: int | None = None
    answer: Answer | None = None  # the first, until the packet is settled
    reordered: bool = False
    held: bool = False  # answered, and a follow-up is expected
    reflector_stamp_ns: int | None = None
    reflector_sequence: int | None = None  # of the first answer
    outcome: Outcome | None = None  # once it is settled


class Packets:
    """Numbers packets without gaps, so that those at hand are all from one number to another."""

    def __init__(self, first: int) -> None:
        self.next_sequence = first
        self.on_their_way = 0
        """How many are not settled yet."""
        self.settled_below = first
        """All with lower numbers are."""
        self._packets: dict[int, Packet] = {}
        self._first = first  # that is remembered
        self._forget_at_ns = 0

    def add(self, departure: Departure, due_ns: int, dropped_before: int) -> int:
        """Take the next packet, which left like this, and return its number."""
        sequence = self.next_sequence
        self._packets[sequence] = Packet(sequence, departure, due_ns, dropped_before)
        self.next_sequence = sequence + 1
        self.on_their_way += 1
        return sequence

    def find(self, sequence: int, mask: int = _LOW_32_BITS) -> Packet | None:
        """Return a packet that is remembered by its number, or by the low bits of that (RFC 1982)."""
        following = self.next_sequence
        return self._packets.get(following - ((following - sequence) & mask))

    @property
    def oldest(self) -> Packet | None:
        """The oldest that is on its way."""
        return self._packets.get(self.settled_below)

    def waiting(self) -> Iterator[Packet]:
        """Yield those on their way in the order of their numbers; they may settle meanwhile."""
        for sequence in range(self.settled_below, self.next_sequence):
            packet = self._packets.get(sequence)
            if packet is not None and packet.outcome is None:
                yield packet

    def settle(self, packet: Packet, outcome: Outcome) -> None:
        """Note what became of a packet, and forget those that nobody will ask for any more."""
        packet.answer, packet.outcome = None, outcome
        self.on_their_way -= 1
        if packet.sequence == self.settled_below:
            self._advance()
        departed_ns = packet.departure.monotonic_ns
        if departed_ns >= self._forget_at_ns:
            self._forget_at_ns = departed_ns + _FORGET_EVERY_NS
            self._forget(departed_ns - _REMEMBERED_NS)

    def _advance(self) -> None:
        packets, sequence = self._packets, self.settled_below + 1
        while sequence < self.next_sequence and packets[sequence].outcome is not None:
            sequence += 1
        self.settled_below = sequence

    def _forget(self, departed_before_ns: int) -> None:
        packets, first, below = self._packets, self._first, self.settled_below
        while first < below and (
            below - first > _REMEMBERED or packets[first].departure.monotonic_ns < departed_before_ns
        ):
            del packets[first]
            first += 1
        self._first = first
