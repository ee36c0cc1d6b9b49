"""Outages and bursts, worked out by hand."""

from __future__ import annotations

from agent.compare.outages import Outages, burst_lengths, outages
from agent.compare.pairs import pair
from tests.agent.compare.streams import MIDNIGHT_NS, S, stream


def of(rtts_ms: list[float | None], **given: object) -> Outages:
    path = stream(rtts_ms, **given)  # type: ignore[arg-type]  # what the tests below give
    pairs = pair(path, path)
    return outages(pairs, pairs.baseline)


def test_ten_bad_seconds_are_an_outage_and_nine_are_none() -> None:
    good: list[float | None] = [1.0]
    for bad, count in ((9, 0), (10, 1)):
        found = of(good * 20 + [None] * bad + good * 20, interval_ms=1000)
        assert len(found.length_s) == count
    assert found.begin_ns.tolist() == [MIDNIGHT_NS + 20 * S]
    assert found.length_s.tolist() == [10]
    assert found.unavailable.nonzero()[0].tolist() == list(range(20, 30))


def test_an_outage_ends_with_the_first_of_ten_good_seconds() -> None:
    flapping: list[float | None] = [1.0] * 20 + [None] * 12 + [1.0] * 9 + [None] + [1.0] * 30
    assert of(flapping, interval_ms=1000).length_s.tolist() == [22]


def test_a_second_is_bad_with_more_than_half_of_its_packets_unanswered() -> None:
    half: list[float | None] = [1.0] * 100 + [1.0, None] * 100 + [1.0] * 100
    assert len(of(half).length_s) == 0
    most: list[float | None] = [1.0] * 100 + [1.0, None, None, None, None] * 40 + [1.0] * 100
    assert of(most).length_s.tolist() == [20]


def test_time_without_packets_is_neither_and_ends_an_outage() -> None:
    slots = [*range(15), *range(100, 140)]
    found = of([None] * 15 + [1.0] * 40, slots=slots, interval_ms=1000)
    assert found.length_s.tolist() == [15]
    assert (
        of([None] * 5 + [None] * 5 + [1.0] * 40, slots=[*range(5), *range(50, 95)], interval_ms=1000).length_s.size == 0
    )


def test_an_outage_may_begin_or_last_beyond_the_run() -> None:
    assert of([None] * 30 + [1.0] * 30, interval_ms=1000).length_s.tolist() == [30]
    assert of([1.0] * 30 + [None] * 30, interval_ms=1000).length_s.tolist() == [30]
    assert of([None] * 30, interval_ms=1000).length_s.tolist() == [30]


def test_of_packets_further_apart_than_a_second_each_is_an_interval() -> None:
    found = of([1.0] * 20 + [None] * 10 + [1.0] * 20, interval_ms=5000)
    assert found.length_s.tolist() == [50]


def test_bursts_are_losses_in_a_row() -> None:
    path = stream([None, 1, None, None, 1, 1, None, None, None])
    assert burst_lengths(pair(path, path).baseline).tolist() == [1, 2, 3]
    whole = stream([1, 1])
    assert burst_lengths(pair(whole, whole).baseline).tolist() == []
