"""Figures against values worked out by hand, and against their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.statistics import Rfc3550Jitter, delay_figures, ipdv, pdv, percentile

MS = 1_000_000
HOUR_NS = 3_600_000 * MS

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
    jitter.add(1000, 1000)
    assert jitter.value_ns is None
    jitter.add(1160, 1160)
    assert jitter.value_ns == pytest.approx(10)
    jitter.add(1160, 1160)
    assert jitter.value_ns == pytest.approx(10 - 10 / 16)


def test_a_constant_clock_offset_does_not_change_jitter() -> None:
    plain, offset = Rfc3550Jitter(), Rfc3550Jitter()
    for transit_ns in (5, 9, 4, 30, 8):
        plain.add(transit_ns, 2 * transit_ns)
        offset.add(transit_ns - HOUR_NS, 2 * transit_ns)
    assert plain.value_ns == offset.value_ns


def test_a_clock_step_costs_jitter_one_sample() -> None:
    transits_ns = [5 * MS, 9 * MS, 4 * MS, 30 * MS, 8 * MS, 10 * MS]
    for step_ns in (HOUR_NS, -HOUR_NS, 400 * MS):
        plain, stepped = Rfc3550Jitter(), Rfc3550Jitter()
        for number, transit_ns in enumerate(transits_ns):
            stepped.add(transit_ns + (step_ns if number >= 4 else 0), 2 * transit_ns)
            if number != 4:
                plain.add(transit_ns, 2 * transit_ns)
        assert stepped.value_ns is not None
        assert plain.value_ns is not None
        assert abs(stepped.value_ns - plain.value_ns) < 2 * MS


def test_a_spike_of_the_network_is_jitter() -> None:
    jitter = Rfc3550Jitter()
    for transit_ns in (5 * MS, 900 * MS, 5 * MS):
        jitter.add(transit_ns, transit_ns + 5 * MS)
    assert jitter.value_ns == pytest.approx(895 * MS / 16 * (15 / 16) + 895 * MS / 16)


def test_ipdv_forms_no_pair_with_a_lost_packet() -> None:
    assert ipdv([10, 15, None, 9, 4]) == [5, -5]


def test_pdv_is_the_excess_over_the_least() -> None:
    assert pdv([12, 10, 17]) == [2, 0, 7]
    assert pdv([]) == []
