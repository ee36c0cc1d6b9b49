"""A run cut into blocks of time: what each block adds to the error of each figure. No I/O.

A quantile's error is that of a share: by how much the share of packets at or below the quantile found differs from the
share asked for (Bahadur 1966; Woodruff 1952). A share is a mean, so blocks of it are all that has to be resampled, and
the packets themselves are read twice however many resamples are drawn. Twelve million packets take two seconds so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.compare.pairs import Mask, Pairs, Side, Slots

Floats = NDArray[np.float64]

MOST_BLOCKS = 2048
_NS_PER_S = 1_000_000_000
_NS_PER_DAY = 86_400 * _NS_PER_S

_ROUNDING = 1e-9  # 0.07 of 100 values are 7, and not one more because a float is a little above
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

    def counts(self, mask: Mask) -> Floats:
        """Count in how many pairs of each block something is so; numpy's sums would take eight octets a pair."""
        found = [np.count_nonzero(mask[begin:end]) for begin, end in pairwise(self.edges)]
        return np.array(found, dtype=np.float64)


def blocks_of(pairs: Pairs) -> Blocks:
    """Cut the run; there is at least one pair."""
    first, last = int(pairs.slot[0]), int(pairs.slot[-1])
    size = max(-(-(last - first + 1) // MOST_BLOCKS), 1)
    boundaries = np.append(np.arange(first, last + 1, size), last + 1)
    # Of the same kind as the slots, which would else be copied: last + 1 fits where they are of 32 bits.
    edges = np.unique(np.searchsorted(pairs.slot, boundaries.astype(pairs.slot.dtype)))
    middles_ns = pairs.start_ns + (pairs.slot[edges[:-1]] + size / 2) * float(pairs.interval_ns)
    return Blocks(edges=edges, phase=middles_ns % _NS_PER_DAY / _NS_PER_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Values of one kind on one path, and how each block departs from all of them.

    ``ordered``: float32, ns, ascending. ``excess``: for each share that was asked for, and each block, how many values
    too many it has at or below the quantile.
    """

    ordered: NDArray[np.float32]
    excess: Mapping[float, Floats]

    def __len__(self) -> int:
        return len(self.ordered)

    def quantile(self, share: float) -> float:
        """Return the smallest value with a share of ``share`` or more at or below it (RFC 2330, section 11.3), ns."""
        return float(self.ordered[_place(share, len(self))])

    def quantiles(self, shares: Floats) -> Floats:
        """Return the quantile of each share; infinite for those above 1, which nothing observed bounds, or below 0."""
        places = np.ceil(shares * len(self) - _ROUNDING) - 1
        found = self.ordered[np.clip(places, 0, len(self) - 1).astype(np.intp)].astype(np.float64)
        return np.where(shares > 1, np.inf, np.where(shares < 0, -np.inf, found))


def _place(share: float, count: int) -> int:
    return max(int(np.ceil(share * count - _ROUNDING)) - 1, 0)


def delays(side: Side, blocks: Blocks, shares: Iterable[float]) -> Distribution:
    """Return the round-trip times of a path's answered packets."""
    received = side.received
    return _distribution(side.rtt_ns[received], blocks.counts(received), shares)


def variations(side: Side, slots: Slots, blocks: Blocks, shares: Iterable[float]) -> Distribution:
    """Return the magnitudes of IPDV (RFC 3393; RFC 5481, section 4.1), of consecutive slots that were both answered."""
    change = np.empty(len(slots), dtype=np.float32)
    change[:1] = np.nan
    np.abs(np.subtract(side.rtt_ns[1:], side.rtt_ns[:-1], out=change[1:]), out=change[1:])
    change[1:][np.diff(slots) != 1] = np.nan
    known = ~np.isnan(change)
    ordered = change[known]
    del change
    return _distribution(ordered, blocks.counts(known), shares)


def _distribution(ordered: NDArray[np.float32], counts: Floats, shares: Iterable[float]) -> Distribution:
    """Order values in place; ``counts``: how many of them each block has."""
    edges = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    excess: dict[float, Floats] = {}
    if len(ordered):
        places = {share: _place(share, len(ordered)) for share in shares}
        partitioned = np.partition(ordered, sorted(set(places.values())))
        quantiles = {share: partitioned[place] for share, place in places.items()}
        del partitioned
        for begin, end in pairwise(edges):
            ordered[begin:end].sort()
        excess = {share: _excess(ordered, edges, share, quantile) for share, quantile in quantiles.items()}
        ordered.sort()  # in place: what was sorted block by block is not needed any more
    return Distribution(ordered=ordered, excess=excess)


def _excess(by_block: NDArray[np.float32], edges: NDArray[np.intp], share: float, quantile: np.float32) -> Floats:
    """Return each block's excess; values that equal the quantile count in part, such that the sum is zero."""

    def counts(side: Literal["left", "right"]) -> NDArray[np.int64]:
        found = [np.searchsorted(by_block[begin:end], quantile, side) for begin, end in pairwise(edges)]
        return np.array(found, dtype=np.int64)

    below, upto = counts("left"), counts("right")
    all_of_block, equal = np.diff(edges), upto - below
    part = (share * all_of_block.sum() - below.sum()) / max(equal.sum(), 1)
    excess: Floats = below + part * equal - share * all_of_block
    return excess


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
