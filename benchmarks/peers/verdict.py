"""What is asked of eragent, beside what a comparison found. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.figure import Figure
from benchmarks.peers.eragent import ICMP, STAMP, STAMP_PLAIN
from benchmarks.peers.fping import FPING
from benchmarks.peers.irtt import IRTT
from benchmarks.peers.ping import PING
from benchmarks.peers.results import Accuracy, Results
from benchmarks.peers.smokeping import SMOKEPING
from benchmarks.peers.stages import BARE_LOOP

_IDLE_MEDIAN_US, _IDLE_P99_US = 5, 15
_BUSY_P99_US = {ICMP.name: 20, STAMP.name: 20, STAMP_PLAIN.name: 40}
_TIMES_BETTER = ((ICMP, PING, 5), (ICMP, FPING, 5), (STAMP, IRTT, 50))
_DRIFT_US = 100  # a schedule does not drift at all: this much is the lateness of its most punctual packets
_TIMES_THE_BARE_LOOP = 2
_FIFO_LATENESS_US = 250


def figures(results: Results) -> Iterator[tuple[str, Figure]]:
    """Yield each figure with its chapter; what could not be measured has no value, and its name says so."""
    yield from (("error", figure) for figure in _errors(results))
    yield from (("schedule", figure) for figure in _schedule(results))
    yield from (("cost", figure) for figure in _cost(results))
    yield from (("own loss", figure) for figure in _own_loss(results))


def _errors(results: Results) -> Iterator[Figure]:
    for tool, most_us in _BUSY_P99_US.items():
        yield _us(f"{tool}, idle: median", _error(results, tool, busy=False, of=_median), _IDLE_MEDIAN_US)
        yield _us(f"{tool}, idle: p99", _error(results, tool, busy=False, of=_p99), _IDLE_P99_US)
        yield _us(f"{tool}, busy: p99", _error(results, tool, busy=True, of=_p99), most_us)
    for ours, theirs, times in _TIMES_BETTER:
        own, other = (_error(results, tool.name, busy=True, of=_p99) for tool in (ours, theirs))
        name = f"{theirs.name} ÷ {ours.name}, busy: p99"
        yield _ratio(name, other, own, at_least=times)
        if ours is ICMP:
            own, other = (_error(results, tool.name, busy=True, of=_p99_with_dwell) for tool in (ours, theirs))
            yield _ratio(f"{name}, dwell included", other, own)


def _median(found: Accuracy) -> int:
    return found.network.median


def _p99(found: Accuracy) -> int:
    return found.network.p99


def _p99_with_dwell(found: Accuracy) -> int:
    return found.with_dwell.p99


def _drift(found: Accuracy) -> int:
    return abs(found.sending.drift)


def _error(results: Results, tool: str, *, busy: bool, of: Callable[[Accuracy], int]) -> int | None:
    found = results.accuracy_of(tool, busy=busy)
    return None if found is None else of(found)


def _schedule(results: Results) -> Iterator[Figure]:
    for tool in _BUSY_P99_US:
        for busy in (False, True):
            drift = _error(results, tool, busy=busy, of=_drift)
            yield _us(f"{tool}, {load(busy=busy)}: drift over the run", drift, _DRIFT_US)
    idle = {run.program: run.found.p99 for run in results.lateness if run.found is not None and not run.busy}
    busy_fifo = {run.program: run.found.p99 for run in results.lateness if run.found is not None and run.fifo}
    for tool in (ICMP.name, STAMP.name):
        name = f"{tool} ÷ {BARE_LOOP}, idle: lateness p99"
        yield _ratio(name, idle.get(tool), idle.get(BARE_LOOP), at_most=_TIMES_THE_BARE_LOOP)
        yield _us(f"{tool}, busy, SCHED_FIFO: lateness p99", busy_fifo.get(tool), _FIFO_LATENESS_US)


def _cost(results: Results) -> Iterator[Figure]:
    costs = {run.tool: run.found.cpu for run in results.cost if run.found is not None}
    for tool in (ICMP.name, STAMP.name):
        for other in (SMOKEPING.name, IRTT.name):
            most_us = costs[other] / 1e3 if other in costs else None
            yield _us(f"{tool}: CPU of a round trip, below {other}'s", costs.get(tool), most_us)


def _own_loss(results: Results) -> Iterator[Figure]:
    for run in results.loss:
        name = f"{run.tool}, {run.packets_per_second:,} packets/s: lost"
        yield _measured(name, None if run.found is None else run.found.lost, at_most=0)


def load(*, busy: bool) -> str:
    """Name the load that a run was under."""
    return "busy" if busy else "idle"


def _us(name: str, ns: int | None, at_most_us: float | None) -> Figure:
    return _measured(name, None if ns is None else ns / 1e3, unit="µs", at_most=at_most_us)


def _ratio(
    name: str, one: int | None, other: int | None, *, at_least: float | None = None, at_most: float | None = None
) -> Figure:
    value = one / other if one is not None and other else None
    return _measured(name, value, unit="times", at_least=at_least, at_most=at_most)


def _measured(
    name: str, value: float | None, *, unit: str = "", at_least: float | None = None, at_most: float | None = None
) -> Figure:
    name = name if value is not None else f"{name}: not run"
    return Figure(name=name, value=value, unit=unit, at_least=at_least, at_most=at_most)
