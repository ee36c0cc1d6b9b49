from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.bound import intervals, least_error_ns, most_within
from benchmarks.peers.tool import Histogram

INFINITE = float("inf")


def test_values_lie_between_the_bounds_of_their_buckets() -> None:
    histogram = Histogram(upper_ns=(10, 20, INFINITE), counts=(1, 0, 2), sum_ns=0)
    assert intervals(histogram) == [(0, 10), (20, INFINITE), (20, INFINITE)]


def test_a_histogram_that_fits_the_truth_bounds_nothing() -> None:
    assert least_error_ns([(0, 10_000), (0, 10_000)], [5_000, 6_000], 2) == 0


def test_a_bias_larger_than_a_bucket_is_found() -> None:
    values = [(80_000.0, 90_000.0)] * 10
    assert least_error_ns(values, [10_000] * 10, 10) == 69_900


def test_half_of_the_packets_may_be_better_than_all() -> None:
    values = [(0.0, 10_000.0), (100_000.0, 110_000.0)]
    assert least_error_ns(values, [5_000, 5_000], 1) == 0
    assert least_error_ns(values, [5_000, 5_000], 2) == 94_900


def test_a_value_beyond_the_last_bound_may_be_anything_above() -> None:
    assert least_error_ns([(1_000.0, INFINITE)], [50_000], 1) == 0


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-5_000, 10**6)), min_size=1, max_size=40), st.randoms())
def test_no_tool_has_smaller_errors_than_its_bound(packets: list[tuple[int, int]], shuffling: random.Random) -> None:
    truths = [truth for truth, _ in packets]
    reported = [max(truth + error, 0) for truth, error in packets]
    values = sorted((value // 1000 * 1000.0, value // 1000 * 1000 + 1000.0) for value in reported)
    errors = sorted(abs(value - truth) for truth, value in zip(truths, reported, strict=True))
    shuffling.shuffle(truths)
    for wanted in (1, (len(packets) + 1) // 2, len(packets)):
        assert least_error_ns(values, sorted(truths), wanted) <= errors[wanted - 1]


def test_a_truth_is_paired_with_one_value_only() -> None:
    assert most_within([(0, 1), (0, 1), (0, 1)], [0, 500], 10) == 1
