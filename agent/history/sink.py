"""The sink that hands samples to the thread that writes: on the event loop it only appends to a queue in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.history.counts import HistoryCounts
from agent.history.hops import AnswerHops
from agent.history.trouble import Reason
from agent.plan import Probe
from agent.sink import StreamKey
from collectors.sample import DirectionalLoss, Sample
from collectors.session import Deliver, SessionEvent

MOST_HELD = 30_000
"""Samples that wait in memory at most: five minutes at 100 a second, 10 MB while the disk does not answer at all."""

THROUGHPUT = "throughput"
"""The kind of measurements that are tests of throughput."""
COMPARISON = "comparison"
"""The kind of those that are blocks of a continuous comparison."""
HOPS = "hops"
"""The kind of those that tell with which TTL the answers of a stream arrive from now on."""

_UNKNOWN_INTERVAL_NS = 1_000_000_000


class Slots:
    """Where the slots of a probe at a target begin, so that they ascend over restarts; all its paths share that.

    ``first`` is for the writer, which learns it with the first sample, from that and from what there is on disk.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.paths: set[str] = set()


@dataclass(frozen=True, slots=True, eq=False)
class OpenedStream:
    """A stream from its opening on."""

    key: StreamKey
    interval_ns: int
    slots: Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFound:
    """Where a stream is sent from now on; ``None`` where its name does not resolve."""

    stream: OpenedStream
    at_ns: int
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A time of which there are no samples, why, and how many that are."""

    from_ns: int
    until_ns: int
    reason: str
    samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The result of a measurement that is no stream's."""

    at_ns: int
    kind: str
    target: str
    path: str
    data: Mapping[str, Any]


Happening = tuple[OpenedStream, Sample | DirectionalLoss]
Queue = deque[Happening | AddressFound | Missing | Measured]


class HistorySink:
    """Queues what happens; what finds no room is dropped and counted, by what keeps the rest from being written."""

    def __init__(
        self,
        counts: HistoryCounts,
        probes: Iterable[Probe],
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        most_held: int = MOST_HELD,
    ) -> None:
        self.queue: Queue = deque()
        self._counts = counts
        self._intervals_ns = {probe.name: probe.interval_ns for probe in probes}
        self._wall_ns = wall_ns
        self._most_held = most_held
        self._slots: dict[tuple[str, str], Slots] = {}
        self._streams: dict[StreamKey, OpenedStream] = {}
        self._addresses: dict[StreamKey, str | None] = {}
        self._dropping: list[int] = []  # the times of the first and the last sample that found no room, and how many

    def planned(self, probes: Iterable[Probe]) -> None:
        """Learn the intervals of probes whose streams are opened from now on."""
        self._intervals_ns = {probe.name: probe.interval_ns for probe in probes}

    def opened(self, key: StreamKey) -> Deliver:
        """Begin a stream."""
        interval_ns = self._intervals_ns.get(key.probe, _UNKNOWN_INTERVAL_NS)
        stream = self._streams[key] = OpenedStream(key, interval_ns, self._slots_of(key))
        hops = AnswerHops()

        def happened(events: Sequence[SessionEvent]) -> None:
            for event in events:
                if isinstance(event, Sample):
                    self._take(stream, event)
                    if event.ttl is not None:
                        self._look_at_hops(stream.key, hops, event.ttl, event.sent_at_ns)
                elif isinstance(event, DirectionalLoss) and self._has_room:
                    self.queue.append((stream, event))

        return happened

    def closed(self, key: StreamKey) -> None:
        """End a stream; one of the same key is another one."""
        self._slots[key.probe, key.target].paths.discard(key.path)
        self._streams.pop(key)
        self._addresses.pop(key, None)

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Nothing is kept of them: their numbers are missing among the samples."""

    def lagged(self, lag_ns: int) -> None:
        """Nothing is kept of it: samples that were taken meanwhile are noisy."""

    def suspended(self, duration_ns: int) -> None:
        """Keep when there was nobody to send."""
        now_ns = self._wall_ns()
        self.queue.append(Missing(from_ns=now_ns - duration_ns, until_ns=now_ns, reason="suspended"))

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Keep where a stream is sent, if that is elsewhere than before."""
        if self._addresses.get(key, "") != address:
            self._addresses[key] = address
            self.queue.append(AddressFound(stream=self._streams[key], at_ns=self._wall_ns(), address=address))

    def measured(self, kind: str, *, target: str, path: str, data: Mapping[str, Any]) -> None:
        """Keep the result of a measurement, which can be written as JSON."""
        self.queue.append(Measured(at_ns=self._wall_ns(), kind=kind, target=target, path=path, data=data))

    def _look_at_hops(self, key: StreamKey, hops: AnswerHops, ttl: int, sent_at_ns: int) -> None:
        before = hops.ttl
        if ttl == before:
            hops.same()
            return
        at_ns = hops.changed_at_ns(ttl, sent_at_ns)
        if at_ns is not None:
            data = {"probe": key.probe, "kind": key.kind, "answer_ttl": ttl, "before": before}
            self.queue.append(Measured(at_ns=at_ns, kind=HOPS, target=key.target, path=key.path, data=data))

    @property
    def _has_room(self) -> bool:
        return self._counts.held < self._most_held and len(self.queue) < self._most_held

    def _take(self, stream: OpenedStream, sample: Sample) -> None:
        if not self._has_room:
            self._drop(sample.sent_at_ns)
            return
        self._counts.taken += sample.outcome.settles
        self.queue.append((stream, sample))
        if self._dropping:
            self._tell_dropped()

    def _drop(self, sent_at_ns: int) -> None:
        trouble = self._counts.trouble
        self._counts.dropped[Reason.SLOW if trouble is None else trouble.reason] += 1
        if not self._dropping:
            self._dropping = [sent_at_ns, sent_at_ns, 0]
        self._dropping[1] = sent_at_ns
        self._dropping[2] += 1

    def _tell_dropped(self) -> None:
        from_ns, until_ns, samples = self._dropping
        self._dropping = []
        self.queue.append(Missing(from_ns=from_ns, until_ns=until_ns, reason="dropped", samples=samples))

    def _slots_of(self, key: StreamKey) -> Slots:
        place = (key.probe, key.target)
        slots = self._slots.get(place)
        if slots is None or not slots.paths or key.path in slots.paths:
            slots = self._slots[place] = Slots()
        slots.paths.add(key.path)
        return slots
