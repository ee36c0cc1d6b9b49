"""Counts over many simulated runs how often intervals hold the truth, and what verdicts there are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.compare.comparison import verdict_of_all
from agent.compare.figures import DECIDING, Figure, figures
from agent.compare.margins import Margins
from agent.compare.pairs import pair
from benchmarks.statistics.process import Scenario, generate
from benchmarks.statistics.truth import DRAWS, true_differences


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was counted of a scenario's runs.

    ``within``: those whose 95 % interval held the truth, of ``known`` that had one, by figure. ``different``: those in
    which a deciding figure was called different without any margin. ``found``: p99 or p99 - p50 was called worse so.
    ``verdicts``: by verdict, with the margins that the command has by itself.
    """

    runs: int = 0
    within: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    different: int = 0
    found: int = 0

    def take(self, results: Sequence[Figure], truth: Mapping[str, float]) -> None:
        """Count a run."""
        self.runs += 1
        for figure in results:
            if figure.name in truth:
                self.known[figure.name] += 1
                self.within[figure.name] += figure.low <= truth[figure.name] <= figure.high
        deciding = [figure for figure in results if figure.name in DECIDING]
        self.different += any(figure.corrected[0] > 0 or figure.corrected[1] < 0 for figure in deciding)
        self.found += any(figure.corrected[0] > 0 for figure in deciding if figure.name in ("rtt_p99", "rtt_p99_p50"))
        self.verdicts[verdict_of_all(results)] += 1


def standard_error(share: float, runs: int) -> float:
    """Return the standard error of a share of so many runs."""
    return math.sqrt(share * (1 - share) / runs)


def tally(scenario: Scenario, runs: int, *, draws: int = DRAWS, told: Callable[[int], None] = lambda _: None) -> Tally:
    """Simulate a scenario; availability has no truth in closed form, so its intervals are not judged here."""
    truth = true_differences(scenario, tie_ms=Margins().delay_ns / 1e6, draws=draws)
    counted = Tally()
    for run in range(runs):
        pairs = pair(*generate(scenario, np.random.default_rng(run)))
        counted.take(figures(pairs, Margins()), truth)
        told(run + 1)
    return counted
