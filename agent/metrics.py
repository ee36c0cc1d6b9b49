"""Every metric of eragent: raw facts as counters and histograms, at zero from the start; ratios are PromQL's work."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from itertools import compress

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent import __version__
from agent.connection_metrics import connection_families
from agent.counts import StreamCounts
from agent.host_metrics import host_families
from agent.http_metrics import http_families
from agent.peer_metrics import peer_families
from agent.plan import Plan
from agent.report.figures import Figures
from agent.series import STREAM, LabelledCounter, NamedHistogram, Series, histograms, labelled_counters
from collectors.clock import ClockState, kernel_clock_state
from collectors.stamp.sender import StampOptions

_SLOTS = ("agent", "probe", "target")
_NS_PER_S = 1e9

_COUNTERS: tuple[tuple[str, str, Callable[[StreamCounts], int]], ...] = (
    (
        "packets_sent",
        "Packets that left and are settled: received, lost, failed or overlooked; not those still on their way.",
        lambda counts: counts.sent,
    ),
    ("packets_received", "Packets answered within their own timeout.", lambda counts: counts.received),
    ("packets_lost", "Packets without an answer within their own timeout (RFC 6673).", lambda counts: counts.lost),
    (
        "packets_overlooked",
        "Packets without an answer in time whose answer this host's own kernel may have dropped; no losses.",
        lambda counts: counts.overlooked,
    ),
    (
        "packets_late",
        "Answers that came after the timeout of their packet, which stays counted as lost.",
        lambda counts: counts.late,
    ),
    ("packets_duplicate", "Further copies of answers (RFC 5560).", lambda counts: counts.duplicate),
    (
        "packets_reordered",
        "Received packets whose answer came behind that to a later packet (RFC 4737).",
        lambda counts: counts.reordered,
    ),
    ("icmp_errors", "ICMP errors that came back for packets of the stream.", lambda counts: counts.icmp_errors),
    (
        "receive_drops",
        "Datagrams for the stream's socket that this host's kernel dropped: it had no room, or a checksum was wrong.",
        lambda counts: counts.receive_drops,
    ),
    (
        "samples_noisy",
        "Sent packets during which this host was stalled for more than a millisecond; comparisons leave them out.",
        lambda counts: counts.noisy,
    ),
)
_LABELLED_COUNTERS: tuple[LabelledCounter, ...] = (
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
    (
        "answers_rejected",
        "reason",
        "Datagrams that came to a stream's socket and were not taken for answers, by reason.",
        lambda counts: counts.rejected,
    ),
)
_HISTOGRAMS: tuple[NamedHistogram, ...] = (
    (
        "rtt",
        "Round-trip time of received packets, without the reflector's residence time.",
        lambda counts: counts.rtt,
    ),
    (
        "ipdv",
        "Magnitude of the round-trip delay variation from one packet to the next received (RFC 3393).",
        lambda counts: counts.ipdv,
    ),
    (
        "send_lateness",
        "How long after its slot each packet was sent.",
        lambda counts: counts.lateness,
    ),
)


class Metrics(Collector):
    """Shows ``registry`` what was counted of all streams when it is read; every series has the label ``agent``."""

    def __init__(
        self,
        registry: CollectorRegistry,
        plan: Plan,
        figures: Figures,
        *,
        clock_state: Callable[[], ClockState] = kernel_clock_state,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
        self._plan = plan
        self._figures = figures
        self._clock_state = clock_state
        registry.register(self)
        _describe(registry, plan)

    def collect(self) -> Iterator[Metric]:
        """Yield every family with the series of all streams."""
        streams = [
            ((self._plan.agent, key.probe, key.kind, key.target, key.path), stream)
            for key, stream in self._figures.streams.items()
        ]
        counts = [(labels, stream.counts) for labels, stream in streams]
        yield from _counters(counts)
        yield from labelled_counters(_LABELLED_COUNTERS, counts)
        yield from histograms(_HISTOGRAMS, counts)
        yield _jitter(counts)
        yield from connection_families(counts)
        yield from http_families(counts)
        stamp = [key.kind == StampOptions.kind for key in self._figures.streams]
        yield from peer_families(list(compress(counts, stamp)))
        resolved = GaugeMetricFamily(
            "eragent_target_resolved",
            "Whether the target's name resolved last time (1) or not (0); the last address known stays in use.",
            labels=STREAM,
        )
        for labels, stream in streams:
            resolved.add_metric(labels, stream.resolved)
        yield resolved
        yield self._slots_missed()
        yield from host_families(self._plan.agent, self._figures.host, self._clock_state)

    def _slots_missed(self) -> Metric:
        text = "Slots that went by without a packet, because this host was too late."
        missed = CounterMetricFamily("eragent_slots_missed", text, labels=_SLOTS)
        for probe in self._plan.probes:
            for target in probe.targets:
                count = self._figures.missed[probe.name, target.name]
                missed.add_metric((self._plan.agent, probe.name, target.name), count)
        return missed


def _counters(streams: Series) -> Iterator[Metric]:
    for name, text, value in _COUNTERS:
        family = CounterMetricFamily(f"eragent_{name}", text, labels=STREAM)
        for labels, counts in streams:
            family.add_metric(labels, value(counts))
        yield family


def _jitter(streams: Series) -> Metric:
    family = GaugeMetricFamily(
        "eragent_jitter_seconds",
        "Interarrival jitter, smoothed over about 16 packets (RFC 3550); by direction where the reflector stamps.",
        labels=(*STREAM, "direction"),
    )
    for labels, counts in streams:
        for direction, figure in counts.jitter.items():
            # Of a direction that nobody stamps there is nothing to show; the round trip is there from the start.
            if figure.value_ns is not None or direction == "round_trip":
                family.add_metric((*labels, direction), (figure.value_ns or 0) / _NS_PER_S)
    return family


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
