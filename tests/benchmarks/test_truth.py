from __future__ import annotations

from benchmarks.capture import Passage, Way
from benchmarks.truth import RoundTrip, deviation, elapsed_ns, round_trips


def exchange(sequence: int, at_ns: int, took_ns: int) -> list[Passage]:
    return [Passage(at_ns, Way.REQUEST, sequence), Passage(at_ns + took_ns, Way.REPLY, sequence)]


def test_the_dwell_at_the_reflector_is_no_part_of_what_the_network_took() -> None:
    truths = round_trips(exchange(5, 1000, 90), exchange(5, 1020, 50))
    assert truths == {5: RoundTrip(wire_ns=90, dwell_ns=50)}
    assert truths[5].network_ns == 40


def test_captures_are_matched_by_number_whatever_their_order() -> None:
    at_sender = [*exchange(1, 0, 10), *exchange(2, 100, 20)]
    assert elapsed_ns(reversed(at_sender)) == {1: 10, 2: 20}


def test_a_packet_that_one_capture_lacks_has_no_truth() -> None:
    lost_on_the_way_there = [Passage(0, Way.REQUEST, 1)]
    assert round_trips([*lost_on_the_way_there, *exchange(2, 100, 20)], exchange(2, 105, 10)).keys() == {2}
    assert round_trips(exchange(1, 0, 10), []) == {}


def test_of_several_copies_the_first_counts() -> None:
    assert elapsed_ns([*exchange(1, 0, 10), Passage(500, Way.REPLY, 1)]) == {1: 10}


def test_errors_count_by_their_magnitude_and_the_bias_keeps_the_sign() -> None:
    truths = dict.fromkeys(range(100), 1000)
    rtts = dict.fromkeys(range(98), 1000 - 5) | {98: 1000 - 40, 99: 1000 + 70}
    found = deviation(rtts, truths)
    assert found is not None
    assert (found.packets, found.median, found.p99, found.max, found.bias) == (100, 5, 40, 70, -5)


def test_the_spread_is_what_is_left_about_the_bias() -> None:
    truths = dict.fromkeys(range(100), 1000)
    found = deviation(dict.fromkeys(range(97), 1000 - 9) | dict.fromkeys((97, 98), 1000 - 12) | {99: 1000 + 70}, truths)
    assert found is not None
    assert (found.bias, found.spread) == (-9, 3)


def test_packets_without_a_truth_are_not_judged() -> None:
    found = deviation({1: 10, 2: 10_000}, {1: 9})
    assert found is not None
    assert (found.packets, found.max) == (1, 1)
    assert deviation({1: 10}, {}) is None
