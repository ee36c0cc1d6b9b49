"""Every metric that there can be, from agents that are made up for that: each has something of all that it can tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric

from agent.comparing import Comparisons
from agent.history.counts import HistoryCounts
from agent.history.remote.counts import RemoteCounts
from agent.iperf3_server.supervise import Iperf3Server
from agent.metrics.comparison import ComparisonMetrics
from agent.metrics.history import HistoryMetrics
from agent.metrics.iperf3_server import Iperf3ServerMetrics
from agent.metrics.reflector import ReflectorMetrics
from agent.metrics.reloads import ReloadMetrics
from agent.metrics.remote_write import RemoteWriteMetrics
from agent.metrics.streams import Metrics
from agent.metrics.throughput import ThroughputMetrics
from agent.plan import ComparisonPlan, Iperf3ServerPlan, Plan, Probe, ProbeOptions, ReflectorPlan, SocketAddress
from agent.reflector.process import ReflectorProcess
from agent.report.figures import Figures
from agent.service.reloading import ReloadCounts
from agent.sink import StreamKey
from agent.throughput.books import Books
from agent.throughput.counts import Latest
from agent.throughput.ledger_file import LedgerFile
from agent.throughput.limited_by import Limit
from agent.throughput.plan import ThroughputPlan
from agent.throughput.service import Throughput
from agent.throughput.timetable import Timetable
from collectors.claim import OwnClaim
from collectors.clock import ClockState, SystemClock
from collectors.exchange import Certificate, Exchange
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.icmp.sender import IcmpOptions
from collectors.iperf3.options import Iperf3Options
from collectors.path import NetworkPath, Target
from collectors.peer import DirectMeasurement, ReflectorFacts
from collectors.sample import Outcome, Sample, TimestampSource
from collectors.session import SessionEvent
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions

# Answers that tell all that there is to tell, so that there is also what is not there from the start.
_ANSWERED = Sample(
    slot=0,
    sequence=0,
    sent_at_ns=0,
    outcome=Outcome.ANSWERED,
    rtt_ns=2,
    forward_ns=1,
    backward_ns=1,
    ttl=57,
    timestamps=TimestampSource.KERNEL,
    forward_tos=0,
    backward_tos=0,
)
TELLING: tuple[SessionEvent, ...] = (
    _ANSWERED,
    _ANSWERED._replace(slot=1, sequence=1),
    DirectMeasurement(sent=1, reflector_received=1, reflector_sent=1),
    ReflectorFacts(synchronised=True, error_ns=1000),
    *(_ANSWERED._replace(slot=slot, sequence=slot, sent_at_ns=slot * 1_000_000_000) for slot in range(2, 60)),
)
_EXCHANGED = Exchange(
    status=200,
    http_version="1.1",
    tls_version="TLSv1.3",
    verified=True,
    certificate=Certificate(not_before=datetime.fromtimestamp(0, UTC), not_after=datetime.fromtimestamp(1, UTC)),
)
_ASKED: tuple[SessionEvent, ...] = (_ANSWERED._replace(exchange=_EXCHANGED),)
HTTP = HttpOptions(url=Url.parse("https://portal.example.net/"))


def families() -> list[Metric]:
    """Return every metric of an agent with streams of TCP, HTTP and STAMP, which were answered, and a reflector."""
    found = [
        *agent_with(TcpOptions(), ()).collect(),
        *agent_with(HTTP, _ASKED).collect(),
        *agent_with(StampOptions(), TELLING).collect(),
        *reload_families(),
        *reflector_families(),
        *history_families(),
        *throughput_families(),
        *comparison_families(),
    ]
    found.sort(key=lambda family: len(family.samples))
    told = {family.name: family for family in found if family.samples}  # of those of several streams, the fullest
    return sorted(told.values(), key=lambda family: family.name)


def reload_families() -> list[Metric]:
    """Return every metric of reloads."""
    registry = CollectorRegistry()
    ReloadMetrics(registry, "agent", ReloadCounts(succeeded_at_ns=0))
    return list(registry.collect())


def reflector_families() -> list[Metric]:
    """Return every metric of an agent's own reflector, TWAMP-Control's and those of iperf3's server among them."""
    registry = CollectorRegistry()
    nowhere = SocketAddress(host="127.0.0.1", port=0)
    ReflectorMetrics(registry, "agent", ReflectorProcess(ReflectorPlan(listen=nowhere, allow=(), twamp=nowhere)))
    Iperf3ServerMetrics(registry, "agent", Iperf3Server(Iperf3ServerPlan(listen=nowhere, allow=())))
    return list(registry.collect())


def history_families() -> list[Metric]:
    """Return every metric of the writing of a history that has samples."""
    registry = CollectorRegistry()
    counts = HistoryCounts()
    counts.last_commit_ns = counts.oldest_ns = 1
    HistoryMetrics(registry, "agent", counts)
    sent = RemoteCounts()
    sent.sent_until_ns = 1
    RemoteWriteMetrics(registry, "agent", sent)
    return list(registry.collect())


def comparison_families() -> list[Metric]:
    """Return every metric of the continuous comparison of two paths, of which blocks were judged."""
    paths = tuple(NetworkPath(name=name) for name in ("baseline", "candidate"))
    target = Target(name="target", host="192.0.2.2")
    probe = Probe(name="probe", options=IcmpOptions(), interval_ns=1, timeout_ns=1, targets=(target,), paths=paths)
    comparisons = Comparisons([ComparisonPlan(baseline="baseline", candidate="candidate", probe="probe")], [probe])
    for comparison in comparisons.running.values():
        for judge in comparison.judges.values():
            judge.take(0)
    registry = CollectorRegistry()
    ComparisonMetrics(registry, "agent", comparisons)
    return list(registry.collect())


def throughput_families() -> list[Metric]:
    """Return every metric of tests of throughput, of which one was made."""
    path, target = NetworkPath(name="path"), Target(name="target", host="192.0.2.2")
    plan = ThroughputPlan(
        name="probe",
        options=Iperf3Options(),
        flows=(1,),
        timetable=Timetable(every=timedelta(hours=1)),
        targets=(target,),
        paths=(path,),
        budget=1,
    )
    registry = CollectorRegistry()
    throughput = Throughput((plan,), {}, "agent", Books((plan,), LedgerFile(None)))
    at = datetime.fromtimestamp(0, UTC)
    latest = Latest(at=at, bits_per_second=8.0, limit=Limit.WINDOW, loss_share=0.0)
    throughput.counts.latest[("probe", "target", "path"), ("up", "tcp", "1 flow")] = latest
    throughput.counts.path_mtu_bytes["probe", "target", "path"] = 1400
    throughput.counts.due["probe"] = at
    ThroughputMetrics(registry, "agent", throughput)
    return list(registry.collect())


def agent_with(options: ProbeOptions, events: Sequence[SessionEvent]) -> CollectorRegistry:
    """Return the metrics of an agent with one stream, of which these events are known, and of its process."""
    path = NetworkPath(name="path", source=ip_address("192.0.2.1"), rate=1)
    target = Target(name="target", host="192.0.2.2")
    probe = Probe(name="probe", options=options, interval_ns=1, timeout_ns=1, targets=(target,), paths=(path,))
    plan = Plan(
        agent="agent",
        listen=SocketAddress(host="127.0.0.1", port=0),
        probes=(probe,),
        paths={path.name: path},
        targets={target.name: target},
    )
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    told = ClockState(synchronised=True, error_ns=0, max_error_ns=1000, tai_offset_s=37)
    figures = Figures(own=OwnClaim(SystemClock(), clock_state=lambda: told))
    figures.opened(StreamKey(probe=probe.name, kind=options.kind, target=target.name, path=path.name))(events)
    Metrics(registry, plan, figures, clock_state=lambda: told)
    return registry
