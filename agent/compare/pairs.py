"""Two streams as pairs of packets that were sent in the same slot, and what of them is left out, and why. No I/O.

Only the commands that compare whole runs import this, and numpy with it; the service uses
:mod:`agent.compare.differences`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.columns import OUTCOMES, UNKNOWN, Columns
from collectors.sample import Outcome

Mask = NDArray[np.bool_]
Slots = NDArray[np.int64] | NDArray[np.int32]

_NS_PER_S = 1_000_000_000
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

    def counted_in(self, unit_ns: int, *, since_ns: int = 0) -> NDArray[np.int64]:
        """Return in which unit of time, counted from ``since_ns`` (wall time) on, each pair was due."""
        number = self.slot.astype(np.int64)  # a copy that is worked on in place: a week of them has 48 MiB
        number -= number[:1].copy()  # slots count from anywhere: times them, only those of the run fit into 64 bits
        number *= self.interval_ns
        number += self.begins_ns - since_ns
        number //= unit_ns
        return number

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


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Put pairs of consecutive stretches of the same two streams together; there is at least one.

    A stretch of one packet knows no interval: that of the longest is everybody's.
    """
    longest = max(parts, key=len)
    filled = [part for part in parts if len(part)] or [longest]
    first = int(filled[0].slot[0]) if len(longest) else 0
    fits = all(int(part.slot[-1]) - first <= np.iinfo(np.int32).max for part in filled if len(part))
    kind = np.int32 if fits else np.int64
    return Pairs(
        slot=np.concatenate([(part.slot - first).astype(kind) for part in filled]),
        baseline=_joined_side([part.baseline for part in filled]),
        candidate=_joined_side([part.candidate for part in filled]),
        interval_ns=longest.interval_ns,
        start_ns=filled[0].begins_ns,
        excluded=sum((part.excluded for part in parts), Excluded()),
    )


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


def _joined_side(sides: Sequence[Side]) -> Side:
    return Side(
        rtt_ns=np.concatenate([side.rtt_ns for side in sides]), lost=np.concatenate([side.lost for side in sides])
    )
