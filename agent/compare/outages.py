"""When a path was unavailable, and how its losses came: alone or in bursts. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.compare.pairs import Mask, Pairs, Side

CONSECUTIVE = 10
"""So many bad intervals in a row begin an outage, so many good ones end it; both count from their first."""
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """Outages of one path, in order: when each began (wall time), how long it was, and which pairs fell into one."""

    begin_ns: NDArray[np.int64]
    length_s: NDArray[np.float64]
    unavailable: Mask


def outages(pairs: Pairs, side: Side) -> Outages:
    """Find the outages of a path.

    An interval is a second, or the time between slots where that is longer. It is bad where more than half of its
    packets had no answer in time; intervals without packets are neither and end every count.
    """
    interval_ns = max(_NS_PER_S, pairs.interval_ns)
    number, begins = pairs.units(interval_ns, since_ns=pairs.begins_ns)
    counts = np.diff(begins, append=len(pairs))
    unanswered = np.searchsorted(begins, np.flatnonzero(~side.received), "right") - 1
    bad = np.bincount(unanswered, minlength=len(begins)) * 2 > counts
    out, found = np.zeros(len(bad), dtype=np.bool_), []
    for begin, end in _spans(bad, number):
        out[begin:end] = True
        found.append((number[begin] * interval_ns, (number[end - 1] - number[begin] + 1) * interval_ns / _NS_PER_S))
    return Outages(
        begin_ns=np.array([begin for begin, _ in found], dtype=np.int64) + pairs.begins_ns,
        length_s=np.array([length for _, length in found], dtype=np.float64),
        unavailable=np.repeat(out, counts),
    )


def _spans(bad: Mask, number: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return from where to where, among the intervals with packets, the path was unavailable."""
    changes = (bad[1:] != bad[:-1]) | (np.diff(number) != 1)
    begins = np.concatenate([[0], np.flatnonzero(changes) + 1])
    ends = np.append(begins[1:], len(bad))
    long = ends - begins >= CONSECUTIVE
    ending = np.flatnonzero(long & ~bad[begins])
    spans: list[tuple[int, int]] = []
    for run in np.flatnonzero(long & bad[begins]):
        if spans and begins[run] < spans[-1][1]:
            continue
        after = ending[ending > run]
        end = int(begins[after[0]]) if len(after) else len(bad)
        gaps = np.flatnonzero(np.diff(number[begins[run] : end]) != 1)
        spans.append((int(begins[run]), int(begins[run] + gaps[0] + 1) if len(gaps) else end))
    return spans


def burst_lengths(side: Side) -> NDArray[np.int64]:
    """Return how many packets in a row were lost, of each burst of losses, in order."""
    edges = np.flatnonzero(np.diff(side.lost, prepend=False, append=False))
    lengths: NDArray[np.int64] = edges[1::2] - edges[::2]
    return lengths
