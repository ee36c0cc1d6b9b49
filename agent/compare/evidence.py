"""What a run says of each path, and errors drawn for all of it at once from the same blocks of time. No I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.compare.blocks import (
    CYCLE_FREEDOM,
    Blocks,
    Distribution,
    Floats,
    blocks_of,
    delays,
    has_daily_cycle,
    variations,
    without_daily_cycle,
)
from agent.compare.intervals import Interval, difference_interval, share_interval, t_of, z_of
from agent.compare.outages import CONSECUTIVE, outages
from agent.compare.pairs import Mask, Pairs
from agent.compare.resampling import drawn_errors, error_of

Key = tuple[str, int]
"""What is drawn, and of which path: 0 for the baseline, 1 for the candidate."""

QUANTILES: Mapping[str, float] = {"p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95, "p99": 0.99, "p999": 0.999}
"""Those of round trips that are drawn."""
IPDV = "ipdv_p99"
FASTER: Key = ("faster", 1)
_IPDV_SHARE = 0.99
_FREEDOM_OF_EVENT = 4  # with 1, intervals of a dozen bursts covered 99 %, without it 93 %
_NS_PER_S = 1_000_000_000
_PATHS = (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Points and draws of both paths.

    ``points``: quantiles in ns and shares as seen; those of delays only where both paths have answers. ``draws``: what
    a quantile may be in truth, one value a resample. ``effective``: how many independent cases each share rests on.
    ``correlations``: of the errors of each share on both paths.
    """

    points: Mapping[Key, float]
    draws: Mapping[Key, Floats]
    effective: Mapping[Key, float]
    correlations: Mapping[str, float]

    def share_interval(self, name: str, confidence: float) -> Interval:
        """Return the interval of candidate - baseline of a share that may be close to 0 or 1."""
        baseline, candidate = (self.points[name, path] for path in _PATHS)
        ours, theirs = (self._of_path((name, path), confidence) for path in _PATHS)
        return difference_interval(baseline, ours, candidate, theirs, self.correlations[name])

    def lead_interval(self, confidence: float) -> Interval:
        """Return the interval of Cliff's delta: of how much more often the candidate is faster than the baseline."""
        low, high = self._of_path(FASTER, confidence)
        return 2 * low - 1, 2 * high - 1

    def _of_path(self, key: Key, confidence: float) -> Interval:
        """Return the interval of one path's share; a variance that few events tell is itself uncertain."""
        point, effective = self.points[key], self.effective[key]
        events = effective * min(point, 1 - point)
        z = t_of(confidence, _FREEDOM_OF_EVENT * events) if events > 0 else z_of(confidence)
        return share_interval(point, effective, z)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """A share of packets: what was seen, the error that each block adds to it, and what its error is at the least."""

    point: float
    errors: Floats
    cases: float

    @property
    def least(self) -> float:
        return math.sqrt(max(self.point * (1 - self.point), 0.0) / self.cases)


def evidence_of(pairs: Pairs, *, margin_ns: float, progress: Callable[[str], None] = lambda _: None) -> Evidence:
    """Gather the evidence of pairs, at least one.

    A packet is faster than its pair's other one where it is so by more than ``margin_ns``; else they are tied.
    """
    blocks = blocks_of(pairs)
    progress("ordering delays")
    # First: beside the distributions, what these need for a moment would be a quarter more.
    events, won = _events(pairs, blocks), _won(pairs, blocks, margin_ns)
    distributions = _distributions(pairs, blocks)
    delayed = {
        key: _Share(point=share, errors=distribution.excess[share] / len(distribution), cases=len(distribution))
        for key, (distribution, share) in distributions.items()
    }
    if distributions:
        delayed[FASTER] = won
    progress("resampling")
    drawn = _drawn(delayed, blocks, pairs)
    points = {key: distribution.quantile(share) for key, (distribution, share) in distributions.items()}
    effective, correlations = {}, {}
    if distributions:
        points[FASTER] = delayed[FASTER].point
        effective[FASTER] = _effective(FASTER, delayed[FASTER], float(np.var(drawn[FASTER])), pairs)
    for name, shares in events.items():
        variances, correlations[name] = _errors(shares, blocks, pairs)
        for path, share, variance in zip(_PATHS, shares, variances, strict=True):
            points[name, path] = share.point
            effective[name, path] = _effective((name, path), share, max(float(variance), share.least**2), pairs)
    return Evidence(
        points=points,
        draws={key: distribution.quantiles(share - drawn[key]) for key, (distribution, share) in distributions.items()},
        effective=effective,
        correlations=correlations,
    )


def _events(pairs: Pairs, blocks: Blocks) -> dict[str, list[_Share]]:
    """Return the shares of both paths that may be rare."""
    sides = (pairs.baseline, pairs.candidate)
    return {
        "loss": [_share(side.lost, blocks) for side in sides],
        "availability": [_share(~outages(pairs, side).unavailable, blocks) for side in sides],
    }


def _distributions(pairs: Pairs, blocks: Blocks) -> dict[Key, tuple[Distribution, float]]:
    """Return of what quantiles are drawn, and which; nothing where a path has no answers."""
    found: dict[Key, tuple[Distribution, float]] = {}
    for path, side in enumerate((pairs.baseline, pairs.candidate)):
        rtt = delays(side, blocks, QUANTILES.values())
        if not len(rtt):
            return {}
        found |= {(name, path): (rtt, share) for name, share in QUANTILES.items()}
        ipdv = variations(side, pairs.slot, blocks, [_IPDV_SHARE])
        if len(ipdv):
            found[IPDV, path] = ipdv, _IPDV_SHARE
    return found


def _share(values: Mask, blocks: Blocks) -> _Share:
    """Return how often something is so, of all pairs."""
    return _share_of(blocks.counts(values), np.diff(blocks.edges).astype(np.float64))


def _won(pairs: Pairs, blocks: Blocks, margin_ns: float) -> _Share:
    """Return how often the candidate is the faster one, ties counting half: P(A < B) within pairs."""
    difference = pairs.candidate.rtt_ns - pairs.baseline.rtt_ns
    known = blocks.counts(~np.isnan(difference))
    faster, slower = blocks.counts(difference < -margin_ns), blocks.counts(difference > margin_ns)
    return _share_of((known + faster - slower) / 2, known)


def _share_of(sums: Floats, counts: Floats) -> _Share:
    """Return a share from what each block has of it, and of cases."""
    cases = counts.sum()
    point = sums.sum() / cases if cases else 0.0
    return _Share(point=float(point), errors=(sums - point * counts) / max(cases, 1), cases=float(max(cases, 1)))


def _drawn(shares: Mapping[Key, _Share], blocks: Blocks, pairs: Pairs) -> dict[Key, Floats]:
    """Draw the errors of all these shares from the same blocks."""
    if not shares:
        return {}
    series, freedom_lost = _series(list(shares.values()), blocks, pairs)
    draws = drawn_errors(series, freedom_lost=freedom_lost)
    for column, share in enumerate(shares.values()):
        draws[:, column] = _at_least(draws[:, column], share.least, column)
    return dict(zip(shares, draws.T, strict=True))


def _errors(shares: Sequence[_Share], blocks: Blocks, pairs: Pairs) -> tuple[Floats, float]:
    """Return the variances of the errors of a share on both paths, and their correlation."""
    series, freedom_lost = _series(shares, blocks, pairs)
    return error_of(series, freedom_lost=freedom_lost)


def _series(shares: Sequence[_Share], blocks: Blocks, pairs: Pairs) -> tuple[Floats, int]:
    """Return errors as columns, and how many degrees of freedom went with the daily cycle."""
    series = np.column_stack([share.errors for share in shares])
    if has_daily_cycle(pairs.duration_s, len(blocks)):
        return without_daily_cycle(series, blocks.phase), CYCLE_FREEDOM
    return series, 0


def _at_least(draws: Floats, deviation: float, column: int) -> Floats:
    """Spread draws as independent packets would be spread, where their blocks show less."""
    found = float(draws.std())
    if found >= deviation:
        return draws
    if found > deviation / 1000:
        return draws * (deviation / found)
    return np.random.default_rng(column).normal(scale=deviation, size=len(draws))


def _effective(key: Key, share: _Share, variance: float, pairs: Pairs) -> float:
    """Return how many independent cases a share is worth.

    Where nothing happened, nothing tells how it would come. Losses are taken to come in different seconds then, and
    outages to be as short as they can be.
    """
    inside = share.point * (1 - share.point)
    if inside > 0 and variance > 0:
        return min(inside / variance, share.cases)
    seconds = share.cases * max(pairs.interval_ns / _NS_PER_S, 1e-9)
    if key[0] == "availability":
        return max(min(seconds / CONSECUTIVE, share.cases / CONSECUTIVE), 1.0)
    return max(min(seconds, share.cases), 1.0)
