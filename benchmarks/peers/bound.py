"""The least error that a histogram of round trips can have, given the true ones. No I/O.

A histogram does not tell which packet had which value. But however its values are dealt out to the packets, only so
many can be within some distance of the truth: as many as can be paired so. Each fraction of the packets thus has an
error that it does not undercut.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers.tool import Histogram

Interval = tuple[float, float]


def intervals(histogram: Histogram) -> list[Interval]:
    """Return, for each value of the histogram, the bounds between which it lies, ascending."""
    lower = (0.0, *histogram.upper_ns)
    edges = zip(lower, histogram.upper_ns, histogram.counts, strict=False)
    return [(low, high) for low, high, count in edges for _ in range(count)]


def most_within(values: Sequence[Interval], truths: Sequence[int], distance_ns: float) -> int:
    """Return how many pairs of a value and a truth can be made that are no further apart; both are ascending.

    Whatever is too small for the next value is too small for all after it, so taking the first that fits is best.
    """
    pairs = at = 0
    for low, high in values:
        while at < len(truths) and truths[at] < low - distance_ns:
            at += 1
        if at == len(truths):
            break
        if truths[at] <= high + distance_ns:
            pairs += 1
            at += 1
    return pairs


def least_error_ns(values: Sequence[Interval], truths: Sequence[int], packets: int) -> int:
    """Return the error, to the next 100 ns below, that this many packets cannot all undercut."""
    step_ns, tried = 100, 1
    while most_within(values, truths, tried * step_ns) < packets:
        tried *= 2
    under, enough = 0, tried
    while under < enough:
        middle = (under + enough) // 2
        if most_within(values, truths, middle * step_ns) < packets:
            under = middle + 1
        else:
            enough = middle
    return max(under - 1, 0) * step_ns
