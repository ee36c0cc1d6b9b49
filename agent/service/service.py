"""The agent as a service: engine, exposition and reflector under one roof, from ready to the signal that ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector

from agent.engine import Engine
from agent.exposition.probing import Probing
from agent.exposition.server import Exposition
from agent.metrics.reloads import ReloadMetrics
from agent.metrics.streams import Metrics
from agent.plan import ComparisonPlan, Plan, SocketAddress
from agent.reload import Refusal, RefusedReloadError, needs_restart
from agent.report.figures import RECENT, Figures, StreamFigures
from agent.report.streams import Json, stream_summary
from agent.report.summary import assembled, comparison_summaries, host_summary
from agent.service import garbage, systemd
from agent.service.lookout import Lookout
from agent.service.parts import Parts
from agent.service.reloading import Loaded, Outcome, ReloadCounts, Reloading
from agent.sink import FanOut, StreamKey
from collectors.claim import OwnClaim
from collectors.clock import SystemClock

_log = logging.getLogger(__name__)

_STATUSES = {Refusal.INVALID: 400, Refusal.RESTART: 409}
_SWITCH_S = 0.0005
"""How long a thread that compares a configuration with what runs may keep Python's lock from the loop that sends."""


async def serve(
    plan: Plan,
    sockets: Sequence[socket.socket],
    *,
    load: Callable[[], Plan] | None = None,
    sockets_passed: bool = False,
    lacking: Callable[[Plan], list[str]] = lambda _: [],
    introduction: Iterable[str] = (),
) -> None:
    """Do what the plan says until SIGTERM or SIGINT, with HTTP on these listening sockets.

    ``load`` reads the configuration again, for reloads; it raises :class:`agent.config.problems.ConfigError`.
    ``sockets_passed``: the sockets do not come from the plan's ``listen``. ``lacking`` returns a line for each thing
    that this process would need for a plan and cannot get any more. ``introduction`` is logged once all is running.
    """
    with garbage.left_alone():
        service = _Service(plan, sockets, load or (lambda: plan), sockets_passed=sockets_passed, lacking=lacking)
        await service.run(introduction)


class _Service:
    def __init__(
        self,
        plan: Plan,
        sockets: Sequence[socket.socket],
        load: Callable[[], Plan],
        *,
        sockets_passed: bool,
        lacking: Callable[[Plan], list[str]],
    ) -> None:
        self._plan = plan
        self._sockets = sockets
        self._load = load
        self._sockets_passed = sockets_passed
        self._lacking = lacking
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        own = OwnClaim(SystemClock())
        self._figures = Figures(recent=RECENT, probes=plan.probes, own=own)
        self._metrics = Metrics(registry, plan, self._figures)
        self._reloads = ReloadCounts()
        ReloadMetrics(registry, plan.agent, self._reloads)
        self._parts = Parts(plan, registry)
        self._sinks = FanOut(self._figures, *self._parts.sinks)
        self._engine = Engine(plan.probes, self._sinks)
        self._lookout = Lookout(self._engine, self._figures, lambda: self._parts.reflector)
        self._probing = Probing(plan, own)
        self._reloading: Reloading | None = None  # there is none before there is something to change
        self._started_at = datetime.now(UTC)
        self._exposition = Exposition(
            registry,
            summary=lambda: _summary(self._figures, self._started_at, self._plan.comparisons),
            ready=lambda: self._reloading is not None,
            probe=self._probing.answer,
            reload=self._answer_reload,
        )

    async def run(self, introduction: Iterable[str]) -> None:
        told_to_end, told_to_reload = _told_by(signal.SIGTERM, signal.SIGINT), _told_by(signal.SIGHUP)
        sys.setswitchinterval(_SWITCH_S)
        async with self._exposition.serving(self._sockets), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._engine.run()), group.create_task(garbage.keep_searching())]
            self._parts.begin(group)
            tasks.append(group.create_task(self._lookout.run(systemd.watchdog_s())))
            reloading = self._reloading = Reloading(
                self._load,
                lambda: self._plan,
                lambda loaded: self._apply(loaded, group),
                counts=self._reloads,
                told=self._tell_manager,
                group=group,
            )
            tasks.append(group.create_task(_reload_when(told_to_reload, reloading)))
            systemd.notify(systemd.ready(self._lookout.status))
            _log.info("probing %d streams; metrics on %s", len(self._figures.streams), _names(self._sockets))
            for line in introduction:
                _log.info("%s", line)
            await told_to_end.wait()
            systemd.notify(systemd.STOPPING)
            for task in tasks:
                task.cancel()
            reloading.end()
            self._parts.end()
        await _log_counts(self._figures.streams.items())

    async def _apply(self, loaded: Loaded, group: asyncio.TaskGroup) -> str:
        """Change what runs to what the loaded plan says, or raise :class:`RefusedReloadError` and change nothing."""
        before, after = self._plan, loaded.plan
        lines = needs_restart(before, after, listens_elsewhere=self._sockets_passed) + self._lacking(after)
        if lines:
            raise RefusedReloadError(Refusal.RESTART, lines)
        streams = dict(self._figures.streams)
        self._plan = after
        for planned in (self._metrics, self._probing, self._parts):
            planned.planned(after)
        self._figures.planned(after.probes)
        await self._engine.change(loaded.changes)
        gone = {key: stream for key, stream in streams.items() if self._figures.streams.get(key) is not stream}
        self._lookout.watching.forget(gone)
        await _log_counts(gone.items())
        parts = await self._parts.become(after, loaded.made_of, group)
        self._sinks.become(self._figures, *self._parts.sinks)
        come = len(self._figures.streams) - len(streams) + len(gone)
        return _said(len(streams) - len(gone), len(gone), come, parts)

    def _tell_manager(self, outcome: Outcome | None) -> None:
        if outcome is None:
            systemd.notify(systemd.reloading(time.monotonic_ns()))
            return
        status = self._lookout.status
        if isinstance(outcome, RefusedReloadError):
            status = f"{status}; the last reload was refused: {outcome.lines[0]}"
        systemd.notify(systemd.ready(status))

    async def _answer_reload(self, _: web.Request) -> web.Response:
        if self._reloading is None:
            return web.Response(status=503, text="the agent is just starting: ask again in a moment\n")
        outcome = await asyncio.shield(self._reloading.ask())
        if isinstance(outcome, RefusedReloadError):
            return web.Response(
                status=_STATUSES[outcome.reason], text=f"reload refused, nothing is changed:\n{outcome}\n"
            )
        return web.Response(text=f"reloaded: {outcome}\n")


async def _reload_when(told: asyncio.Event, reloading: Reloading) -> None:
    while True:
        await told.wait()
        told.clear()
        await asyncio.shield(reloading.ask())


def _said(stay: int, gone: int, come: int, parts: Iterable[str]) -> str:
    """Tell what a reload changed."""
    streams = f"streams: {stay} go on, {gone} ended, {come} began"
    return "; ".join([streams, *(f"{name} changed" for name in parts)])


async def _summary(figures: Figures, started_at: datetime, comparisons: Sequence[ComparisonPlan]) -> Json:
    """Report on all streams, and let the loop send packets that are due between one part and the next."""
    streams, compared = [], []
    for key in list(figures.streams):
        if key in figures.streams:  # a reload may take some away meanwhile
            streams.append(stream_summary(key, figures))
        await asyncio.sleep(0)
    for plan in comparisons:
        compared += comparison_summaries(plan, figures)
        await asyncio.sleep(0)
    return assembled(started_at, streams, compared, host_summary(figures.host))


async def _log_counts(streams: Iterable[tuple[StreamKey, StreamFigures]]) -> None:
    """Say what was counted: after this nobody can scrape it."""
    for key, stream in streams:
        counts, name = stream.counts, f"{key.probe} to {key.target} on {key.path}"
        failed, not_sent = counts.failed.total(), sum(counts.not_sent.values())
        what = "%s: %d sent, %d received, %d lost, %d failed, %d not sent"
        _log.info(what, name, counts.sent, counts.received, counts.lost, failed, not_sent)
        await asyncio.sleep(0)


def _told_by(*numbers: signal.Signals) -> asyncio.Event:
    """Return what these signals set from now on."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in numbers:
        loop.add_signal_handler(number, told.set)
    return told


def _names(sockets: Sequence[socket.socket]) -> str:
    addresses = (sock.getsockname()[:2] for sock in sockets)
    return ", ".join(str(SocketAddress(host=host, port=port)) for host, port in addresses)
