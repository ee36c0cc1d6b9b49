"""What difference does not matter to the operator, and what an interval says beside it. No I/O, no numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from agent.compare.intervals import Interval

_FORESEEN = 1000
_CORRECTED = 1.5  # how much wider the corrected interval is, or more, where only the other one is bounded


class Verdict(StrEnum):
    """What the evidence says of the candidate, beside the baseline."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Differences up to these do not matter; the configuration's default of delays is this one too.

    ``loss`` and ``availability`` are shares; that of availability is the difference of 99.90 and 99.95 %, as service
    levels are promised. ``faster`` is on the scale of Cliff's delta, whose effects below 0.147 are called negligible
    (Romano et al. 2006).
    """

    delay_ns: float = 500_000
    loss: float = 0.001
    availability: float = 0.0005
    faster: float = 0.147


def verdict_of(alone: Interval, corrected: Interval, margin: float, *, less_is_better: bool) -> Verdict:
    """Judge candidate - baseline: a difference needs the corrected interval beyond the margin, sameness all within.

    Only differences need the correction for having looked at several figures: that all figures are the same is claimed
    where each is, and so no more often wrongly than one is (Berger 1982).
    """
    if -margin <= alone[0] and alone[1] <= margin:
        return Verdict.SAME
    if corrected[1] < -margin:
        return Verdict.BETTER if less_is_better else Verdict.WORSE
    if corrected[0] > margin:
        return Verdict.WORSE if less_is_better else Verdict.BETTER
    return Verdict.INSUFFICIENT


def times_longer(difference: float, alone: Interval, corrected: Interval, margin: float) -> float | None:
    """Estimate how many times as long a run would decide, if its difference stays what it is; ``None``: unknown.

    Intervals shrink with the square root of the time. A difference next to its margin is never decided, and one that
    would take :data:`_FORESEEN` times as long is not foreseen.
    """
    within = margin - abs(difference)
    if within > 0:
        reach, most = max(alone[1] - difference, difference - alone[0]), within
    else:
        side = 0 if difference > 0 else 1  # the end towards the margin
        reach, most = abs(corrected[side] - difference), -within
        if math.isinf(reach):
            reach = _CORRECTED * abs(alone[side] - difference)
    if most <= 0 or math.isinf(reach):
        return None
    times = (reach / most) ** 2
    return times if times <= _FORESEEN else None
