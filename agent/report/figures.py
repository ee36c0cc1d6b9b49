"""A sink that keeps what a report says of each stream: counts since the start, and the most recent packets' times."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.sink import StreamKey
from collectors.ancillary import IcmpError
from collectors.sample import DirectionalLoss, Outcome, Sample, TimestampSource
from collectors.session import SessionEvent
from collectors.statistics import Rfc3550Jitter

RECENT = 8192
"""How many of a stream's packets the service keeps times of: 13 minutes at 10 packets a second, 256 KiB."""

_UNANSWERED = -1  # in the arrays below, which hold no None


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTimes:
    """One packet, as the figures need it: its slot, its round trip (``None``: lost) and how late it was sent, ns."""

    slot: int
    rtt_ns: int | None
    lateness_ns: int


class StreamFigures:
    """Counts of one stream since its start, and times of its most recent packets."""

    def __init__(self, *, recent: int | None, with_samples: bool) -> None:
        self.address: str | None = None
        self.outcomes: Counter[Outcome] = Counter()
        self.timestamps: Counter[TimestampSource] = Counter()
        self.not_sent_reasons: Counter[str] = Counter()
        self.icmp_errors: Counter[tuple[int, str | None]] = Counter()
        self.lost_forward = 0
        self.lost_backward = 0
        self.jitter = Rfc3550Jitter()
        self.forward_jitter = Rfc3550Jitter()
        self.backward_jitter = Rfc3550Jitter()
        self.samples: list[Sample] | None = [] if with_samples else None
        self._recent = recent
        self._slots = array("q")
        self._rtts_ns = array("q")
        self._lateness_ns = array("q")

    @property
    def sent(self) -> int:
        """Packets that are settled and had left: received or lost. Those still on their way are not counted."""
        return self.received + self.outcomes[Outcome.LOST]

    @property
    def received(self) -> int:
        """Packets answered in time."""
        return self.outcomes[Outcome.ANSWERED] + self.outcomes[Outcome.REORDERED]

    def packets(self) -> list[PacketTimes]:
        """Return the recent packets in order of sending."""
        rows = sorted(zip(self._slots, self._rtts_ns, self._lateness_ns, strict=True))
        if self._recent is not None:
            rows = rows[-self._recent :]
        return [
            PacketTimes(slot=slot, rtt_ns=None if rtt_ns == _UNANSWERED else rtt_ns, lateness_ns=lateness_ns)
            for slot, rtt_ns, lateness_ns in rows
        ]

    def take(self, event: SessionEvent) -> None:
        """Count an event."""
        match event:
            case Sample():
                self._take_sample(event)
            case DirectionalLoss():
                self.lost_forward += event.forward
                self.lost_backward += event.backward
            case IcmpError():
                self.icmp_errors[event.errno, event.offender] += 1

    def _take_sample(self, sample: Sample) -> None:
        self.outcomes[sample.outcome] += 1
        if self.samples is not None:
            self.samples.append(sample)
        if sample.outcome is Outcome.NOT_SENT:
            self.not_sent_reasons[sample.reason or "other"] += 1
        elif sample.outcome.settles:
            self._keep(sample)
        if sample.outcome.received:
            self._take_times(sample)

    def _take_times(self, sample: Sample) -> None:
        assert sample.rtt_ns is not None
        assert sample.timestamps is not None
        self.timestamps[sample.timestamps] += 1
        self.jitter.add(sample.rtt_ns)
        if sample.forward_ns is not None and sample.backward_ns is not None:
            self.forward_jitter.add(sample.forward_ns)
            self.backward_jitter.add(sample.backward_ns)

    def _keep(self, sample: Sample) -> None:
        columns = (self._slots, self._rtts_ns, self._lateness_ns)
        values = (sample.slot, _UNANSWERED if sample.rtt_ns is None else sample.rtt_ns, sample.lateness_ns)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
            if self._recent is not None and len(column) >= 2 * self._recent:
                del column[: self._recent]


class Figures:
    """The sink: :class:`StreamFigures` of every stream. ``recent`` bounds the memory, ``None`` keeps all packets."""

    def __init__(self, *, recent: int | None = None, with_samples: bool = False) -> None:
        self.streams: dict[StreamKey, StreamFigures] = {}
        self.missed: Counter[tuple[str, str]] = Counter()
        self._recent = recent
        self._with_samples = with_samples

    def opened(self, key: StreamKey) -> None:
        """Begin the figures of a stream."""
        self.streams[key] = StreamFigures(recent=self._recent, with_samples=self._with_samples)

    def happened(self, key: StreamKey, events: Sequence[SessionEvent]) -> None:
        """Count what became of packets."""
        stream = self.streams[key]
        for event in events:
            stream.take(event)

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Count missed slots."""
        self.missed[probe, target] += count

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Note where a stream is sent."""
        self.streams[key].address = address
