"""What is counted of a stream, before Prometheus sees it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.counts import LATENESS_BOUNDS_NS, RTT_BOUNDS_NS, VARIATION_BOUNDS_NS, Histogram

MS = 1_000_000
BOUNDS_NS = (10, 20, 50)


@given(st.lists(st.integers(0, 100)))
def test_a_value_counts_in_every_bucket_whose_bound_it_does_not_exceed(values: list[int]) -> None:
    histogram = Histogram(BOUNDS_NS)
    for value in values:
        histogram.observe(value)
    expected = [sum(value <= bound for value in values) for bound in BOUNDS_NS]
    assert histogram.cumulative() == [*expected, len(values)]
    assert histogram.sum_ns == sum(values)


def test_a_value_on_a_bound_is_within_it() -> None:
    histogram = Histogram(BOUNDS_NS)
    histogram.observe(20)
    assert histogram.cumulative() == [0, 1, 1, 1]


def test_the_bounds_ascend_and_are_fine_where_wide_area_networks_are() -> None:
    for bounds_ns in (RTT_BOUNDS_NS, VARIATION_BOUNDS_NS, LATENESS_BOUNDS_NS):
        assert list(bounds_ns) == sorted(set(bounds_ns))
    steps = [high / low for low, high in pairwise(RTT_BOUNDS_NS) if MS <= low < 100 * MS]
    assert max(steps) <= 1.15
