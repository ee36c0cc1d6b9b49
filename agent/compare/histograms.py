"""Two paths by the histograms that a Prometheus server keeps of them: no pairs, and quantiles to a bucket. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.compare.blocks import Floats
from agent.compare.comparison import Comparison, Names, more_s_of, verdict_of_all
from agent.compare.figures import Figure, interval_of, judged
from agent.compare.intervals import Interval, difference_interval, share_interval, t_of
from agent.compare.margins import Margins, Verdict
from agent.compare.pairs import Excluded
from agent.compare.resampling import drawn_errors, error_of
from agent.compare.words import sentence_of

_DELAYS = (
    ("rtt_p50", 0.50, None),
    ("rtt_p95", 0.95, None),
    ("rtt_p99", 0.99, None),
    ("rtt_p999", 0.999, None),
    ("rtt_iqr", 0.75, 0.25),
    ("rtt_p99_p50", 0.99, 0.50),
)
_SHARES = (0.25, 0.50, 0.75, 0.95, 0.99, 0.999)
LEAST_STEPS = 8
"""With fewer steps of time nothing tells how figures vary."""

_LIMITS = (
    "From histograms, not from packets: nothing is paired, so intervals are wider than those of the history; each"
    " quantile is known to its bucket, which its interval includes; outages, IPDV and pairs won are not known, and what"
    " a stalled host disturbed is not left out."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histograms:
    """What was counted of one path in each step of time.

    ``counts``: shape (steps, bounds + 1), packets by bucket; ``bounds_ns``: ascending upper bounds, without infinity.
    ``sent``: packets of each step of which something is known, and ``lost``: those of them that were not delivered.
    """

    bounds_ns: Floats
    counts: Floats
    sent: Floats
    lost: Floats


Sides = tuple[Histograms, Histograms]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that was asked for, and how much of it was there. ``steps`` have data of both paths."""

    begins_ns: int
    step_s: float
    steps: int
    asked: int
    noisy: int


def compare_histograms(
    baseline: Histograms,
    candidate: Histograms,
    names: Names,
    window: Window,
    *,
    margins: Margins,
    limit_ns: float,
    warnings: Sequence[str] = (),
) -> Comparison:
    """Compare two paths over the same steps of time, as far as histograms allow it; ``warnings`` are the server's."""
    sides = (baseline, candidate)
    duration_s = window.steps * window.step_s
    silent = _silent(sides, names, window)
    found = () if silent else (*_delays(sides, margins), _loss(sides, margins))
    verdict = verdict_of_all(found)
    more = None if silent or verdict is not Verdict.INSUFFICIENT else more_s_of(found, duration_s)
    return Comparison(
        names=names,
        verdict=verdict,
        sentence=silent or sentence_of(verdict, found, names.baseline, names.candidate, duration_s, more),
        figures=found,
        pairs=0,
        excluded=Excluded(),
        begins_ns=window.begins_ns,
        duration_s=duration_s,
        more_s=more,
        margins=margins,
        limit_ns=limit_ns,
        predictability=(),
        changes=(),
        notes=(*_notes(window), *(f"The server warns: {warning}" for warning in warnings)),
    )


def _silent(sides: Sides, names: Names, window: Window) -> str | None:
    for name, side in zip((names.baseline, names.candidate), sides, strict=True):
        if window.steps and not side.counts.sum():
            return f"{name} answered nothing in this window: without its delays there is nothing to compare."
    if window.steps < LEAST_STEPS:
        return (
            f"Only {window.steps} of {window.asked} steps of time have data of both {names.baseline} and"
            f" {names.candidate}; it takes {LEAST_STEPS} to tell how they vary: look back further with --since."
        )
    return None


def _notes(window: Window) -> list[str]:
    notes = [_LIMITS]
    if window.steps < window.asked:
        notes.append(f"Partial data: {window.asked - window.steps} of {window.asked} steps of time are missing.")
    if window.noisy:
        notes.append(f"{window.noisy:,} samples were taken while the host was stalled; histograms contain them.")
    return notes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    """Quantiles of one path: as seen, and at least and at most, one value a draw."""

    point: Mapping[float, float]
    low: Mapping[float, Floats]
    high: Mapping[float, Floats]

    def less(self, plus: float, minus: float | None) -> tuple[float, Floats, Floats]:
        """Return a quantile, or one less another: the point, and draws of its lower and upper end."""
        if minus is None:
            return self.point[plus], self.low[plus], self.high[plus]
        low, high = self.low[plus] - self.high[minus], self.high[plus] - self.low[minus]
        return self.point[plus] - self.point[minus], low, high


def _delays(sides: Sides, margins: Margins) -> Iterator[Figure]:
    """Yield the figures of delays; the errors of both paths are drawn from the same steps of time."""
    drawn = drawn_errors(np.column_stack([_errors(side, share) for side in sides for share in _SHARES]))
    with np.errstate(invalid="ignore"):  # infinite less infinite: unbounded both ways
        ours, theirs = (_path(side, part) for side, part in zip(sides, np.split(drawn, 2, axis=1), strict=True))
        for name, plus, minus in _DELAYS:
            baseline, our_low, our_high = ours.less(plus, minus)
            candidate, their_low, their_high = theirs.less(plus, minus)
            interval = interval_of(their_low - our_high, their_high - our_low)
            yield judged(name, "ns", baseline, candidate, margins.delay_ns, interval)


def _path(side: Histograms, errors: Floats) -> _Path:
    shares = dict(zip(_SHARES, errors.T, strict=True))
    ends = {share: _ends(side, share - drawn) for share, drawn in shares.items()}
    return _Path(
        point={share: _interpolated(side, share) for share in _SHARES},
        low={share: low for share, (low, _) in ends.items()},
        high={share: high for share, (_, high) in ends.items()},
    )


def _errors(side: Histograms, share: float) -> Floats:
    """Return what each step adds to the error of the share of packets in buckets up to that of the quantile."""
    total = side.counts.sum()
    cumulated = np.cumsum(side.counts, axis=1)
    bucket = int(np.searchsorted(cumulated.sum(axis=0), share * total))
    upto, in_it = cumulated[:, bucket], side.counts[:, bucket]
    part = (share * total - (upto - in_it).sum()) / in_it.sum()
    errors: Floats = (upto - in_it + part * in_it - share * side.counts.sum(axis=1)) / total
    return errors


def _ends(side: Histograms, shares: Floats) -> tuple[Floats, Floats]:
    """Return between which bounds the quantile of each share lies: those of its bucket."""
    upto = np.cumsum(side.counts.sum(axis=0))
    bucket = np.searchsorted(upto, np.clip(shares, 0, 1) * upto[-1])
    edges = np.concatenate([[0.0], side.bounds_ns, [np.inf]])
    low, high = edges[bucket], edges[bucket + 1]
    return np.where(shares < 0, -np.inf, low), np.where(shares > 1, np.inf, high)


def _interpolated(side: Histograms, share: float) -> float:
    """Return a quantile as PromQL's histogram_quantile() does: straight within its bucket, the last bound beyond."""
    counts = side.counts.sum(axis=0)
    upto = np.cumsum(counts)
    bucket = int(np.searchsorted(upto, share * upto[-1]))
    if bucket >= len(side.bounds_ns):
        return float(side.bounds_ns[-1])
    low = side.bounds_ns[bucket - 1] if bucket else 0.0
    inside = (share * upto[-1] - (upto[bucket] - counts[bucket])) / counts[bucket]
    return float(low + (side.bounds_ns[bucket] - low) * inside)


def _loss(sides: Sides, margins: Margins) -> Figure:
    points, errors = [], []
    for side in sides:
        sent = side.sent.sum()
        points.append(float(side.lost.sum() / sent))
        errors.append((side.lost - points[-1] * side.sent) / sent)
    variances, correlation = error_of(np.column_stack(errors))
    effective = [
        _effective(point, float(variance), float(side.sent.sum()))
        for point, variance, side in zip(points, variances, sides, strict=True)
    ]

    def interval(confidence: float) -> Interval:
        z = t_of(confidence, len(sides[0].sent) - 1)
        ours, theirs = (share_interval(point, cases, z) for point, cases in zip(points, effective, strict=True))
        return difference_interval(points[0], ours, points[1], theirs, correlation)

    return judged("loss", "1", points[0], points[1], margins.loss, interval)


def _effective(point: float, variance: float, sent: float) -> float:
    """Return how many independent packets a share is worth; where none was lost, all that were sent."""
    inside = point * (1 - point)
    return min(inside / variance, sent) if inside > 0 and variance > 0 else sent
