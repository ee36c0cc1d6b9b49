"""Distributions of errors at fixed fractions, denser the closer to all of the packets. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence

NINES = 3
_STEPS = 16
FRACTIONS = tuple(1 - 10 ** (-step / _STEPS) for step in range(NINES * _STEPS + 1))
"""From 0 to 0.999: 90 %, 99 % and 99.9 % lie as far from each other as 0 and 90 %."""


def nines(fraction: float) -> float:
    """Return how many nines a fraction has: 0.9 has one, 0.99 two, 0 none."""
    return -math.log10(1 - fraction)


def at_fractions(ascending: Sequence[int]) -> tuple[int, ...]:
    """Return the value below or at which each of the fractions lies; the least value for none."""
    last = len(ascending) - 1
    # Rounded, as 1 - 0.1 times a thousand is a little more than 900.
    return tuple(ascending[min(max(math.ceil(round(p * len(ascending), 6)) - 1, 0), last)] for p in FRACTIONS)
