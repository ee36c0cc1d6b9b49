"""How often the continuous verdict of two equal paths tells them apart by chance, in thirty days of looking at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.columns import Columns
from agent.compare.judge import Judge
from agent.compare.margins import Verdict
from benchmarks.statistics.process import Scenario, generate

_BLOCK_S = 600
Floats = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Months:
    """What was counted: simulated months, and those with a verdict of better or worse at any moment."""

    runs: int = 0
    told_apart: int = 0


def months(scenario: Scenario, runs: int, *, told: Callable[[int], None] = lambda _: None) -> Months:
    """Simulate months of two equal paths, judged without a margin: the hardest case."""
    found = Months()
    for run in range(runs):
        found.runs += 1
        found.told_apart += bool(verdicts(*generate(scenario, np.random.default_rng(run))))
        told(run + 1)
    return found


def verdicts(baseline: Columns, candidate: Columns) -> set[Verdict]:
    """Return every verdict of a difference that is given, block by block, without a margin."""
    judges = [Judge(0.0) for _ in range(3)]
    given: set[Verdict] = set()
    for differences in zip(
        *(theirs - ours for ours, theirs in zip(_figures(baseline), _figures(candidate), strict=True)), strict=True
    ):
        for judge, difference in zip(judges, differences, strict=True):
            if not np.isnan(difference):
                judge.take(float(difference))
            given |= {judge.verdict} & {Verdict.BETTER, Verdict.WORSE}
    return given


def _figures(columns: Columns) -> Iterator[Floats]:
    """Yield p99, p99 - p50 and loss of each block of ten minutes; NaN for those of delays without a hundred answers."""
    per_block = round(_BLOCK_S / ((columns.sent_at_ns[1] - columns.sent_at_ns[0]) / 1e9))
    delays = np.where(columns.received, columns.rtt_ns, np.inf).reshape(-1, per_block)
    delays.sort(axis=1)
    count = np.isfinite(delays).sum(axis=1)
    block = np.arange(len(delays))
    p50, p99 = (
        np.where(count >= 100, delays[block, np.maximum(np.ceil(count * share).astype(int) - 1, 0)], np.nan)
        for share in (0.50, 0.99)
    )
    yield p99
    yield p99 - p50
    yield 1 - count / per_block
