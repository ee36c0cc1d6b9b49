"""On which way packets were lost, told from a stateful reflector's own sequence numbers. No I/O.

The reflector numbers what it sends back: a packet lost on the way there leaves no gap in its numbers, one lost on the
way back does. With n packets sent between two answers and r of them reflected, n - r were lost forward.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from collectors.sample import DirectionalLoss

_RESTART = 64  # numbers that jump further than packets can overtake each other: the reflector's state was lost
_REMEMBERED = 128  # numbers that were given, by which copies and early restarts are told
_HALF = 1 << 31
_LOW_32_BITS = 0xFFFFFFFF


class DirectionAccount:
    """Counts losses by direction over the part of a stream where every packet is settled.

    A reflector that copies our numbers (stateless) looks like a stateful one that has lost nothing forward: nothing is
    said until the two numberings have differed once. Losses before the first answer, behind the last one, and across a
    restart of the reflector stay unattributed; one shows when its numbers fall back, come a second time, or run ahead
    of ours. A late answer was not back in time, which makes it a backward loss. An overlooked one was back. One that
    failed did not get there, and is no loss either.
    """

    def __init__(self) -> None:
        self.stateful = False
        self.restarts = 0
        """How often the reflector began its numbers anew."""
        self._beyond: list[tuple[int, int]] = []  # a heap of answers whose predecessors are not all settled yet
        self._forward = 0  # told so far in this segment
        self._backward = 0
        self._segment: _Segment | None = None
        self._excused: list[tuple[int, bool]] = []  # a heap too: missing, but not lost; whether it was reflected
        self._since_last = _NONE  # those that lie between the last answer and the next

    def answered(self, sequence: int, reflector_sequence: int) -> None:
        """Note an answer: our number, and the low 32 bits of the reflector's."""
        if sequence & _LOW_32_BITS != reflector_sequence:
            self.stateful = True
        segment = self._segment
        if segment is None or not self._owes_nothing(segment) or not segment.goes_on(sequence, reflector_sequence):
            heapq.heappush(self._beyond, (sequence, reflector_sequence))

    def _owes_nothing(self, segment: _Segment) -> bool:
        """Whether all that was noted is counted, and told, so that an answer that comes next changes nothing of it."""
        if self._beyond or self._excused or self._since_last is not _NONE:
            return False
        return segment.lost == self._forward + self._backward or not self.stateful

    def overlooked(self, sequence: int) -> None:
        """Note that this host dropped the answer to a packet: it is missing, but was lost on neither way."""
        heapq.heappush(self._excused, (sequence, True))

    def failed(self, sequence: int) -> None:
        """Note that somebody on the way discarded a packet and said so: the reflector did not see it."""
        heapq.heappush(self._excused, (sequence, False))

    def settled(self, below: int) -> DirectionalLoss | None:
        """Note that every packet with a number under ``below`` is settled; return the losses this attributes."""
        beyond = self._beyond
        if not beyond or beyond[0][0] >= below:
            if self._excused:
                self._gather_excused(below)  # an outage may last, and every packet of it fail
            return None
        while beyond and beyond[0][0] < below:
            self._count(*heapq.heappop(beyond))
        segment = self._segment
        if segment is None or not self.stateful or segment.lost == self._forward + self._backward:
            return None
        return self._tell(segment)

    def _count(self, sequence: int, reflector_sequence: int) -> None:
        segment = self._segment
        excused = self._excused_before(sequence) if self._excused or self._since_last is not _NONE else _NONE
        if segment is not None and segment.add(sequence, reflector_sequence, excused):
            return
        self.restarts += segment is not None
        self._segment = _Segment(sequence, reflector_sequence)
        self._forward = self._backward = 0

    def _excused_before(self, sequence: int) -> _Excused:
        self._gather_excused(sequence)
        if self._segment is not None and sequence <= self._segment.last:
            return _NONE  # a copy of an answer behind which they lie
        excused, self._since_last = self._since_last, _NONE
        return excused

    def _gather_excused(self, below: int) -> None:
        while self._excused and self._excused[0][0] < below:
            _, was_reflected = heapq.heappop(self._excused)
            overlooked, failed = self._since_last
            self._since_last = _Excused(overlooked + was_reflected, failed + (not was_reflected))

    def _tell(self, segment: _Segment) -> DirectionalLoss | None:
        if any(segment.whole(reflected) < segment.last_reflected for _, reflected in self._beyond):
            return None  # packets overtook each other: the count is right once they are settled too
        forward, backward = segment.losses()
        new_forward, new_backward = max(forward - self._forward, 0), max(backward - self._backward, 0)
        if not new_forward and not new_backward:
            return None
        self._forward += new_forward
        self._backward += new_backward
        return DirectionalLoss(sequence=segment.last, forward=new_forward, backward=new_backward)


class _Excused(NamedTuple):
    """How many packets are missing and not lost: overlooked, which the reflector saw, and failed, which it did not."""

    overlooked: int = 0
    failed: int = 0


_NONE = _Excused()


class _Segment:
    """A stretch of answers between which the reflector kept its state."""

    def __init__(self, sequence: int, reflector_sequence: int) -> None:
        self.first = self.last = sequence
        self.first_reflected = self.last_reflected = reflector_sequence
        self.lost = 0
        """Packets between the first and the last answer that were not answered, nor overlooked, nor failed."""
        self._failed = 0  # between these two likewise
        self._copies = 0  # further answers that the reflector gave to packets which came twice
        self._given_to = {reflector_sequence: sequence}

    def goes_on(self, sequence: int, reflector_sequence: int) -> bool:
        """Count the answer that is next by both numbers, as nearly all are; ``False`` where it is another."""
        if sequence != self.last + 1 or reflector_sequence != self.last_reflected + 1:
            return False
        self.last, self.last_reflected = sequence, reflector_sequence
        self._give(sequence, reflector_sequence)
        return True

    def add(self, sequence: int, reflector_sequence: int, excused: _Excused) -> bool:
        """Count an answer; ``False`` where it shows that the reflector has lost its state.

        ``excused``: how many packets were, between the one answered last and this one.

        First answers come in the order of our numbers: whatever does not is a further one.
        """
        number = self.whole(reflector_sequence)
        ahead = sequence - self.last
        if ahead > 0:
            if self._is_restart(number, ahead):
                return False
            self.lost += ahead - 1 - excused.overlooked - excused.failed
            self._failed += excused.failed
            self.last = sequence
        elif sequence < self.first or number in self._given_to or number <= self.last_reflected - _REMEMBERED:
            return True  # from before a restart, or copied on the way back: that says nothing of losses
        else:
            self._copies += 1
        if number > self.last_reflected:
            self.last_reflected = number
        elif number < self.first_reflected:
            self.first_reflected = number
        self._give(sequence, number)
        return True

    def _give(self, sequence: int, number: int) -> None:
        self._given_to[number] = sequence
        if len(self._given_to) > _REMEMBERED:
            del self._given_to[next(iter(self._given_to))]

    def whole(self, reflector_sequence: int) -> int:
        """Complete a number of which an answer carries the low 32 bits (RFC 1982)."""
        beyond_last = (reflector_sequence - self.last_reflected + _HALF & _LOW_32_BITS) - _HALF
        return self.last_reflected + beyond_last

    def _is_restart(self, number: int, ahead: int) -> bool:
        """Whether a reflector that gives each number once, and two at most to each packet, has begun anew."""
        given = number - self.last_reflected
        return given < -_RESTART or given > 2 * ahead + _RESTART or number in self._given_to

    def losses(self) -> tuple[int, int]:
        """Return how many of the lost packets were lost forward, and how many backward."""
        sent = self.last - self.first + 1 - self._failed
        reflected = self.last_reflected - self.first_reflected + 1
        forward = min(max(sent - reflected + self._copies, 0), self.lost)
        answers = sent - self.lost + self._copies
        return forward, min(max(reflected - answers, 0), self.lost - forward)
