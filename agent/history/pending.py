"""What was taken from the queue and is not on disk yet: samples by stream and minute, and what is told beside them.

Reads no clock and knows no file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.history.rows import Rows
from agent.history.sink import AddressFound, Measured, Missing, OpenedStream, Queue
from agent.history.store import MINUTE_NS
from agent.history.summary import Extras
from collectors.sample import DirectionalLoss, Outcome, Sample

_LATE = Extras(late=1)
_DUPLICATE = Extras(duplicate=1)


@dataclass(slots=True)
class PendingMinute:
    """What came of a stream's minute."""

    rows: Rows = field(default_factory=Rows)
    extras: Extras = field(default_factory=Extras)


class Pending:
    """Stays until :meth:`clear`, however often writing it is tried. ``told`` is in the order in which it happened."""

    def __init__(self) -> None:
        self.minutes: dict[tuple[OpenedStream, int], PendingMinute] = {}
        self.told: list[AddressFound | Missing | Measured] = []
        self._last_minutes: dict[OpenedStream, int] = {}

    @property
    def samples(self) -> int:
        """How many settled packets there are."""
        return sum(len(minute.rows) for minute in self.minutes.values())

    def take(self, queue: Queue, now_ns: int) -> None:
        """Take what is in the queue at this moment."""
        for _ in range(len(queue)):
            happening = queue.popleft()
            if isinstance(happening, tuple):
                stream, event = happening
                self._take_event(stream, event, now_ns)
            else:
                self.told.append(happening)

    def clear(self) -> None:
        """Forget what is on disk now."""
        self.minutes.clear()
        self.told.clear()

    def _take_event(self, stream: OpenedStream, event: Sample | DirectionalLoss, now_ns: int) -> None:
        if isinstance(event, DirectionalLoss):  # told by a later answer: it belongs to that one's minute
            extras = Extras(lost_forward=event.forward, lost_backward=event.backward)
            self._minute_of(stream, self._last_minutes.get(stream, now_ns // MINUTE_NS)).extras += extras
            return
        number = event.sent_at_ns // MINUTE_NS
        minute = self._minute_of(stream, number)
        if event.outcome.settles:
            self._last_minutes[stream] = number
            minute.rows.append(event)
        else:
            minute.extras += _LATE if event.outcome is Outcome.LATE else _DUPLICATE

    def _minute_of(self, stream: OpenedStream, number: int) -> PendingMinute:
        return self.minutes.setdefault((stream, number), PendingMinute())
