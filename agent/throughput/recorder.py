"""The sink that keeps what streams see around a test, and nothing otherwise. Knows no test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from agent.sink import StreamKey
from agent.throughput.load import Probed
from collectors.sample import Outcome, Sample
from collectors.session import Deliver, SessionEvent

MOST_SAMPLES = 5_000
"""Of a stream and a part: 100 s of a probe each 20 ms. Half as many tell a p99."""
_RANKS = 24
"""The longest test has 3.6 million slots of a millisecond, of which 5,000 are each 720th, less than the 2^10th."""


@dataclass(slots=True)
class _Part:
    """What was sent from some moment on: of each stream the samples of every 2^n-th slot, by rank.

    The rank of a slot is how often it can be halved. So to halve all samples is to let go of the lowest rank: packets
    are due meanwhile.
    """

    start_ns: int
    least: int = 0
    counts: Counter[StreamKey] = field(default_factory=Counter)
    by_rank: dict[StreamKey, list[list[Probed]]] = field(default_factory=dict)

    def keep(self, key: StreamKey, sample: Probed) -> None:
        rank = min((sample.slot & -sample.slot).bit_length() - 1, _RANKS - 1) if sample.slot else _RANKS - 1
        if rank < self.least:
            return
        ranks = self.by_rank.get(key)
        if ranks is None:
            ranks = self.by_rank[key] = [[] for _ in range(_RANKS)]
        ranks[rank].append(sample)
        self.counts[key] += 1
        if self.counts[key] > MOST_SAMPLES:
            self._halve()

    def _halve(self) -> None:
        for key, ranks in self.by_rank.items():
            self.counts[key] -= len(ranks[self.least])
            ranks[self.least] = []
        self.least += 1


class Recorder:
    """Keeps samples of streams to one target while it records; the engine's other sinks have all the rest.

    However long that goes on, no stream keeps more than :data:`MOST_SAMPLES` of each part: then every second slot
    counts, or every fourth, and so on. It is the same slots of all streams, so that those of two paths stay pairs.
    """

    def __init__(self) -> None:
        self._target: str | None = None
        self._parts: list[_Part] = []

    def start(self, target: str) -> None:
        """Forget what was recorded, and record the streams to this target from now on."""
        self._target, self._parts = target, [_Part(start_ns=0)]

    def part(self, start_ns: int) -> None:
        """Begin a part, whose samples are thinned by themselves: those sent from ``start_ns`` (wall time) on."""
        self._parts.append(_Part(start_ns=start_ns))

    def stop(self) -> Mapping[StreamKey, Sequence[Probed]]:
        """Record no more; return what was, in no order."""
        self._target, parts, self._parts = None, self._parts, []
        recorded: dict[StreamKey, list[Probed]] = {}
        for part in parts:
            for key, ranks in part.by_rank.items():
                recorded.setdefault(key, []).extend(chain.from_iterable(ranks))
        return recorded

    def opened(self, key: StreamKey) -> Deliver:
        """Begin a stream."""

        def deliver(events: Sequence[SessionEvent]) -> None:
            if self._target == key.target:
                self._keep(key, events)

        return deliver

    def closed(self, key: StreamKey) -> None:
        """Take no note: what was recorded of it counts."""

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Take no note."""

    def lagged(self, lag_ns: int) -> None:
        """Take no note: samples tell themselves whether this host disturbed them."""

    def suspended(self, duration_ns: int) -> None:
        """Take no note."""

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Take no note."""

    def _keep(self, key: StreamKey, events: Sequence[SessionEvent]) -> None:
        """Keep round trips and losses; what did not leave, failed or was overlooked says nothing of a queue."""
        for event in events:
            if not isinstance(event, Sample):
                continue
            if event.outcome is Outcome.LOST or (event.outcome.received and event.rtt_ns is not None):
                row = Probed(event.slot, event.sent_at_ns, event.rtt_ns, event.noisy)
                part = next(part for part in reversed(self._parts) if part.start_ns <= event.sent_at_ns)
                part.keep(key, row)
