"""A run cut into blocks of time: what each block adds to the error of each figure. No I/O.

A quantile's error is that of a share: by how much the share of packets at or below the quantile found differs from the
share asked for (Bahadur 1966; Woodruff 1952). A share is a mean, so blocks of it are all that has to be resampled, and
the packets themselves are read twice however many resamples are drawn. Twelve million packets take two seconds so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.compare.pairing import Mask, Pairs, Side

Floats = NDArray[np.float64]

MOST_BLOCKS = 2048
_NS_PER_S = 1_000_000_000
_NS_PER_DAY = 86_400 * _NS_PER_S

_LEAST_SPAN_S = 0.75 * 86_400
_LEAST_BLOCKS = 32
CYCLE_FREEDOM = 4
"""How many degrees of freedom the daily cycle takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The pairs of a run in at most :data:`MOST_BLOCKS` blocks of the same number of slots, none of them empty.

    ``edges``: where each begins among the pairs, and the end of the last. ``phase``: the time of day of each, as a
    share of the day (UTC).
    """

    edges: NDArray[np.intp]
    phase: Floats

    def __len__(self) -> int:
        return len(self.edges) - 1

    def sums(self, values: NDArray[np.generic]) -> Floats:
        """Sum one value a pair over each block; of bool, count."""
        return np.add.reduceat(values, self.edges[:-1], dtype=np.float64)


def blocks_of(pairs: Pairs) -> Blocks:
    """Cut the run; there is at least one pair."""
    first, last = int(pairs.slot[0]), int(pairs.slot[-1])
    size = max(-(-(last - first + 1) // MOST_BLOCKS), 1)
    boundaries = np.arange(first, last + size + 1, size)
    edges = np.unique(np.searchsorted(pairs.slot, boundaries))
    middles_ns = pairs.start_ns + (pairs.slot[edges[:-1]] + size / 2) * float(pairs.interval_ns)
    return Blocks(edges=edges, phase=middles_ns % _NS_PER_DAY / _NS_PER_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Values of one kind on one path, in order of size, and block by block.

    ``ordered``: float32, ns, all values ascending. ``by_block``: the same, ascending within each block; ``edges``
    as in :class:`Blocks`.
    """

    ordered: NDArray[np.float32]
    by_block: NDArray[np.float32]
    edges: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.ordered)

    def quantile(self, share: float) -> float:
        """Return the smallest value with a share of ``share`` or more at or below it (RFC 2330, section 11.3), ns."""
        return float(self.ordered[max(int(np.ceil(share * len(self) - 1e-9)) - 1, 0)])

    def quantiles(self, shares: Floats) -> Floats:
        """Return the quantile of each share; infinite for those above 1, which nothing observed bounds, or below 0."""
        places = np.ceil(shares * len(self) - 1e-9) - 1
        found = self.ordered[np.clip(places, 0, len(self) - 1).astype(np.intp)].astype(np.float64)
        return np.where(shares > 1, np.inf, np.where(shares < 0, -np.inf, found))

    def excess(self, share: float) -> Floats:
        """Return for each block how many values too many it has at or below the quantile.

        Values that equal the quantile count in part, such that the sum is zero.
        """
        quantile = np.float32(self.quantile(share))
        below, upto = self._counts(quantile, "left"), self._counts(quantile, "right")
        counts, equal = np.diff(self.edges), upto - below
        part = (share * counts.sum() - below.sum()) / max(equal.sum(), 1)
        excess: Floats = below + part * equal - share * counts
        return excess

    def _counts(self, quantile: np.float32, side: Literal["left", "right"]) -> NDArray[np.int64]:
        edges = self.edges
        return np.array(
            [np.searchsorted(self.by_block[edges[i] : edges[i + 1]], quantile, side) for i in range(len(edges) - 1)],
            dtype=np.int64,
        )


def delays(side: Side, blocks: Blocks) -> Distribution:
    """Return the round-trip times of a path's answered packets."""
    return _distribution(side.rtt_ns, side.received, blocks)


def variations(side: Side, slots: NDArray[np.int64], blocks: Blocks) -> Distribution:
    """Return the magnitudes of IPDV (RFC 3393; RFC 5481, section 4.1), of consecutive slots that were both answered."""
    change = np.empty(len(slots), dtype=np.float32)
    change[:1] = np.nan
    np.abs(np.subtract(side.rtt_ns[1:], side.rtt_ns[:-1], out=change[1:]), out=change[1:])
    change[1:][np.diff(slots) != 1] = np.nan
    return _distribution(change, ~np.isnan(change), blocks)


def _distribution(values: NDArray[np.float32], known: Mask, blocks: Blocks) -> Distribution:
    by_block = values[known]
    edges = np.concatenate([[0], np.cumsum(blocks.sums(known))]).astype(np.intp)
    for begin, end in pairwise(edges):
        by_block[begin:end].sort()
    return Distribution(ordered=np.sort(by_block), by_block=by_block, edges=edges)


def has_daily_cycle(span_s: float, blocks: int) -> bool:
    """Whether a run is long enough to tell a cycle of a day from a trend."""
    return span_s >= _LEAST_SPAN_S and blocks >= _LEAST_BLOCKS


def without_daily_cycle(errors: Floats, phase: Floats) -> Floats:
    """Return the errors of blocks less a cycle of 24 and 12 hours, by least squares, each column on its own.

    A cycle that comes back every day is part of what the figures describe, not of the chance that they are subject to;
    left in, it would pass for slow noise.
    """
    angle = 2 * np.pi * phase
    cycle = np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    rest: Floats = errors - cycle @ np.linalg.lstsq(cycle, errors, rcond=None)[0]
    return rest
