"""A path minute by minute: its level, its spread, and when either changed for good. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.compare.pairs import Pairs, Side

MINUTE_NS = 60_000_000_000
WINDOW = 30
"""Minutes on each side of a change that are compared; a shorter excursion is none."""
_SIGMAS = 6.0
_MAD_TO_SIGMA = 1.4826
_TOGETHER = 5  # minutes: the medians of noisy half hours turn that much earlier or later

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """Minutes of the wall clock that have pairs, in order; delays in ns, NaN where a path had no answer.

    ``minute``: since the epoch. ``level``: the median round-trip time. ``spread``: p99 - p50.
    """

    minute: NDArray[np.int64]
    level: Floats
    spread: Floats

    def __len__(self) -> int:
        return len(self.minute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A path's level or spread changed: the medians of half an hour before and after, ns.

    ``together``: the other path's did too, the same way and within five minutes, which tells of a common cause.
    """

    at_ns: int
    path: str
    of: Literal["level", "spread"]
    before_ns: float
    after_ns: float
    together: bool = False


def minutes_of(pairs: Pairs, side: Side) -> Minutes:
    """Return level and spread of each minute; percentiles as RFC 2330, section 11.3, defines them."""
    number, begins = pairs.units(MINUTE_NS)
    ends = np.append(begins[1:], len(pairs))
    level, spread = np.full(len(begins), np.nan), np.full(len(begins), np.nan)
    for place, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        ordered = np.sort(side.rtt_ns[begin:end])  # NaN last
        count = end - begin - int(np.count_nonzero(np.isnan(ordered)))
        if count:
            level[place] = ordered[-(-count // 2) - 1]
            spread[place] = ordered[-(-count * 99 // 100) - 1] - level[place]
    return Minutes(minute=number, level=level, spread=spread)


def changes_of(minutes: Minutes, path: str, *, least_ns: float) -> list[Change]:
    """Find when level and spread changed: the median of half an hour after, less that of half an hour before.

    A moving-sum statistic (Eichinger & Kirch 2018), of medians, so that no single minute makes a change. It has to be
    beyond ``least_ns`` and six times its own usual size (by its median absolute deviation), and the largest within
    half an hour. A daily cycle moves too slowly to pass for one.
    """
    return sorted(
        [
            *_changes(minutes.minute, minutes.level, path, "level", least_ns),
            *_changes(minutes.minute, minutes.spread, path, "spread", least_ns),
        ],
        key=lambda change: change.at_ns,
    )


def _changes(
    minute: NDArray[np.int64], values: Floats, path: str, of: Literal["level", "spread"], least_ns: float
) -> list[Change]:
    known = ~np.isnan(values)
    minute, values = minute[known], values[known]
    if len(values) < 2 * WINDOW:
        return []
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, WINDOW), axis=1)
    before, after = medians[:-WINDOW], medians[WINDOW:]
    size = np.abs(after - before)
    usual = float(np.median(size)) * _MAD_TO_SIGMA
    candidates = np.flatnonzero(size > max(least_ns, _SIGMAS * usual))
    found: list[int] = []
    for place in sorted(candidates, key=lambda place: -size[place]):
        if all(abs(place - other) >= WINDOW for other in found):
            found.append(int(place))
    return [
        Change(
            at_ns=int(minute[_edge(values, place)]) * MINUTE_NS,
            path=path,
            of=of,
            before_ns=float(before[place]),
            after_ns=float(after[place]),
        )
        for place in sorted(found)
    ]


def _edge(values: Floats, place: int) -> int:
    """Return where, in the hour around, one level each before and after fits best: medians are flat at their top."""
    hour = values[place : place + 2 * WINDOW]
    cost = [
        np.abs(hour[:cut] - np.median(hour[:cut])).sum() + np.abs(hour[cut:] - np.median(hour[cut:])).sum()
        for cut in range(5, len(hour) - 5)
    ]
    return place + 5 + int(np.argmin(cost))


def with_common_causes(ours: list[Change], theirs: list[Change]) -> list[Change]:
    """Return the changes of both paths in order, and mark those that both went through."""
    return sorted([*_marked(ours, theirs), *_marked(theirs, ours)], key=lambda change: change.at_ns)


def _marked(changes: list[Change], others: list[Change]) -> list[Change]:
    return [
        Change(
            at_ns=change.at_ns,
            path=change.path,
            of=change.of,
            before_ns=change.before_ns,
            after_ns=change.after_ns,
            together=any(_alike(change, other) for other in others),
        )
        for change in changes
    ]


def _alike(change: Change, other: Change) -> bool:
    return (
        change.of == other.of
        and abs(change.at_ns - other.at_ns) <= _TOGETHER * MINUTE_NS
        and (change.after_ns > change.before_ns) == (other.after_ns > other.before_ns)
    )
