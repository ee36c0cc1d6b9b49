"""Histograms of durations, and the bounds that those of a stream and of the host have. No I/O, no Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

_US = 1_000
_MS = 1_000_000
# The R20 series of preferred numbers (ISO 3): twenty steps of 12 % a decade.
_DECADE = (100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900)
RTT_BOUNDS_NS = (
    *(step * _US for step in (100, 200, 300, 500, 750)),
    *(step * 10 * _US for step in _DECADE),
    *(step * 100 * _US for step in _DECADE),
    *(step * _MS for step in (100, 125, 160, 200, 250, 315, 400, 500, 1000)),
)
"""From 0.2 to 500 ms, and 12 % apart from 1 to 100 ms, where wide-area networks are: so that p50 and p99 mean it."""
VARIATION_BOUNDS_NS = tuple(
    step * _US
    for step in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
)
ONE_WAY_BOUNDS_NS = (
    *(step * _US for step in (100, 200, 500)),
    *(step * 10 * _US for step in _DECADE[::2]),
    *(step * 100 * _US for step in _DECADE[::2]),
    *(step * _MS for step in (100, 125, 160, 200, 315, 500)),
)
"""25 % apart from 1 to 100 ms: both clocks together may be a millisecond off, and a stream has two of these."""
PHASE_BOUNDS_NS = (
    *(step * _US for step in (100, 200, 500)),
    *(step * _MS for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)),
)
"""Coarser than those of round trips: a stream has five of these histograms."""
LATENESS_BOUNDS_NS = tuple(
    step * _US for step in (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
)


class Histogram:
    """How many values were at or below each of some bounds, which ascend; values and bounds in nanoseconds."""

    __slots__ = ("_counts", "bounds_ns", "sum_ns")

    def __init__(self, bounds_ns: Sequence[int]) -> None:
        self.sum_ns = 0
        self.bounds_ns = bounds_ns
        self._counts = [0] * (len(bounds_ns) + 1)

    def observe(self, value_ns: int) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds_ns, value_ns)] += 1
        self.sum_ns += value_ns

    def cumulative(self) -> list[int]:
        """Return the counts of values up to each bound, and of all."""
        return list(accumulate(self._counts))
