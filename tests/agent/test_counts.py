"""What is counted of a stream, before Prometheus sees it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.counts import Histogram

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
