"""Differences within pairs: two packets of the same slot, one on each path, share whatever disturbed both. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from collectors.statistics import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFigures:
    """Candidate minus baseline over pairs of which both packets were answered, ns; negative is a faster candidate.

    ``faster_share`` is the share of pairs whose candidate packet was the faster one, ties counting half: the estimate
    of P(candidate < baseline). ``excluded`` counts the pairs that were left out.
    """

    pairs: int
    excluded: int = 0
    difference_p10_ns: int
    difference_p50_ns: int
    difference_p90_ns: int
    faster_share: float


def pair_figures(
    baseline: Mapping[int, int], candidate: Mapping[int, int], *, noisy: Set[int] = frozenset()
) -> PairFigures | None:
    """Compare round-trip times by slot (slot to ns), without the slots that are ``noisy``; ``None`` where none is left.

    While a host is stalled, what it does to one packet of a pair it need not do to the other.
    """
    both = baseline.keys() & candidate.keys()
    differences = sorted(candidate[slot] - baseline[slot] for slot in both - noisy)
    if not differences:
        return None
    faster = sum(difference < 0 for difference in differences) + sum(difference == 0 for difference in differences) / 2
    return PairFigures(
        pairs=len(differences),
        excluded=len(both & noisy),
        difference_p10_ns=percentile(differences, 0.10),
        difference_p50_ns=percentile(differences, 0.50),
        difference_p90_ns=percentile(differences, 0.90),
        faster_share=faster / len(differences),
    )
