"""Two paths in figures, each with the interval of its difference and what that says. No I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from agent.compare.blocks import Floats
from agent.compare.evidence import FASTER, IPDV, Evidence, evidence_of
from agent.compare.intervals import Interval
from agent.compare.margins import Margins, Verdict, times_longer, verdict_of
from agent.compare.pairs import Pairs

CONFIDENCE = 0.95

_DELAYS = (
    ("rtt_p50", "p50", None),
    ("rtt_p95", "p95", None),
    ("rtt_p99", "p99", None),
    ("rtt_p999", "p999", None),
    ("rtt_iqr", "p75", "p25"),
    ("rtt_p99_p50", "p99", "p50"),
    ("ipdv_p99", IPDV, None),
)
"""Figures of delays: a quantile, or one less another."""

FIGURES = (*(name for name, _, _ in _DELAYS), "loss", "availability", "faster")
DECIDING = ("rtt_p99", "rtt_p99_p50", "loss", "availability")
"""What makes a path the more predictable one. The other figures are told beside it."""
_MORE_IS_BETTER = ("availability", "faster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of both paths, in ``unit`` (``ns``, or ``1`` of shares), and candidate - baseline.

    ``low`` and ``high`` are the 95 % interval of the difference. ``corrected`` is the wider one for having looked at
    several figures: at all that decide, or, of one that does not, at all there are. An end that the evidence does not
    bound is infinite. ``longer``: how many times as long a run would decide.
    """

    name: str
    unit: str
    baseline: float
    candidate: float
    low: float
    high: float
    corrected: Interval
    margin: float
    verdict: Verdict
    longer: float | None

    @property
    def difference(self) -> float:
        """Return candidate - baseline."""
        return self.candidate - self.baseline


def figures(pairs: Pairs, margins: Margins, *, progress: Callable[[str], None] = lambda _: None) -> tuple[Figure, ...]:
    """Return the figures of :data:`FIGURES`; those of delays only where both paths have answers.

    Intervals are of a moving-block bootstrap; where shares are rare, of Wilson and Newcombe from its variance.
    """
    if not len(pairs):
        return ()
    evidence = evidence_of(pairs, margin_ns=margins.delay_ns, progress=progress)
    return tuple(_figures(evidence, margins))


def _figures(evidence: Evidence, margins: Margins) -> Iterator[Figure]:
    points, draws = evidence.points, evidence.draws
    for name, plus, minus in _DELAYS:
        if (plus, 0) not in points or (plus, 1) not in points:
            continue
        baseline, candidate = (points[plus, path] - (points[minus, path] if minus else 0.0) for path in (0, 1))
        with np.errstate(invalid="ignore"):  # infinite less infinite: unbounded both ways
            ours, theirs = (draws[plus, path] - (draws[minus, path] if minus else 0.0) for path in (0, 1))
            differences = theirs - ours
        yield judged(name, "ns", baseline, candidate, margins.delay_ns, interval_of(differences, differences))
    for name, margin in (("loss", margins.loss), ("availability", margins.availability)):
        interval = partial(evidence.share_interval, name)
        yield judged(name, "1", points[name, 0], points[name, 1], margin, interval)
    if FASTER in points:
        won = points[FASTER]
        yield judged("faster", "1", 1 - won, won, margins.faster, evidence.lead_interval)


def interval_of(lower: Floats, upper: Floats) -> Callable[[float], Interval]:
    """Return what gives the interval of a confidence, from draws of its lower and of its upper end.

    Where a draw is infinite less infinite, nothing is known of it: it counts against both ends.
    """
    lower = np.sort(np.nan_to_num(lower, nan=-math.inf, posinf=math.inf, neginf=-math.inf))
    upper = np.sort(np.nan_to_num(upper, nan=math.inf, posinf=math.inf, neginf=-math.inf))

    def interval(confidence: float) -> Interval:
        place = round((1 - confidence) / 2 * (len(lower) - 1))
        return float(lower[place]), float(upper[len(upper) - 1 - place])

    return interval


def judged(
    name: str, unit: str, baseline: float, candidate: float, margin: float, interval: Callable[[float], Interval]
) -> Figure:
    """Return a figure with the verdict that its interval has, which is asked for by confidence."""
    difference = candidate - baseline
    # The correction of Bonferroni: figures that move together make it wider than it had to be, never narrower.
    looked_at = len(DECIDING) if name in DECIDING else len(FIGURES)
    alone, corrected = interval(CONFIDENCE), interval(1 - (1 - CONFIDENCE) / looked_at)
    verdict = verdict_of(alone, corrected, margin, less_is_better=name not in _MORE_IS_BETTER)
    decided = verdict is not Verdict.INSUFFICIENT
    return Figure(
        name=name,
        unit=unit,
        baseline=baseline,
        candidate=candidate,
        low=alone[0],
        high=alone[1],
        corrected=corrected,
        margin=margin,
        verdict=verdict,
        longer=None if decided else times_longer(difference, alone, corrected, margin),
    )
