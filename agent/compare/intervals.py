"""Intervals of shares, and of their differences, that hold also where hardly anything happened. No I/O, no numpy."""

from __future__ import annotations

import math
from statistics import NormalDist

Interval = tuple[float, float]


def z_of(confidence: float) -> float:
    """Return how many standard deviations to each side hold this share of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def t_of(confidence: float, freedom: float) -> float:
    """Return the same for Student's t, by its expansion in that of the normal (Abramowitz & Stegun, 26.7.5)."""
    z, freedom = z_of(confidence), max(freedom, 3.0)  # the expansion does not hold below
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def share_interval(share: float, effective: float, z: float) -> Interval:
    """Return the interval of a share of ``effective`` independent cases (Wilson 1927).

    Of none in *n* cases the upper end is z² / (n + z²), about 4 / n at 95 %: never zero.
    """
    centre = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * math.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def difference_interval(
    baseline: float, of_baseline: Interval, candidate: float, of_candidate: Interval, correlation: float
) -> Interval:
    """Return the interval of candidate - baseline from theirs (Newcombe 1998, for paired shares; Zou & Donner 2008)."""

    def reach(of_candidate_end: float, of_baseline_end: float) -> float:
        ours, theirs = abs(candidate - of_candidate_end), abs(baseline - of_baseline_end)
        return math.sqrt(max(ours**2 + theirs**2 - 2 * correlation * ours * theirs, 0.0))

    difference = candidate - baseline
    low = difference - reach(of_candidate[0], of_baseline[1])
    high = difference + reach(of_candidate[1], of_baseline[0])
    return max(low, -1.0), min(high, 1.0)
