"""Every metric of eragent: raw facts as counters and histograms, at zero from the start; ratios are PromQL's work."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from agent import __version__
from agent.counts import Histogram, StreamCounts
from agent.plan import Plan
from agent.sink import StreamKey
from collectors.session import SessionEvent

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
_NS_PER_S = 1e9

_COUNTERS = {
    "sent": "Packets that left and are settled, received or lost; those still on their way are not in it yet.",
    "received": "Packets answered within their own timeout.",
    "lost": "Packets without an answer within their own timeout (RFC 6673).",
    "late": "Answers that came after the timeout of their packet, which stays counted as lost.",
    "duplicate": "Further copies of answers (RFC 5560).",
    "reordered": "Received packets whose answer came behind that to a later packet (RFC 4737).",
}
_LABELLED_COUNTERS: tuple[tuple[str, str, str, Callable[[StreamCounts], Mapping[str, int]]], ...] = (
    (
        "packets_not_sent",
        "reason",
        "Packets that could not be sent, by reason; they say nothing of the path.",
        lambda counts: counts.not_sent,
    ),
    (
        "packets_lost_direction",
        "direction",
        "Lost packets of which a stateful reflector's sequence numbers told the direction; the rest is unknown.",
        lambda counts: counts.lost_direction,
    ),
    (
        "timestamps",
        "source",
        "Received packets by who stamped both their ends.",
        lambda counts: counts.timestamps,
    ),
)
_HISTOGRAMS: tuple[tuple[str, str, Sequence[float], Callable[[StreamCounts], Histogram]], ...] = (
    (
        "rtt",
        "Round-trip time of received packets, without the reflector's residence time.",
        RTT_BUCKETS,
        lambda counts: counts.rtt,
    ),
    (
        "ipdv",
        "Magnitude of the round-trip delay variation from one packet to the next received (RFC 3393).",
        VARIATION_BUCKETS,
        lambda counts: counts.ipdv,
    ),
    (
        "send_lateness",
        "How long after its slot each packet was sent.",
        LATENESS_BUCKETS,
        lambda counts: counts.lateness,
    ),
)


class Metrics(Collector):
    """The sink that counts, and shows ``registry`` what it counted when it is read; each with the label ``agent``."""

    def __init__(self, registry: CollectorRegistry, plan: Plan) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
        self._agent = plan.agent
        self._streams: dict[StreamKey, StreamCounts] = {}
        self._missed = {(probe.name, target.name): 0 for probe in plan.probes for target in probe.targets}
        registry.register(self)
        _describe(registry, plan)

    def opened(self, key: StreamKey) -> None:
        """Have every series of a stream, at zero."""
        self._streams[key] = StreamCounts(
            rtt_bounds_ns=_nanoseconds(RTT_BUCKETS),
            variation_bounds_ns=_nanoseconds(VARIATION_BUCKETS),
            lateness_bounds_ns=_nanoseconds(LATENESS_BUCKETS),
        )

    def happened(self, key: StreamKey, events: Sequence[SessionEvent]) -> None:
        """Count what became of packets."""
        stream = self._streams[key]
        for event in events:
            stream.take(event)

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Count missed slots."""
        self._missed[probe, target] += count

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Show whether the stream has an address to send to."""
        self._streams[key].resolved = address is not None

    def collect(self) -> Iterator[Metric]:
        """Yield every family with the series of all streams."""
        streams = [
            ((self._agent, key.probe, key.kind, key.target, key.path), counts) for key, counts in self._streams.items()
        ]
        yield from _packet_counters(streams)
        yield from _histograms(streams)
        yield from _gauges(streams)
        missed = CounterMetricFamily(
            "eragent_slots_missed",
            "Slots that went by without a packet, because this host was too late.",
            labels=_SLOTS,
        )
        for slots, count in self._missed.items():
            missed.add_metric((self._agent, *slots), count)
        yield missed


_Series = Sequence[tuple[tuple[str, ...], StreamCounts]]
"""All streams: the values of their labels, and what was counted."""


def _packet_counters(streams: _Series) -> Iterator[Metric]:
    for name, text in _COUNTERS.items():
        family = CounterMetricFamily(f"eragent_packets_{name}", text, labels=_STREAM)
        for labels, counts in streams:
            family.add_metric(labels, getattr(counts, name))
        yield family
    icmp_errors = CounterMetricFamily(
        "eragent_icmp_errors", "ICMP errors that came back for packets of the stream.", labels=_STREAM
    )
    for labels, counts in streams:
        icmp_errors.add_metric(labels, counts.icmp_errors)
    yield icmp_errors
    for name, label, text, by_label in _LABELLED_COUNTERS:
        family = CounterMetricFamily(f"eragent_{name}", text, labels=(*_STREAM, label))
        for labels, counts in streams:
            for value, count in by_label(counts).items():
                family.add_metric((*labels, value), count)
        yield family


def _histograms(streams: _Series) -> Iterator[Metric]:
    for name, text, buckets, histogram in _HISTOGRAMS:
        family = HistogramMetricFamily(f"eragent_{name}_seconds", text, labels=_STREAM)
        bounds = [*map(floatToGoString, buckets), "+Inf"]
        for labels, counts in streams:
            counted = histogram(counts)
            family.add_metric(labels, list(zip(bounds, counted.cumulative(), strict=True)), counted.sum_ns / _NS_PER_S)
        yield family


def _gauges(streams: _Series) -> Iterator[Metric]:
    jitter = GaugeMetricFamily(
        "eragent_jitter_seconds",
        "Interarrival jitter, smoothed over about 16 packets (RFC 3550); by direction where the reflector stamps.",
        labels=(*_STREAM, "direction"),
    )
    resolved = GaugeMetricFamily(
        "eragent_target_resolved",
        "Whether the stream's target has an address (1) or not (0).",
        labels=_STREAM,
    )
    for labels, counts in streams:
        resolved.add_metric(labels, counts.resolved)
        for direction, figure in counts.jitter.items():
            # Of a direction that nobody stamps there is nothing to show; the round trip is there from the start.
            if figure.value_ns is not None or direction == "round_trip":
                jitter.add_metric((*labels, direction), (figure.value_ns or 0) / _NS_PER_S)
    yield jitter
    yield resolved


def _nanoseconds(buckets: Sequence[float]) -> list[int]:
    return [round(bound * _NS_PER_S) for bound in buckets]


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
