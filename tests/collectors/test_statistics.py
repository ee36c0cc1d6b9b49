"""Figures against values worked out by hand, and against their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.statistics import Rfc3550Jitter, delay_figures, ipdv, pdv, percentile

delays = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


@given(delays, st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(values: list[int], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    at_or_below = sum(value <= found for value in ordered)
    below = sum(value < found for value in ordered)
    assert at_or_below >= share * len(ordered) - 1e-9
    assert below < share * len(ordered) + 1e-9


def test_delay_figures_of_ten_known_delays() -> None:
    figures = delay_figures([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    assert figures is not None
    assert (figures.min, figures.p50, figures.p90, figures.p99, figures.max) == (10, 50, 90, 100, 100)
    assert (figures.mean, figures.stddev) == (55, 29)


def test_no_delays_have_no_figures() -> None:
    assert delay_figures([]) is None


@given(delays)
def test_figures_ascend(values: list[int]) -> None:
    figures = delay_figures(values)
    assert figures is not None
    ascending = [
        *(figures.min, figures.p50, figures.p90, figures.p95, figures.p99, figures.p999, figures.max),
    ]
    assert ascending == sorted(ascending)
    assert figures.min <= figures.mean <= figures.max


def test_jitter_of_rfc_3550_moves_a_sixteenth_of_the_way() -> None:
    jitter = Rfc3550Jitter()
    jitter.add(1000)
    assert jitter.value_ns is None
    jitter.add(1160)
    assert jitter.value_ns == pytest.approx(10)
    jitter.add(1160)
    assert jitter.value_ns == pytest.approx(10 - 10 / 16)


def test_a_constant_clock_offset_does_not_change_jitter() -> None:
    plain, offset = Rfc3550Jitter(), Rfc3550Jitter()
    for transit_ns in (5, 9, 4, 30, 8):
        plain.add(transit_ns)
        offset.add(transit_ns - 3_600_000_000_000)
    assert plain.value_ns == offset.value_ns


def test_ipdv_forms_no_pair_with_a_lost_packet() -> None:
    assert ipdv([10, 15, None, 9, 4]) == [5, -5]


def test_pdv_is_the_excess_over_the_least() -> None:
    assert pdv([12, 10, 17]) == [2, 0, 7]
    assert pdv([]) == []
