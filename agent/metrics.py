"""Every metric of eragent: raw facts as counters and histograms, at zero from the start; ratios are PromQL's work."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from agent import __version__
from agent.plan import Plan
from agent.sink import StreamKey
from collectors.ancillary import IcmpError
from collectors.errors import REASONS
from collectors.sample import DirectionalLoss, Outcome, Sample, TimestampSource
from collectors.session import SessionEvent
from collectors.statistics import Rfc3550Jitter

_MS = 0.001
# The R20 series of preferred numbers (ISO 3): twenty steps of 12 % a decade.
_DECADE = (1, 1.12, 1.25, 1.4, 1.6, 1.8, 2, 2.24, 2.5, 2.8, 3.15, 3.55, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9)
RTT_BUCKETS = tuple(
    round(milliseconds * _MS, 6)
    for milliseconds in (
        *(0.1, 0.2, 0.3, 0.5, 0.75),
        *_DECADE,
        *(10 * step for step in _DECADE),
        *(100, 125, 160, 200, 250, 315, 400, 500, 1000),
    )
)
"""Upper bounds in seconds, from 0.2 to 500 ms; 12 % apart where wide-area networks are, so that p50 and p99 mean it."""
VARIATION_BUCKETS = tuple(ms * _MS for ms in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500))
LATENESS_BUCKETS = tuple(ms * _MS for ms in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100))

_STREAM = ("agent", "probe", "kind", "target", "path")
_SLOTS = ("agent", "probe", "target")
_DIRECTIONS = ("forward", "backward")
_NS = 1e-9

_COUNTERS = {
    "sent": "Packets that left and are settled, received or lost; those still on their way are not in it yet.",
    "received": "Packets answered within their own timeout.",
    "lost": "Packets without an answer within their own timeout (RFC 6673).",
    "late": "Answers that came after the timeout of their packet, which stays counted as lost.",
    "duplicate": "Further copies of answers (RFC 5560).",
    "reordered": "Received packets whose answer came behind that to a later packet (RFC 4737).",
}


class Metrics:
    """The sink that counts into metrics of ``registry``, each with the label ``agent``."""

    def __init__(self, registry: CollectorRegistry, plan: Plan) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
        self._agent = plan.agent
        self._streams: dict[StreamKey, _StreamMetrics] = {}
        self._families = _Families(registry)
        _describe(registry, plan)
        for probe in plan.probes:
            for target in probe.targets:
                self._families.slots_missed.labels(plan.agent, probe.name, target.name)

    def opened(self, key: StreamKey) -> None:
        """Have every series of a stream, at zero."""
        self._streams[key] = _StreamMetrics(self._families, (self._agent, key.probe, key.kind, key.target, key.path))

    def happened(self, key: StreamKey, events: Sequence[SessionEvent]) -> None:
        """Count what became of packets."""
        stream = self._streams[key]
        for event in events:
            match event:
                case Sample():
                    stream.take(event)
                case DirectionalLoss():
                    stream.lost_direction["forward"].inc(event.forward)
                    stream.lost_direction["backward"].inc(event.backward)
                case IcmpError():
                    stream.icmp_errors.inc()

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Count missed slots."""
        self._families.slots_missed.labels(self._agent, probe, target).inc(count)

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Show whether the stream has an address to send to."""
        self._streams[key].resolved.set(address is not None)


class _Families:
    """The metric families, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: Sequence[str]) -> Counter:
            return Counter(f"eragent_{name}_total", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(f"eragent_{name}_seconds", text, _STREAM, registry=registry, buckets=buckets)

        self.packets = {name: counter(f"packets_{name}", text, _STREAM) for name, text in _COUNTERS.items()}
        self.not_sent = counter(
            "packets_not_sent",
            "Packets that could not be sent, by reason; they say nothing of the path.",
            (*_STREAM, "reason"),
        )
        self.lost_direction = counter(
            "packets_lost_direction",
            "Lost packets of which a stateful reflector's sequence numbers told the direction; the rest is unknown.",
            (*_STREAM, "direction"),
        )
        self.icmp_errors = counter("icmp_errors", "ICMP errors that came back for packets of the stream.", _STREAM)
        self.timestamps = counter(
            "timestamps", "Received packets by who stamped both their ends.", (*_STREAM, "source")
        )
        self.slots_missed = counter(
            "slots_missed", "Slots that went by without a packet, because this host was too late.", _SLOTS
        )
        self.rtt = histogram(
            "rtt", "Round-trip time of received packets, without the reflector's residence time.", RTT_BUCKETS
        )
        self.ipdv = histogram(
            "ipdv",
            "Magnitude of the round-trip delay variation from one packet to the next received (RFC 3393).",
            VARIATION_BUCKETS,
        )
        self.lateness = histogram("send_lateness", "How long after its slot each packet was sent.", LATENESS_BUCKETS)
        self.jitter = Gauge(
            "eragent_jitter_seconds",
            "Interarrival jitter, smoothed over about 16 packets (RFC 3550); by direction where the reflector stamps.",
            (*_STREAM, "direction"),
            registry=registry,
        )
        self.resolved = Gauge(
            "eragent_target_resolved",
            "Whether the stream's target has an address (1) or not (0).",
            _STREAM,
            registry=registry,
        )


class _StreamMetrics:
    """The series of one stream."""

    def __init__(self, families: _Families, labels: tuple[str, ...]) -> None:
        packets = {name: family.labels(*labels) for name, family in families.packets.items()}
        self._sent, self._received, self._lost = packets["sent"], packets["received"], packets["lost"]
        self._late, self._duplicate, self._reordered = packets["late"], packets["duplicate"], packets["reordered"]
        self._not_sent = {reason: families.not_sent.labels(*labels, reason) for reason in REASONS}
        self.lost_direction = {name: families.lost_direction.labels(*labels, name) for name in _DIRECTIONS}
        self.icmp_errors = families.icmp_errors.labels(*labels)
        self._timestamps = {source: families.timestamps.labels(*labels, source) for source in TimestampSource}
        self._rtt = families.rtt.labels(*labels)
        self._ipdv = families.ipdv.labels(*labels)
        self._lateness = families.lateness.labels(*labels)
        self._jitter = [_Jitter(families.jitter, (*labels, name)) for name in ("round_trip", *_DIRECTIONS)]
        families.jitter.labels(*labels, "round_trip")
        self.resolved = families.resolved.labels(*labels)
        self._previous: Sample | None = None

    def take(self, sample: Sample) -> None:
        match sample.outcome:
            case Outcome.LATE:
                self._late.inc()
            case Outcome.DUPLICATE:
                self._duplicate.inc()
            case Outcome.NOT_SENT:
                self._not_sent[sample.reason or "other"].inc()
            case Outcome.LOST:
                self._count_sent(sample)
                self._lost.inc()
            case Outcome.ANSWERED | Outcome.REORDERED:
                self._count_sent(sample)
                self._take_received(sample)

    def _count_sent(self, sample: Sample) -> None:
        self._sent.inc()
        self._lateness.observe(sample.lateness_ns * _NS)

    def _take_received(self, sample: Sample) -> None:
        assert sample.rtt_ns is not None
        assert sample.timestamps is not None
        self._received.inc()
        if sample.outcome is Outcome.REORDERED:
            self._reordered.inc()
        self._timestamps[sample.timestamps].inc()
        self._rtt.observe(sample.rtt_ns * _NS)
        for jitter, transit_ns in zip(
            self._jitter, (sample.rtt_ns, sample.forward_ns, sample.backward_ns), strict=True
        ):
            if transit_ns is not None:
                jitter.take(transit_ns)
        self._take_variation(sample)

    def _take_variation(self, sample: Sample) -> None:
        """Observe IPDV where the packet sent just before this one was received too (RFC 3393, section 2.4)."""
        before, self._previous = self._previous, sample
        if before is None or before.sequence is None or sample.sequence != before.sequence + 1:
            return
        assert before.rtt_ns is not None
        assert sample.rtt_ns is not None
        self._ipdv.observe(abs(sample.rtt_ns - before.rtt_ns) * _NS)


class _Jitter:
    """A running figure and its gauge, which is there once it has a value: of a direction that nobody stamps, never."""

    def __init__(self, family: Gauge, labels: tuple[str, ...]) -> None:
        self._family = family
        self._labels = labels
        self._gauge: Gauge | None = None
        self._figure = Rfc3550Jitter()

    def take(self, transit_ns: int) -> None:
        self._figure.add(transit_ns)
        if self._figure.value_ns is None:
            return
        if self._gauge is None:
            self._gauge = self._family.labels(*self._labels)
        self._gauge.set(self._figure.value_ns * _NS)


def _describe(registry: CollectorRegistry, plan: Plan) -> None:
    """Say what runs and what it was told of the paths."""
    build = Gauge(
        "eragent_build_info",
        "Version of the agent and of its Python.",
        ("agent", "version", "python"),
        registry=registry,
    )
    build.labels(plan.agent, __version__, platform.python_version()).set(1)
    path_info = Gauge(
        "eragent_path_info",
        "A path as configured: its kind, and what pins packets to it.",
        ("agent", "path", "kind", "source", "interface"),
        registry=registry,
    )
    purchased = Gauge(
        "eragent_path_purchased_bytes_per_second",
        "Rate that was bought for a path, where the configuration names one.",
        ("agent", "path"),
        registry=registry,
    )
    for path in plan.paths.values():
        path_info.labels(plan.agent, path.name, path.kind, str(path.source or ""), path.interface or "").set(1)
        if path.rate is not None:
            purchased.labels(plan.agent, path.name).set(path.rate / 8)
