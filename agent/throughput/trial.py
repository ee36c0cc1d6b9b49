"""One test of throughput as it is asked for, and how it went. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.throughput.gateways import NamedRate
from agent.throughput.load import Load, Period
from agent.throughput.observed import HostBuffers
from agent.throughput.stages import Stage
from collectors.iperf3.options import Direction, Iperf3Options
from collectors.iperf3.result import Interval, Iperf3Result
from collectors.path import NetworkPath, Target

LOADS = {Direction.UP: Load.UP, Direction.DOWN: Load.DOWN, Direction.BOTH: Load.BOTH}


def rates_of(
    path: NetworkPath, gateway: Iterable[NamedRate] = (), *, bought: int | None = None
) -> tuple[NamedRate, ...]:
    """Return what a path and its gateway should carry: what was bought, and what is published.

    ``bought`` stands in place of the path's own rate, bits per second.
    """
    rate = path.rate if bought is None else bought
    return (*(() if rate is None else (NamedRate(name=f"path {path.name}", bits_per_second=rate),)), *gateway)


class Outcome(StrEnum):
    """How a test went."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    """It began, and did not come to its end: what it found by then is kept."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was not begun, so that nothing was moved."""


OVER_BUDGET, NO_TURN, STOPPED = "budget", "turn", "stopped"
"""Why tests are skipped: the day's octets do not allow it; another process went on testing; the run was to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A test that is to be made; ``probe`` names what asks for it, ``rates`` what the path's parts should carry."""

    probe: str
    target: Target
    path: NetworkPath
    stage: Stage
    options: Iperf3Options
    rates: tuple[NamedRate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How a test went: ``reason`` is a stable word (empty: it is complete), ``message`` a sentence.

    ``period`` is when it loaded the path, ``moved_octets`` what it moved, headers included (``None``: it had to be
    killed before it told), and ``host_busy`` the share of this host's processors that were used meanwhile;
    ``host_buffers`` are those that it gives TCP.
    """

    trial: Trial
    at: datetime
    outcome: Outcome
    reason: str = ""
    message: str = ""
    result: Iperf3Result | None = None
    period: Period | None = None
    moved_octets: int | None = 0
    host_busy: float | None = None
    host_buffers: HostBuffers | None = None


def outcome_of(result: Iperf3Result) -> Outcome:
    """Tell how a test went that was begun."""
    if result.complete:
        return Outcome.COMPLETE
    return Outcome.PARTIAL if result.transferred_bytes else Outcome.FAILED


def period_of(trial: Trial, result: Iperf3Result, start_ns: int, end_ns: int) -> Period:
    """Return when a test loaded its path whose program ran from ``start_ns`` to ``end_ns``, wall time."""
    told_ns = start_ns if result.started_at is None else round(result.started_at.timestamp() * 1e9)
    moving = [each for each in result.intervals if each.transferred_bytes]
    return Period(
        path=trial.path.name,
        load=LOADS[trial.options.direction],
        start_ns=told_ns if start_ns < told_ns < end_ns else start_ns,
        end_ns=end_ns,
        length_ns=_length_ns(result.intervals),
        moved_ns=None if result.complete else _length_ns(moving),
    )


def _length_ns(intervals: Sequence[Interval]) -> int | None:
    """Return how long these lasted, warming up and thereafter: iperf3's times begin anew then."""
    if not intervals:
        return None
    warm_s = max((each.end_s for each in intervals if each.omitted), default=0.0)
    measured_s = max((each.end_s for each in intervals if not each.omitted), default=0.0)
    return round((warm_s + measured_s) * 1e9)
