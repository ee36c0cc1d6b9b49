"""The agent as a service: engine, exposition and reflector under one roof, from ready to the signal that ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Sequence
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, ProcessCollector

from agent import systemd
from agent.comparing import Comparisons
from agent.comparison_metrics import ComparisonMetrics
from agent.engine import Engine
from agent.exposition import Exposition
from agent.history.recorder import Recorder
from agent.history.remote.service import RemoteWriting
from agent.history_metrics import HistoryMetrics
from agent.iperf3_server.supervise import Iperf3Server
from agent.iperf3_server_metrics import Iperf3ServerMetrics
from agent.metrics import Metrics
from agent.plan import ComparisonPlan, Plan
from agent.probing import Probing
from agent.reflecting import ReflectorProcess
from agent.reflector_metrics import ReflectorMetrics
from agent.remote_write_metrics import RemoteWriteMetrics
from agent.report.figures import RECENT, Figures
from agent.report.summary import Json, assembled, comparison_summaries, host_summary, stream_summary
from agent.sink import FanOut, Sink
from agent.throughput.books import Books
from agent.throughput.ledger_file import LedgerFile, state_directory
from agent.throughput.plan import SETTLE_S
from agent.throughput.service import Throughput
from agent.throughput_metrics import ThroughputMetrics
from collectors.claim import OwnClaim
from collectors.clock import SystemClock

_log = logging.getLogger(__name__)


async def serve(plan: Plan, sockets: Sequence[socket.socket]) -> None:
    """Do what the plan says until SIGTERM or SIGINT, with HTTP on these listening sockets."""
    told_to_end = _told_to_end()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    own = OwnClaim(SystemClock())
    figures = Figures(recent=RECENT, probes=plan.probes, own=own)
    Metrics(registry, plan, figures)
    reflector = None if plan.reflector is None else ReflectorProcess(plan.reflector)
    if reflector is not None:
        ReflectorMetrics(registry, plan.agent, reflector)
    iperf3_server = None if plan.iperf3_server is None else Iperf3Server(plan.iperf3_server)
    if iperf3_server is not None:
        Iperf3ServerMetrics(registry, plan.agent, iperf3_server)
    recorder = None if plan.history is None else Recorder(plan.history, plan.agent, plan.probes)
    if recorder is not None:
        HistoryMetrics(registry, plan.agent, recorder.counts)
    remote = _remote_writing(plan)
    if remote is not None:
        RemoteWriteMetrics(registry, plan.agent, remote.counts)
    throughput = _throughput(plan)
    if throughput is not None:
        ThroughputMetrics(registry, plan.agent, throughput)
    comparisons = Comparisons(plan.comparisons, plan.probes)
    ComparisonMetrics(registry, plan.agent, comparisons)
    sinks: list[Sink] = [figures]
    sinks += [comparisons] if comparisons.running else []
    sinks += [] if recorder is None else [recorder.sink]
    sinks += [] if throughput is None else [throughput.recorder]
    engine = Engine(plan.probes, FanOut(*sinks) if len(sinks) > 1 else figures)
    started_at = datetime.now(UTC)
    probing = asyncio.Event()
    exposition = Exposition(
        registry,
        summary=lambda: _summary(figures, started_at, plan.comparisons),
        ready=probing.is_set,
        probe=Probing(plan, own).answer,
    )
    async with exposition.serving(sockets), asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.run())]
        if reflector is not None:
            tasks.append(group.create_task(reflector.run()))
        if iperf3_server is not None:
            tasks.append(group.create_task(iperf3_server.run()))
        if recorder is not None:
            tasks.append(group.create_task(recorder.run()))
        if remote is not None:
            tasks.append(group.create_task(remote.run()))
        if throughput is not None:
            tasks.append(group.create_task(throughput.run()))
        gc.freeze()  # to look for garbage among a thousand streams takes 60 ms at a stretch, and these stay
        probing.set()
        systemd.notify("READY=1")
        _log.info("probing %d streams; metrics on %s", len(figures.streams), _names(sockets))
        await told_to_end.wait()
        systemd.notify("STOPPING=1")
        for task in tasks:
            task.cancel()
    _log_counts(figures)


def _remote_writing(plan: Plan) -> RemoteWriting | None:
    if plan.remote_write is None or plan.history is None:
        return None
    return RemoteWriting(plan.remote_write, plan.history.directory, plan.agent)


def _throughput(plan: Plan) -> Throughput | None:
    """Return what tests throughput; budgets are kept where the unit says, else where the history is."""
    if not plan.throughput:
        return None
    directory = state_directory(None if plan.history is None else plan.history.directory)
    books = Books(plan.throughput, LedgerFile(directory))
    slowest_s = max((probe.timeout_ns for probe in plan.probes), default=0) / 1e9
    settle_s = max(SETTLE_S, 1.0 + slowest_s)  # the last probes under load are lost only when their timeout has passed
    return Throughput(plan.throughput, plan.gateways, plan.agent, books, settle_s=settle_s)


async def _summary(figures: Figures, started_at: datetime, comparisons: Sequence[ComparisonPlan]) -> Json:
    """Report on all streams, and let the loop send packets that are due between one part and the next."""
    streams, compared = [], []
    for key in figures.streams:
        streams.append(stream_summary(key, figures))
        await asyncio.sleep(0)
    for plan in comparisons:
        compared += comparison_summaries(plan, figures)
        await asyncio.sleep(0)
    return assembled(started_at, streams, compared, host_summary(figures.host))


def _log_counts(figures: Figures) -> None:
    """Say what was counted: after this nobody can scrape it."""
    for key, stream in figures.streams.items():
        counts, name = stream.counts, f"{key.probe} to {key.target} on {key.path}"
        failed, not_sent = counts.failed.total(), sum(counts.not_sent.values())
        what = "%s: %d sent, %d received, %d lost, %d failed, %d not sent"
        _log.info(what, name, counts.sent, counts.received, counts.lost, failed, not_sent)


def _told_to_end() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set from now on."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


def _names(sockets: Sequence[socket.socket]) -> str:
    return ", ".join("{}:{}".format(*sock.getsockname()[:2]) for sock in sockets)
