"""Is the candidate the more predictable path? All figures together, in one verdict and one sentence. No I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.compare.figures import DECIDING, Figure, figures
from agent.compare.margins import Margins, Verdict
from agent.compare.minutes import Change, Minutes, changes_of, minutes_of, with_common_causes
from agent.compare.outages import outages
from agent.compare.pairs import Excluded, Pairs, Side
from agent.compare.predictability import Predictability, predictability
from agent.compare.words import sentence_of

_NEEDED_FOR_SAME = ("rtt_p99", "rtt_p99_p50", "loss")
"""That two paths are equally available takes a day without an outage to show; the verdict does not wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is compared: names of the paths, and of the probe and target that they have in common."""

    baseline: str
    candidate: str
    probe: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The answer. ``more_s``: how much longer to measure for a verdict; ``None`` where none is needed or foreseen.

    ``predictability`` is the baseline's and the candidate's; nothing where there are no pairs. ``notes``: what else
    whoever reads the answer has to know.
    """

    names: Names
    verdict: Verdict
    sentence: str
    figures: tuple[Figure, ...]
    pairs: int
    excluded: Excluded
    begins_ns: int
    duration_s: float
    more_s: float | None
    margins: Margins
    limit_ns: float
    predictability: tuple[Predictability, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()


def compare(
    pairs: Pairs,
    names: Names,
    *,
    margins: Margins,
    limit_ns: float,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compare two paths; ``limit_ns`` is what p99 - p50 of a minute was agreed to stay within."""
    found = figures(pairs, margins, progress=progress)
    silent = _silent(pairs, names)
    verdict = Verdict.INSUFFICIENT if silent else verdict_of_all(found)
    more_s = None if verdict is not Verdict.INSUFFICIENT or silent else more_s_of(found, pairs.duration_s)
    progress("describing each path")
    minutes = [minutes_of(pairs, side) for side in (pairs.baseline, pairs.candidate)] if len(pairs) else []
    return Comparison(
        names=names,
        verdict=verdict,
        sentence=silent or sentence_of(verdict, found, names.baseline, names.candidate, pairs.duration_s, more_s),
        figures=found,
        pairs=len(pairs),
        excluded=pairs.excluded,
        begins_ns=pairs.begins_ns,
        duration_s=pairs.duration_s,
        more_s=more_s,
        margins=margins,
        limit_ns=limit_ns,
        predictability=tuple(_described(pairs, minutes, limit_ns)),
        changes=tuple(_changes(minutes, names, margins)),
    )


def verdict_of_all(found: Sequence[Figure]) -> Verdict:
    """Decide by :data:`DECIDING`: a candidate that is worse in any is not better, whatever the others say."""
    verdicts = {figure.name: figure.verdict for figure in found if figure.name in DECIDING}
    if Verdict.WORSE in verdicts.values():
        return Verdict.WORSE
    if Verdict.BETTER in verdicts.values():
        return Verdict.BETTER
    if all(verdicts.get(name) is Verdict.SAME for name in _NEEDED_FOR_SAME):
        return Verdict.SAME
    return Verdict.INSUFFICIENT


def _silent(pairs: Pairs, names: Names) -> str | None:
    """Say why there is nothing to compare, where that is so."""
    if not len(pairs):
        return _no_pairs(pairs.excluded, names)
    sides = ((names.baseline, pairs.baseline), (names.candidate, pairs.candidate))
    mute = [name for name, side in sides if not np.any(side.received)]
    if not mute:
        return None
    count = len(pairs)
    if len(mute) == 2:
        return f"Neither {mute[0]} nor {mute[1]} answered any of {count:,} pairs: there is nothing to compare."
    return f"{mute[0]} answered none of {count:,} packets: without its delays there is nothing to compare."


def _no_pairs(excluded: Excluded, names: Names) -> str:
    paths = f"{names.baseline} and {names.candidate}"
    if not excluded.total:
        return f"There are no samples of {paths} in this window."
    if excluded.unpaired == excluded.total:
        return (
            f"{paths} were never measured in the same slot ({excluded.total:,} samples): there is nothing to compare."
        )
    return f"All {excluded.total:,} slots of {paths} had to be left out: there is nothing to compare."


def more_s_of(found: Sequence[Figure], duration_s: float) -> float | None:
    """Return the time after which the first decision is to be expected: a difference in one, or sameness in all."""
    open_figures = {f.name: f.longer for f in found if f.name in DECIDING and f.verdict is Verdict.INSUFFICIENT}
    by_name = {figure.name: figure for figure in found}
    differing = [
        longer
        for name, longer in open_figures.items()
        if longer is not None and abs(by_name[name].difference) > by_name[name].margin
    ]
    waited = [open_figures[name] for name in _NEEDED_FOR_SAME if name in open_figures]
    alike = max((longer for longer in waited if longer is not None), default=math.inf)
    times = min([*differing, math.inf if None in waited else alike])
    return duration_s * max(times - 1, 0.1) if math.isfinite(times) else None


def _described(pairs: Pairs, minutes: Sequence[Minutes], limit_ns: float) -> list[Predictability]:
    sides: tuple[Side, ...] = (pairs.baseline, pairs.candidate)
    return [
        predictability(pairs, side, of_side, outages(pairs, side), limit_ns=limit_ns)
        for side, of_side in zip(sides, minutes, strict=bool(minutes))
    ]


def _changes(minutes: Sequence[Minutes], names: Names, margins: Margins) -> list[Change]:
    if not minutes:
        return []
    ours, theirs = (
        changes_of(of_side, name, least_ns=margins.delay_ns)
        for of_side, name in zip(minutes, (names.baseline, names.candidate), strict=True)
    )
    return with_common_causes(ours, theirs)
