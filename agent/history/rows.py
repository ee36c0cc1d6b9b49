"""Samples of one stream as columns of plain numbers: what waits in memory, and what a block is made of. No I/O."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from collectors.sample import Outcome, Sample

OUTCOMES = (
    Outcome.ANSWERED,
    Outcome.REORDERED,
    Outcome.LOST,
    Outcome.FAILED,
    Outcome.OVERLOOKED,
    Outcome.NOT_SENT,
)
"""What the numbers on disk stand for: a new outcome goes to the end, and none changes its place."""

OUTCOME = 0b111
NOISY = 1 << 3
HAS_RTT = 1 << 4
HAS_FORWARD = 1 << 5
HAS_BACKWARD = 1 << 6
"""The bits of :attr:`Rows.flags`: the outcome's number, noise, and which times there are."""

_NUMBERS = {outcome: number for number, outcome in enumerate(OUTCOMES)}


@dataclass(slots=True, kw_only=True)
class Row:
    """What is kept of one settled packet; the fields are those of :class:`collectors.sample.Sample`."""

    slot: int
    sent_at_ns: int
    outcome: Outcome
    rtt_ns: int | None = None
    forward_ns: int | None = None
    backward_ns: int | None = None
    noisy: bool = False
    reason: str | None = None


class Rows:
    """Settled packets of a stream, a column each; a time that there is not is 0, and its flag is not set.

    49 octets a packet, where a :class:`collectors.sample.Sample` takes some 350.
    """

    __slots__ = ("backward_ns", "flags", "forward_ns", "reasons", "rtt_ns", "sent_at_ns", "slot")

    def __init__(self) -> None:
        self.slot = array("q")
        self.sent_at_ns = array("q")
        self.rtt_ns = array("q")
        self.forward_ns = array("q")
        self.backward_ns = array("q")
        self.flags = bytearray()
        self.reasons: list[str | None] = []

    def __len__(self) -> int:
        return len(self.slot)

    def append(self, row: Row | Sample) -> None:
        """Add a settled packet."""
        flags = _NUMBERS[row.outcome]
        if row.noisy:
            flags |= NOISY
        if row.rtt_ns is not None:
            flags |= HAS_RTT
        if row.forward_ns is not None:
            flags |= HAS_FORWARD
        if row.backward_ns is not None:
            flags |= HAS_BACKWARD
        self.slot.append(row.slot)
        self.sent_at_ns.append(row.sent_at_ns)
        self.rtt_ns.append(row.rtt_ns or 0)
        self.forward_ns.append(row.forward_ns or 0)
        self.backward_ns.append(row.backward_ns or 0)
        self.flags.append(flags)
        self.reasons.append(row.reason)

    def counted_from(self, first_slot: int) -> Rows:
        """Return the packets with slots that count from there on."""
        counted = Rows()
        counted.extend(self)
        counted.slot = array("q", [slot + first_slot for slot in self.slot])
        return counted

    def extend(self, other: Rows) -> None:
        """Add all packets of another."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))

    def sort(self) -> None:
        """Bring the packets into the order of their slots: a lost one is settled behind later ones."""
        slots = self.slot
        if all(map(int.__le__, slots, slots[1:])):
            return
        order = sorted(range(len(slots)), key=slots.__getitem__)
        for name in ("slot", "sent_at_ns", "rtt_ns", "forward_ns", "backward_ns"):
            column = getattr(self, name)
            setattr(self, name, array("q", [column[place] for place in order]))
        self.flags = bytearray(self.flags[place] for place in order)
        self.reasons = [self.reasons[place] for place in order]

    def __iter__(self) -> Iterator[Row]:
        for place, flags in enumerate(self.flags):
            yield Row(
                slot=self.slot[place],
                sent_at_ns=self.sent_at_ns[place],
                outcome=OUTCOMES[flags & OUTCOME],
                rtt_ns=self.rtt_ns[place] if flags & HAS_RTT else None,
                forward_ns=self.forward_ns[place] if flags & HAS_FORWARD else None,
                backward_ns=self.backward_ns[place] if flags & HAS_BACKWARD else None,
                noisy=bool(flags & NOISY),
                reason=self.reasons[place],
            )
