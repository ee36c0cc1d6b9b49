"""Pairs of the same slot, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.compare.differences import PairFigures, pair_figures

by_slot = st.dictionaries(st.integers(0, 30), st.integers(0, 10**9))


def test_only_slots_answered_on_both_paths_are_pairs() -> None:
    assert pair_figures({0: 10, 1: 20, 2: 30}, {1: 15, 2: 31, 9: 1}) == PairFigures(
        pairs=2, difference_p10_ns=-5, difference_p50_ns=-5, difference_p90_ns=1, faster_share=0.5
    )


def test_pairs_of_a_stalled_host_are_left_out_and_counted() -> None:
    figures = pair_figures({0: 10, 1: 90, 2: 30, 3: 1}, {0: 15, 1: 5, 2: 31}, noisy={1, 3})
    assert figures is not None
    assert (figures.pairs, figures.excluded, figures.faster_share) == (2, 1, 0.0)


def test_a_host_that_was_always_stalled_compares_nothing() -> None:
    assert pair_figures({0: 10}, {0: 15}, noisy={0}) is None


def test_a_tie_counts_half() -> None:
    figures = pair_figures({0: 10, 1: 10}, {0: 10, 1: 9})
    assert figures is not None
    assert figures.faster_share == pytest.approx(0.75)


def test_without_a_common_slot_there_is_nothing_to_compare() -> None:
    assert pair_figures({0: 1}, {1: 1}) is None


@given(by_slot, by_slot)
def test_exchanging_the_paths_exchanges_who_is_faster(first: dict[int, int], second: dict[int, int]) -> None:
    there, back = pair_figures(first, second), pair_figures(second, first)
    if there is None or back is None:
        assert there is back
    else:
        assert there.faster_share == pytest.approx(1 - back.faster_share)
