"""Intervals of shares beside published values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.compare.intervals import difference_interval, share_interval, t_of, z_of

shares = st.floats(0, 1)


def test_wilson_as_newcombe_1998_has_it() -> None:
    assert share_interval(81 / 263, 263, z_of(0.95)) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert share_interval(0, 20, z_of(0.95)) == pytest.approx((0, 0.1611), abs=5e-5)
    assert share_interval(1, 29, z_of(0.95)) == pytest.approx((0.8830, 1), abs=5e-5)


def test_the_difference_of_independent_shares_as_newcombe_1998_has_it() -> None:
    z = z_of(0.95)
    ours, theirs = share_interval(48 / 80, 80, z), share_interval(56 / 70, 70, z)
    low, high = difference_interval(48 / 80, ours, 56 / 70, theirs, 0)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_what_is_the_same_in_every_respect_has_no_interval() -> None:
    same = share_interval(0.3, 100, 1.96)
    low, high = difference_interval(0.3, same, 0.3, same, 1)
    assert abs(high + low) < 1e-12
    assert high < same[1] - same[0]


def test_students_t_as_tables_have_it() -> None:
    assert t_of(0.95, 10) == pytest.approx(2.228, abs=0.01)
    assert t_of(0.99, 30) == pytest.approx(2.750, abs=0.01)


@given(shares, shares, st.floats(1, 1e7), st.floats(-1, 1))
def test_every_interval_holds_what_was_seen_and_nothing_impossible(
    baseline: float, candidate: float, effective: float, correlation: float
) -> None:
    ours, theirs = (share_interval(share, effective, 1.96) for share in (baseline, candidate))
    low, high = difference_interval(baseline, ours, candidate, theirs, correlation)
    assert -1 <= low <= candidate - baseline <= high <= 1
