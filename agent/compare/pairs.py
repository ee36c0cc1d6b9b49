"""Two streams as pairs of packets that were sent in the same slot, and what of them is left out, and why. No I/O.

Only the commands that compare whole runs import this, and numpy with it; the service uses
:mod:`agent.compare.differences`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.columns import OUTCOMES, UNKNOWN, Columns
from collectors.sample import Outcome

Mask = NDArray[np.bool_]
Slots = NDArray[np.int64] | NDArray[np.int32]

_NS_PER_S = 1_000_000_000
_INT32 = np.iinfo(np.int32)
_AT_ONCE = 1 << 16  # pairs whose units of time are worked out: they fit into a processor's cache
_STEPPED = 0.001  # lateness of packets moves the two estimates of an interval apart by less


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """Slots that are no pairs, each counted once, by the first of these reasons that holds.

    ``unpaired``: only one path has a packet. ``not_sent``: this host did not send one of the two. ``overlooked``: its
    kernel may have dropped an answer. ``noisy``: the host was stalled. ``apart``: the two left more than an interval
    apart, so that they do not share what disturbed them.
    """

    unpaired: int = 0
    not_sent: int = 0
    overlooked: int = 0
    noisy: int = 0
    apart: int = 0

    @property
    def total(self) -> int:
        """Return how many slots were left out."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: Excluded) -> Excluded:
        return Excluded(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One path's packets of the pairs.

    ``rtt_ns``: float32, NaN where there was no answer in time; of 100 ms that keeps 8 ns, and halves the memory of a
    week. ``lost``: bool, of those that the path did not deliver: without an answer in time, or with one that it cannot
    be (an ICMP error, a refused connection).
    """

    rtt_ns: NDArray[np.float32]
    lost: Mask

    @property
    def received(self) -> Mask:
        """Which packets were answered in time."""
        return ~np.isnan(self.rtt_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Packets of two paths by slot; all arrays have one length, and ``slot`` ascends: int64, or int32 to save memory.

    Slot *k* was due at ``start_ns`` + *k* · ``interval_ns``, wall time: both are of the schedule, so a clock that is
    stepped meanwhile moves nothing.
    """

    slot: Slots
    baseline: Side
    candidate: Side
    interval_ns: int
    start_ns: int
    excluded: Excluded

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def duration_s(self) -> float:
        """Return the time from the first pair to the end of the last one's slot; 0 without any."""
        if not len(self):
            return 0.0
        return float(self.slot[-1] - self.slot[0] + 1) * self.interval_ns / _NS_PER_S

    def units(self, unit_ns: int, *, since_ns: int = 0) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Return the units of time, counted from ``since_ns`` (wall time) on, that have pairs, and where each begins.

        A stretch of pairs at a time: the unit of every pair of a week would take 48 MiB.
        """
        numbers: list[NDArray[np.int64]] = []
        begins: list[NDArray[np.intp]] = []
        for first in range(0, len(self), _AT_ONCE):
            # Slots count from anywhere: times the interval, only those of the run fit into 64 bits.
            number = self.slot[first : first + _AT_ONCE].astype(np.int64) - int(self.slot[0])
            number *= self.interval_ns
            number += self.begins_ns - since_ns
            number //= unit_ns
            last = numbers[-1][-1] if begins else number[0] - 1
            begin = np.flatnonzero(np.diff(number, prepend=last))
            if len(begin):
                numbers.append(number[begin])
                begins.append(begin + first)
        return np.concatenate([np.empty(0, np.int64), *numbers]), np.concatenate([np.empty(0, np.intp), *begins])

    @property
    def begins_ns(self) -> int:
        """Return when the first pair was due, wall time."""
        return self.start_ns + (int(self.slot[0]) * self.interval_ns if len(self) else 0)


def pair(baseline: Columns, candidate: Columns) -> Pairs:
    """Pair two streams by slot."""
    baseline, candidate, unpaired = _in_common(baseline, candidate)
    interval_ns = _interval_ns(baseline)
    reasons: dict[str, Mask] = {
        "not_sent": _either(baseline, candidate, Outcome.NOT_SENT),
        "overlooked": _either(baseline, candidate, Outcome.OVERLOOKED),
        "noisy": baseline.noisy | candidate.noisy,
        "apart": np.abs(baseline.sent_at_ns - candidate.sent_at_ns) > max(interval_ns, _NS_PER_S // 100),
    }
    kept = np.ones(len(baseline), dtype=np.bool_)
    counts = {}
    for reason, mask in reasons.items():
        counts[reason] = int(np.count_nonzero(kept & mask))
        kept &= ~mask
    start_ns = int(baseline.sent_at_ns[0]) - int(baseline.slot[0]) * interval_ns if len(baseline) else 0
    chosen: Any = slice(None) if kept.all() else kept
    return Pairs(
        slot=baseline.slot[chosen],
        baseline=_side(baseline, chosen),
        candidate=_side(candidate, chosen),
        interval_ns=interval_ns,
        start_ns=start_ns,
        excluded=Excluded(unpaired=unpaired, **counts),
    )


class Gathering:
    """Puts pairs of consecutive stretches of the same two streams together, each as it comes.

    A stretch that was taken may be forgotten, so that a week of them is never there twice.
    """

    def __init__(self) -> None:
        self._slot = _Growing(np.int32)
        self._columns = [_Growing(kind) for kind in (np.float32, np.bool_, np.float32, np.bool_)]
        self._first = self._start_ns = self._longest = self._last = 0
        self._ascending = True
        self._interval_ns = _NS_PER_S
        self._excluded = Excluded()

    def take(self, part: Pairs) -> None:
        """Append a stretch; one of a single packet knows no interval, so that of the longest is everybody's."""
        self._excluded += part.excluded
        if not len(part):
            return
        if not self._longest:
            self._first, self._start_ns = int(part.slot[0]), part.begins_ns
        if len(part) > self._longest:
            self._longest, self._interval_ns = len(part), part.interval_ns
        self._ascending = self._ascending and (len(self._slot.values) == 0 or int(part.slot[0]) > self._last)
        self._last = int(part.slot[-1])
        self._slot.extend(part.slot - self._first)
        ours, theirs = part.baseline, part.candidate
        for column, values in zip(self._columns, (ours.rtt_ns, ours.lost, theirs.rtt_ns, theirs.lost), strict=True):
            column.extend(values)

    def pairs(self) -> Pairs:
        """Return all that was taken, by slots: where the wall clock was set back, stretches of it overlap in them."""
        slot, ours_ns, ours_lost, theirs_ns, theirs_lost = (one.values for one in (self._slot, *self._columns))
        if not self._ascending:
            slot, chosen = np.unique(slot, return_index=True)
            ours_ns, ours_lost, theirs_ns, theirs_lost = (
                values[chosen] for values in (ours_ns, ours_lost, theirs_ns, theirs_lost)
            )
        return Pairs(
            slot=slot,
            baseline=Side(rtt_ns=ours_ns, lost=ours_lost),
            candidate=Side(rtt_ns=theirs_ns, lost=theirs_lost),
            interval_ns=self._interval_ns,
            start_ns=self._start_ns,
            excluded=self._excluded,
        )


class _Growing:
    """An array that grows in place: the kernel moves the pages of a large one, so that it never has them twice."""

    def __init__(self, kind: type[np.generic]) -> None:
        self.values: NDArray[Any] = np.empty(0, dtype=kind)

    def extend(self, values: NDArray[Any]) -> None:
        """Append ascending numbers, or of a kind that holds any value."""
        if self.values.dtype == np.int32 and (values[0] < _INT32.min or values[-1] >= _INT32.max):
            self.values = self.values.astype(np.int64)
        count = len(self.values)
        self.values.resize(count + len(values), refcheck=False)
        self.values[count:] = values


def _in_common(baseline: Columns, candidate: Columns) -> tuple[Columns, Columns, int]:
    """Return the packets of slots that both streams have, and how many have none on the other."""
    ours, theirs = baseline.slot, candidate.slot
    if np.array_equal(ours, theirs):
        return baseline, candidate, 0
    places = np.searchsorted(ours, theirs)
    places[places == len(ours)] = 0
    matching = np.flatnonzero(ours[places] == theirs) if len(ours) else np.empty(0, dtype=np.intp)
    unpaired = len(ours) + len(theirs) - 2 * len(matching)
    return baseline.where(places[matching]), candidate.where(matching), unpaired


def _interval_ns(columns: Columns) -> int:
    """Return the time from slot to slot: from the first to the last, or the median step where a clock was stepped."""
    slots, sent_at_ns = columns.slot, columns.sent_at_ns
    if len(slots) < 2:
        return _NS_PER_S
    median = float(np.median(np.diff(sent_at_ns) / np.diff(slots)))
    whole = float(sent_at_ns[-1] - sent_at_ns[0]) / float(slots[-1] - slots[0])
    return max(round(whole if abs(whole - median) < _STEPPED * median else median), 1)


def _either(baseline: Columns, candidate: Columns, outcome: Outcome) -> Mask:
    number = OUTCOMES.index(outcome)
    either: Mask = (baseline.outcome == number) | (candidate.outcome == number)
    return either


def _side(columns: Columns, chosen: Any) -> Side:
    rtt_ns = columns.rtt_ns[chosen].astype(np.float32)
    lost = ~columns.received[chosen]  # what was not sent or overlooked is no pair
    rtt_ns[lost | (columns.rtt_ns[chosen] == UNKNOWN)] = np.nan
    return Side(rtt_ns=rtt_ns, lost=lost)
