"""How predictable one path was: by the minute, the hour and the day; its outages and bursts of losses. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.compare.minutes import Minutes
from agent.compare.outages import Outages, burst_lengths
from agent.compare.pairs import Pairs, Side

_HOUR_NS = 3_600_000_000_000
_HOURS_OF_DAY = 24
_LEAST_MINUTES_A_DAY = 12 * 60  # of a day known by less, its own cycle hides how it compares with others
_LEAST_MINUTES_AN_HOUR = 30
_IQR_TO_SIGMA = 0.7413

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictability:
    """Figures of one path; ``None`` where the run is too short or has no answers. Delays in ns, shares of 1.

    ``minutes_within`` and ``hours_within``: the share of them whose p99 - p50 stayed within the limit that was agreed;
    those without any answer did not. ``robust_cv``: 0.7413 · IQR / median, the coefficient of variation of a normal
    distribution, but insensitive to outliers (Arachchige, Prendergast & Staudte 2022); ``robust_cv_hour`` is its median
    over the hours. ``hour_of_day_range``: the slowest hour of the day less the fastest, by the medians of all days.
    ``day_range``: the same of days.
    """

    minutes: int
    minutes_within: float | None
    hours_within: float | None
    robust_cv: float | None
    robust_cv_hour: float | None
    hour_of_day_range_ns: float | None
    day_range_ns: float | None
    outages: Outages
    bursts: int
    longest_burst: int
    lost_in_bursts: float | None


def predictability(pairs: Pairs, side: Side, minutes: Minutes, out: Outages, *, limit_ns: float) -> Predictability:
    """Describe a path over pairs, at least one; ``limit_ns`` is what p99 - p50 was agreed to stay within."""
    hours = _hours(pairs, side)
    variations = [variation for _, variation in hours if variation is not None]
    bursts = burst_lengths(side)
    lost = int(bursts.sum())
    return Predictability(
        minutes=len(minutes),
        minutes_within=float(np.mean(minutes.spread <= limit_ns)),
        hours_within=float(np.mean([spread is not None and spread <= limit_ns for spread, _ in hours])),
        robust_cv=_spread_and_variation(side.rtt_ns)[1],
        robust_cv_hour=float(np.median(variations)) if variations else None,
        hour_of_day_range_ns=_range(minutes.minute // 60 % _HOURS_OF_DAY, minutes.level, _LEAST_MINUTES_AN_HOUR),
        day_range_ns=_range(minutes.minute // (60 * _HOURS_OF_DAY), minutes.level, _LEAST_MINUTES_A_DAY),
        outages=out,
        bursts=len(bursts),
        longest_burst=int(bursts.max(initial=0)),
        lost_in_bursts=float(bursts[bursts > 1].sum() / lost) if lost else None,
    )


def _hours(pairs: Pairs, side: Side) -> list[tuple[float | None, float | None]]:
    """Return p99 - p50 and the robust coefficient of variation of each hour of the wall clock that has pairs."""
    _, begins = pairs.units(_HOUR_NS)
    return [_spread_and_variation(part) for part in np.split(side.rtt_ns, begins[1:])]


def _spread_and_variation(rtt_ns: NDArray[np.float32]) -> tuple[float | None, float | None]:
    known = rtt_ns[~np.isnan(rtt_ns)]
    if not len(known):
        return None, None
    shares = np.array([0.25, 0.5, 0.75, 0.99])
    places = np.maximum(np.ceil(shares * len(known) - 1e-9) - 1, 0).astype(np.intp)
    known.partition(places)
    p25, p50, p75, p99 = (float(value) for value in known[places])
    return p99 - p50, _IQR_TO_SIGMA * (p75 - p25) / p50 if p50 > 0 else None


def _range(group: NDArray[np.int64], level: Floats, least: int) -> float | None:
    """Return the largest median of a group less the smallest, of groups of ``least`` minutes; of one group none."""
    known = ~np.isnan(level)
    group, level = group[known], level[known]
    medians = [
        float(np.median(level[group == one])) for one in np.unique(group) if np.count_nonzero(group == one) >= least
    ]
    return max(medians) - min(medians) if len(medians) > 1 else None
