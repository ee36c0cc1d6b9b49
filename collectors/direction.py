"""On which way packets were lost, told from a stateful reflector's own sequence numbers. No I/O.

The reflector numbers what it sends back: a packet lost on the way there leaves no gap in its numbers, one lost on the
way back does. With n packets sent between two answers and r of them reflected, n - r were lost forward.
"""

from __future__ import annotations

import heapq

from collectors.sample import DirectionalLoss

_RESTART = 64  # reflected numbers that fall further back than packets can overtake each other: its state was lost


class DirectionAccount:
    """Counts losses by direction over the part of a stream where every packet is settled.

    A reflector that copies our numbers (stateless) looks like a stateful one that has lost nothing forward: nothing is
    said until the two numberings have differed once. Losses before the first answer, behind the last one, and across a
    restart of the reflector stay unattributed; one shows when its numbers fall back, or come a second time. A late
    answer was not back in time, which makes it a backward loss.
    """

    def __init__(self) -> None:
        self.stateful = False
        self.restarts = 0
        """How often the reflector began its numbers anew."""
        self._beyond: list[tuple[int, int]] = []  # a heap of answers whose predecessors are not all settled yet
        self._forward = 0  # told so far in this segment
        self._backward = 0
        self._segment: _Segment | None = None

    def answered(self, sequence: int, reflector_sequence: int) -> None:
        """Note an answer: our number, and the reflector's."""
        self.stateful = self.stateful or sequence != reflector_sequence
        heapq.heappush(self._beyond, (sequence, reflector_sequence))

    def settled(self, below: int) -> DirectionalLoss | None:
        """Note that every packet with a number under ``below`` is settled; return the losses this attributes."""
        if not self._beyond or self._beyond[0][0] >= below:
            return None
        while self._beyond and self._beyond[0][0] < below:
            self._count(*heapq.heappop(self._beyond))
        return self._tell()

    def _count(self, sequence: int, reflector_sequence: int) -> None:
        segment = self._segment
        if segment is not None and not segment.is_restart(sequence, reflector_sequence):
            segment.add(sequence, reflector_sequence)
            return
        self.restarts += segment is not None
        self._segment = _Segment(sequence, reflector_sequence)
        self._forward = self._backward = 0

    def _tell(self) -> DirectionalLoss | None:
        segment = self._segment
        if segment is None or not self.stateful or segment.lost == self._forward + self._backward:
            return None
        if any(reflected < segment.last_reflected for _, reflected in self._beyond):
            return None  # packets overtook each other: the count is right once they are settled too
        forward, backward = segment.losses()
        new_forward, new_backward = max(forward - self._forward, 0), max(backward - self._backward, 0)
        if not new_forward and not new_backward:
            return None
        self._forward += new_forward
        self._backward += new_backward
        return DirectionalLoss(sequence=segment.last, forward=new_forward, backward=new_backward)


class _Segment:
    """A stretch of answers between which the reflector kept its state."""

    def __init__(self, sequence: int, reflector_sequence: int) -> None:
        self.first = self.last = sequence
        self.first_reflected = self.last_reflected = reflector_sequence
        self._distinct = 1  # packets answered
        self._answers = 1  # answers, copies made on the way there included
        self._recent = {sequence: {reflector_sequence}}
        self._given_to = {reflector_sequence: sequence}

    def is_restart(self, sequence: int, reflector_sequence: int) -> bool:
        """Whether an answer shows that the reflector has lost its state: it gives each number once."""
        if sequence <= self.last:
            return False
        return reflector_sequence + _RESTART < self.last_reflected or reflector_sequence in self._given_to

    def add(self, sequence: int, reflector_sequence: int) -> None:
        reflected = self._recent.setdefault(sequence, set())
        if reflector_sequence in reflected:
            return  # a copy made on the way back says nothing of losses
        self._distinct += not reflected
        self._answers += 1
        reflected.add(reflector_sequence)
        self._given_to[reflector_sequence] = sequence
        self.first_reflected = min(self.first_reflected, reflector_sequence)
        self.last = max(self.last, sequence)
        self.last_reflected = max(self.last_reflected, reflector_sequence)
        if len(self._recent) > 2 * _RESTART:
            self._recent = {known: copies for known, copies in self._recent.items() if known + _RESTART > self.last}
            self._given_to = {number: known for number, known in self._given_to.items() if known in self._recent}

    @property
    def lost(self) -> int:
        """Packets between the first and the last answer that were not answered."""
        return self.last - self.first + 1 - self._distinct

    def losses(self) -> tuple[int, int]:
        """Return how many of them were lost forward, and how many backward."""
        sent = self.last - self.first + 1
        reflected = self.last_reflected - self.first_reflected + 1
        copied_forward = self._answers - self._distinct
        lost = self.lost
        forward = min(max(sent - reflected + copied_forward, 0), lost)
        return forward, min(max(reflected - self._answers, 0), lost - forward)
