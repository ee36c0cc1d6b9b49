"""A verdict that is looked at again and again, and does not flip by chance. Plain Python, a little at a time. No I/O.

Each block of time gives one difference of each figure. Which way the blocks of the last day lean is a sign test (Dixon
& Mood 1946): of two paths that do not differ beyond the margin, at most half of the blocks are beyond it on either
side, whatever the distribution of delays. Blocks that follow each other are alike, which widens the test as far as it
shows.
"""

from __future__ import annotations

import math
from collections import deque

from agent.compare.margins import Verdict

WINDOW = 144
"""Blocks that are looked at: those of a day, of ten minutes each."""
BOUND = 4.7
"""Standard deviations for a verdict. Of a normal deviate 1.3e-6 is beyond: of 4,320 looks in 30 days, at both sides of
three figures, 3.4 % at most (Bonferroni), and less since most of a window is that of the look before."""
HELD = 2.0
"""A verdict stays until the evidence for it is less than this: between the two, nothing changes."""
_LAGS = 6  # an hour's blocks
_MOST_ALIKE = 12.0


class Judge:
    """Judges one figure by its differences in blocks, candidate - baseline; less is better.

    ``margin``: what does not matter, in the figure's own unit.
    """

    def __init__(self, margin: float) -> None:
        self.verdict = Verdict.INSUFFICIENT
        self.differences: deque[float] = deque(maxlen=WINDOW)
        self._margin = margin
        self._above = self._below = 0  # a bit for each block of the window, the newest one the lowest

    def take(self, difference: float) -> None:
        """Take a block's difference, and judge anew: 20 µs."""
        self.differences.append(difference)
        count = len(self.differences)
        self._above = _shifted(self._above, difference > self._margin)
        self._below = _shifted(self._below, difference < -self._margin)
        above, below = _lean(self._above, count), _lean(self._below, count)
        evidence = {Verdict.WORSE: above, Verdict.BETTER: below, Verdict.SAME: min(-above, -below)}
        strongest = max(evidence, key=lambda verdict: evidence[verdict])
        if evidence[strongest] >= BOUND:
            self.verdict = strongest
        elif evidence.get(self.verdict, 0.0) < HELD:
            self.verdict = Verdict.INSUFFICIENT

    @property
    def middle(self) -> float | None:
        """Return the median difference of the window; ``None`` before the first block."""
        ordered = sorted(self.differences)
        return ordered[len(ordered) // 2] if ordered else None


def _shifted(bits: int, newest: bool) -> int:
    return (bits << 1 | newest) & ((1 << WINDOW) - 1)


def _lean(beyond: int, count: int) -> float:
    """Return by how many standard deviations more than half of the blocks are beyond, or less (negative)."""
    excess = beyond.bit_count() - count / 2  # half a block of it is the correction for continuity
    if abs(excess) <= 0.5:
        return 0.0
    deviation = math.sqrt(count / 4 * _alike(beyond, count))
    return (excess - math.copysign(0.5, excess)) / deviation


def _alike(beyond: int, count: int) -> float:
    """Return how many times larger the variance of the count is than it were of blocks that are not alike.

    By the autocovariance at lags of up to an hour, with Bartlett's weights; each is a matter of counting bits.
    """
    share = beyond.bit_count() / count
    variance = share * (1 - share) * count
    if not variance:
        return 1.0
    together = 0.0
    for lag in range(1, min(_LAGS, count - 1) + 1):
        older, newer = beyond >> lag, beyond & ((1 << (count - lag)) - 1)
        both = (older & newer).bit_count()
        product = both - share * (older.bit_count() + newer.bit_count()) + (count - lag) * share**2
        together += product * (1 - lag / (_LAGS + 1))
    return min(max(1 + 2 * together / variance, 1.0), _MOST_ALIKE)
