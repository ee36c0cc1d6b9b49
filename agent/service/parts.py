"""What runs beside the probes and can be exchanged: each part says what it is made of, and is made of a plan."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from agent.comparing import Comparisons
from agent.history.judged import JudgedBlock
from agent.history.recorder import Recorder
from agent.history.remote.service import RemoteWriting
from agent.history.sink import COMPARISON, THROUGHPUT
from agent.iperf3_server.supervise import Iperf3Server
from agent.metrics.comparison import ComparisonMetrics
from agent.metrics.history import HistoryMetrics
from agent.metrics.iperf3_server import Iperf3ServerMetrics
from agent.metrics.reflector import ReflectorMetrics
from agent.metrics.remote_write import RemoteWriteMetrics
from agent.metrics.throughput import ThroughputMetrics
from agent.plan import Plan
from agent.reflector.process import ReflectorProcess
from agent.sink import Sink
from agent.throughput.books import Books
from agent.throughput.ledger_file import LedgerFile, state_directory
from agent.throughput.measurement import Measurement
from agent.throughput.plan import settling_s
from agent.throughput.report import report_of
from agent.throughput.service import Throughput

Keep = Callable[[Measurement | JudgedBlock], None]
Ingredients = Mapping[str, object]
"""What each part of a plan is made of, by the part's name: where that is equal, the part goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that was made: what shows its metrics, what runs, and what takes the engine's results."""

    metrics: Collector
    run: Callable[[], Coroutine[Any, Any, None]] | None = None
    sink: Sink | None = None
    reflector: ReflectorProcess | None = None
    recorder: Recorder | None = None


def ingredients(plan: Plan) -> Ingredients:
    """Return what the parts of a plan are made of, small files included that they read; a part that is not, is not in.

    A reflector whose key was exchanged in its file is another one.
    """
    found: dict[str, object] = {"comparisons": (plan.comparisons, _compared(plan))}
    if plan.reflector is not None:
        found["reflector"] = (plan.reflector, _contents(plan.reflector.key_file))
    if plan.iperf3_server is not None:
        server = plan.iperf3_server
        found["iperf3's server"] = (server, _contents(server.private_key_file), _contents(server.users_file))
    if plan.history is not None:
        found["history"] = plan.history
    if plan.remote_write is not None and plan.history is not None:
        found["remote write"] = (plan.remote_write, plan.history)
    if plan.throughput:
        found["throughput"] = (plan.throughput, plan.gateways, _settle_s(plan))
    return found


def make(name: str, plan: Plan, registry: CollectorRegistry, keep: Keep) -> Part:
    """Make the part of this name as the plan says; ``keep`` is for what is measured beside the engine."""
    return _MAKERS[name](plan, registry, keep)


class Parts:
    """The parts that there are. Their tasks belong to ``group``: what ends one unexpectedly ends the service."""

    def __init__(self, plan: Plan, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._made_of = ingredients(plan)
        self._parts = {name: make(name, plan, registry, self.keep) for name in self._made_of}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())

    @property
    def sinks(self) -> list[Sink]:
        """What takes the engine's results."""
        return [part.sink for part in self if part.sink is not None]

    @property
    def reflector(self) -> ReflectorProcess | None:
        """What answers the probes of others, if anything does."""
        part = self._parts.get("reflector")
        return None if part is None else part.reflector

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Have all run."""
        for name in self._parts:
            self._begin(name, group)

    def end(self) -> None:
        """Have all end."""
        for task in self._tasks.values():
            task.cancel()

    async def become(self, plan: Plan, made_of: Ingredients, group: asyncio.TaskGroup) -> list[str]:
        """End the parts that are made of something else from now on, and then have others run; return their names.

        One after the other: the new one may want the port of the old.
        """
        changed = [name for name in _MAKERS if self._made_of.get(name) != made_of.get(name)]
        self._made_of = made_of
        for name in changed:
            await self._end(name)
            if name in made_of:
                self._parts[name] = make(name, plan, self._registry, self.keep)
                self._begin(name, group)
        return changed

    def planned(self, plan: Plan) -> None:
        """Tell those that go on what streams are opened from now on."""
        for part in self:
            if part.recorder is not None:
                part.recorder.sink.planned(plan.probes)

    def keep(self, found: Measurement | JudgedBlock) -> None:
        """Put what was measured beside the engine into the history that there is at this moment, if there is one."""
        for part in self:
            if part.recorder is not None:
                _keep(found, part.recorder)

    def _begin(self, name: str, group: asyncio.TaskGroup) -> None:
        run = self._parts[name].run
        if run is not None:
            self._tasks[name] = group.create_task(run())

    async def _end(self, name: str) -> None:
        part, task = self._parts.pop(name, None), self._tasks.pop(name, None)
        if part is not None:
            self._registry.unregister(part.metrics)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


def _keep(found: Measurement | JudgedBlock, recorder: Recorder) -> None:
    match found:
        case JudgedBlock():
            recorder.sink.measured(COMPARISON, target=found.target, path=found.candidate, data=found.data)
        case Measurement():
            trial = found.tried.trial
            recorder.sink.measured(THROUGHPUT, target=trial.target.name, path=trial.path.name, data=report_of(found))


def _reflector(plan: Plan, registry: CollectorRegistry, _: Keep) -> Part:
    assert plan.reflector is not None
    process = ReflectorProcess(plan.reflector)
    return Part(metrics=ReflectorMetrics(registry, plan.agent, process), run=process.run, reflector=process)


def _iperf3_server(plan: Plan, registry: CollectorRegistry, _: Keep) -> Part:
    assert plan.iperf3_server is not None
    server = Iperf3Server(plan.iperf3_server)
    return Part(metrics=Iperf3ServerMetrics(registry, plan.agent, server), run=server.run)


def _history(plan: Plan, registry: CollectorRegistry, _: Keep) -> Part:
    assert plan.history is not None
    recorder = Recorder(plan.history, plan.agent, plan.probes)
    metrics = HistoryMetrics(registry, plan.agent, recorder.counts)
    return Part(metrics=metrics, run=recorder.run, sink=recorder.sink, recorder=recorder)


def _remote_write(plan: Plan, registry: CollectorRegistry, _: Keep) -> Part:
    assert plan.remote_write is not None
    assert plan.history is not None
    remote = RemoteWriting(plan.remote_write, plan.history.directory, plan.agent)
    return Part(metrics=RemoteWriteMetrics(registry, plan.agent, remote.counts), run=remote.run)


def _comparisons(plan: Plan, registry: CollectorRegistry, keep: Keep) -> Part:
    comparisons = Comparisons(plan.comparisons, plan.probes, keep=keep)
    metrics = ComparisonMetrics(registry, plan.agent, comparisons)
    run = None if plan.history is None else partial(comparisons.go_on_from, plan.history.directory)
    return Part(metrics=metrics, run=run, sink=comparisons if comparisons.running else None)


def _throughput(plan: Plan, registry: CollectorRegistry, keep: Keep) -> Part:
    """Make what tests throughput; budgets are kept where the unit says, else where the history is."""
    directory = state_directory(None if plan.history is None else plan.history.directory)
    books = Books(plan.throughput, LedgerFile(directory))
    tests = Throughput(plan.throughput, plan.gateways, plan.agent, books, settle_s=_settle_s(plan), keep=keep)
    return Part(metrics=ThroughputMetrics(registry, plan.agent, tests), run=tests.run, sink=tests.recorder)


_MAKERS: Mapping[str, Callable[[Plan, CollectorRegistry, Keep], Part]] = {
    "comparisons": _comparisons,
    "reflector": _reflector,
    "iperf3's server": _iperf3_server,
    "history": _history,
    "remote write": _remote_write,
    "throughput": _throughput,
}


def _compared(plan: Plan) -> tuple[object, ...]:
    names = {comparison.probe for comparison in plan.comparisons}
    return tuple(probe for probe in plan.probes if probe.name in names)


def _settle_s(plan: Plan) -> float:
    return settling_s(probe.timeout_ns for probe in plan.probes)


def _contents(file: Path | None) -> bytes | None:
    """Return what tells two versions of a file apart, and not what it holds; ``None`` where it cannot be read."""
    if file is None:
        return None
    with contextlib.suppress(OSError):
        return hashlib.sha256(file.read_bytes()).digest()
    return None
