"""Differences within pairs: two packets of the same slot, one on each path, share whatever disturbed both. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.statistics import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFigures:
    """Candidate minus baseline over pairs of which both packets were answered, ns; negative is a faster candidate.

    ``faster_share`` is the share of pairs whose candidate packet was the faster one, ties counting half: the estimate
    of P(candidate < baseline).
    """

    pairs: int
    difference_p10_ns: int
    difference_p50_ns: int
    difference_p90_ns: int
    faster_share: float


def pair_figures(baseline: Mapping[int, int], candidate: Mapping[int, int]) -> PairFigures | None:
    """Compare round-trip times by slot (slot to ns); ``None`` where no slot has both."""
    differences = sorted(candidate[slot] - baseline[slot] for slot in baseline.keys() & candidate.keys())
    if not differences:
        return None
    faster = sum(difference < 0 for difference in differences) + sum(difference == 0 for difference in differences) / 2
    return PairFigures(
        pairs=len(differences),
        difference_p10_ns=percentile(differences, 0.10),
        difference_p50_ns=percentile(differences, 0.50),
        difference_p90_ns=percentile(differences, 0.90),
        faster_share=faster / len(differences),
    )
