"""Every metric of eragent: raw facts as counters and histograms, at zero from the start; ratios are PromQL's work."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from agent import __version__
from agent.counts import StreamCounts
from agent.metrics.connections import CONNECTION_FAMILIES
from agent.metrics.host import host_families
from agent.metrics.http import HTTP_FAMILIES
from agent.metrics.oneway import ONE_WAY_FAMILIES
from agent.metrics.peers import PEER_FAMILIES
from agent.metrics.series import STREAM, Family, Rows, StreamFamily, counter, counters, gauge, gauges, histogram, shown
from agent.plan import Plan
from agent.report.figures import Figures, StreamFigures
from collectors.clock import ClockState, kernel_clock_state

_SLOTS = ("agent", "probe", "target")
_NS_PER_S = 1e9


def _jitter(counts: StreamCounts) -> Mapping[str, float]:
    # Of a direction that nobody stamps there is nothing to show; the round trip is there from the start. Stamps count
    # nanoseconds, and a number without fractions of them is written in a quarter of the time.
    return {
        direction: round(figure.value_ns or 0) / _NS_PER_S
        for direction, figure in counts.jitter.items()
        if figure.value_ns is not None or direction == "round_trip"
    }


PACKET_FAMILIES: tuple[StreamFamily, ...] = (
    counter(
        "packets_sent",
        "Packets that left and are settled: received, lost, failed or overlooked; not those still on their way.",
        lambda counts: counts.sent,
    ),
    counter("packets_received", "Packets answered within their own timeout.", lambda counts: counts.received),
    counter(
        "packets_lost", "Packets without an answer within their own timeout (RFC 6673).", lambda counts: counts.lost
    ),
    counter(
        "packets_overlooked",
        "Packets without an answer in time whose answer this host's own kernel may have dropped; no losses.",
        lambda counts: counts.overlooked,
    ),
    counter(
        "packets_late",
        "Answers that came after the timeout of their packet, which stays counted as lost.",
        lambda counts: counts.late,
    ),
    counter("packets_duplicate", "Further copies of answers (RFC 5560).", lambda counts: counts.duplicate),
    counter(
        "packets_reordered",
        "Received packets whose answer came behind that to a later packet (RFC 4737).",
        lambda counts: counts.reordered,
    ),
    counter("icmp_errors", "ICMP errors that came back for packets of the stream.", lambda counts: counts.icmp_errors),
    counter(
        "receive_drops",
        "Datagrams for the stream's socket that this host's kernel dropped: it had no room, or a checksum was wrong.",
        lambda counts: counts.receive_drops,
    ),
    counter(
        "samples_noisy",
        "Sent packets during which this host was stalled for more than a millisecond; comparisons leave them out.",
        lambda counts: counts.noisy,
    ),
    counters(
        "packets_not_sent",
        "reason",
        "Packets that could not be sent, by reason; they say nothing of the path.",
        lambda counts: counts.not_sent,
    ),
    counters(
        "packets_lost_direction",
        "direction",
        "Lost packets of which a stateful reflector's sequence numbers told the direction; the rest is unknown.",
        lambda counts: counts.lost_direction,
    ),
    counters(
        "timestamps",
        "source",
        "Received packets by who stamped both their ends.",
        lambda counts: counts.timestamps,
    ),
    counters(
        "answers_rejected",
        "reason",
        "Datagrams that came to a stream's socket and were not taken for answers, by reason.",
        lambda counts: counts.rejected,
    ),
    histogram(
        "rtt",
        "Round-trip time of received packets, without the reflector's residence time.",
        lambda counts: counts.rtt,
    ),
    histogram(
        "ipdv",
        "Magnitude of the round-trip delay variation from one packet to the next received (RFC 3393).",
        lambda counts: counts.ipdv,
    ),
    histogram(
        "send_lateness",
        "How long after its slot each packet was sent.",
        lambda counts: counts.lateness,
    ),
    gauges(
        "jitter_seconds",
        "direction",
        "Interarrival jitter, smoothed over about 16 packets (RFC 3550); by direction where the reflector stamps.",
        _jitter,
    ),
    gauge(
        "answer_ttl",
        "TTL, or hop limit, of the latest answer in time, as it arrived: what its sender began with, less the hops on"
        " the way back. Not there where nothing tells it.",
        lambda counts: counts.answer_ttl,
    ),
)
"""What streams of all kinds have."""

STREAM_FAMILIES = (*PACKET_FAMILIES, *CONNECTION_FAMILIES, *HTTP_FAMILIES, *PEER_FAMILIES, *ONE_WAY_FAMILIES)
"""Everything that is counted of streams: a family that is declared here is shown."""

_RESOLVED: Family[StreamFigures] = gauge(
    "target_resolved",
    "Whether the target's name resolved last time (1) or not (0); the last address known stays in use.",
    lambda stream: stream.resolved,
)
_MISSED: Family[int] = counter(
    "slots_missed", "Slots that went by without a packet, because this host was too late.", lambda count: count
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
        self._paths = _Paths(registry)
        self._paths.show(plan)

    def planned(self, plan: Plan) -> None:
        """Show what another plan says from now on."""
        self._plan = plan
        self._paths.show(plan)

    def collect(self) -> Iterator[Metric]:
        """Yield every family with the series of all streams."""
        yield from stream_metrics(self._plan.agent, self._figures)
        yield from shown((_MISSED,), _SLOTS, self._missed())
        yield from host_families(self._plan.agent, self._figures.host, self._clock_state)

    def _missed(self) -> Rows[int]:
        return [
            ((self._plan.agent, probe.name, target.name), self._figures.missed[probe.name, target.name])
            for probe in self._plan.probes
            for target in probe.targets
        ]


def stream_metrics(agent: str, figures: Figures) -> Iterator[Metric]:
    """Yield the families of streams with the series of all streams."""
    streams = [((agent, key.probe, key.kind, key.target, key.path), stream) for key, stream in figures.streams.items()]
    yield from shown(STREAM_FAMILIES, STREAM, [(labels, stream.counts) for labels, stream in streams])
    yield from shown((_RESOLVED,), STREAM, streams)


def _describe(registry: CollectorRegistry, plan: Plan) -> None:
    """Say what runs."""
    build = Gauge(
        "eragent_build_info",
        "Version of the agent and of its Python.",
        ("agent", "version", "python"),
        registry=registry,
    )
    build.labels(plan.agent, __version__, platform.python_version()).set(1)


class _Paths:
    """What the agent was told of the paths."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._info = Gauge(
            "eragent_path_info",
            "A path as configured: its kind, and what pins packets to it.",
            ("agent", "path", "kind", "source", "interface"),
            registry=registry,
        )
        self._purchased = Gauge(
            "eragent_path_purchased_bytes_per_second",
            "Rate that was bought for a path, where the configuration names one.",
            ("agent", "path"),
            registry=registry,
        )

    def show(self, plan: Plan) -> None:
        """Show the paths of a plan, and no others."""
        self._info.clear()
        self._purchased.clear()
        for path in plan.paths.values():
            self._info.labels(plan.agent, path.name, path.kind, str(path.source or ""), path.interface or "").set(1)
            if path.rate is not None:
                self._purchased.labels(plan.agent, path.name).set(path.rate / 8)
