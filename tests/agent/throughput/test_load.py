"""Samples are told apart by the load under which they were sent; a leak needs more than chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.throughput.load import Load, Period, Probed, by_load, latency, leak, tag

S, MS = 1_000_000_000, 1_000_000
TEST = Period(path="vpn", load=Load.UP, start_ns=100 * S, end_ns=110 * S)


def probed(rtts_ms: Iterable[float | None], *, noisy: bool = False) -> list[Probed]:
    return [
        Probed(slot, slot * MS, None if rtt is None else round(rtt * MS), noisy) for slot, rtt in enumerate(rtts_ms)
    ]


def test_a_sample_belongs_to_the_load_while_it_was_steady() -> None:
    tags = {moment: tag("vpn", moment * S // 10, [TEST]) for moment in (999, 1000, 1009, 1010, 1097, 1098, 1109, 1111)}
    assert tags == {
        999: Load.IDLE,
        1000: None,
        1009: None,
        1010: Load.UP,
        1097: Load.UP,
        1098: None,
        1109: None,
        1111: Load.IDLE,
    }


def test_a_test_that_started_late_loads_for_sure_only_what_all_its_possible_times_share() -> None:
    late = replace(TEST, end_ns=113 * S, length_ns=10 * S)  # three seconds of it were something else
    assert late.loaded_ns == (104 * S, round(109.75 * S))
    tags = {moment: tag("vpn", moment * S, [late]) for moment in (99, 103, 104, 109, 110, 113, 115)}
    assert tags == {99: Load.IDLE, 103: None, 104: Load.UP, 109: Load.UP, 110: None, 113: None, 115: Load.IDLE}


def test_a_short_test_in_a_long_time_loads_nothing_for_sure() -> None:
    lost_in_it = replace(TEST, length_ns=4 * S)
    assert not any(tag("vpn", moment * S // 10, [lost_in_it]) for moment in range(1000, 1110))


def test_a_median_of_few_round_trips_tells_nothing() -> None:
    assert not latency(probed([1.0] * 4 + [None] * 90)).tells
    assert latency(probed([1.0] * 5)).tells


def test_another_path_is_idle_meanwhile() -> None:
    assert tag("expressroute", 105 * S, [TEST]) is Load.IDLE


def test_a_short_test_has_shorter_guards() -> None:
    assert Period(path="vpn", load=Load.UP, start_ns=0, end_ns=800 * MS).loaded_ns == (200 * MS, 700 * MS)


@given(st.lists(st.integers(90, 125).map(lambda at: Probed(at, at * S, 1)), max_size=50))
def test_each_sample_is_in_one_load_at_most(samples: list[Probed]) -> None:
    later = Period(path="vpn", load=Load.DOWN, start_ns=114 * S, end_ns=118 * S)
    sorted_out = by_load("vpn", samples, [TEST, later])
    assert sum(map(len, sorted_out.values())) <= len(samples)


def test_round_trips_per_minute_leave_out_the_slowest_twentieth() -> None:
    seen = latency(probed([10.0] * 95 + [5_000.0] * 5))
    assert seen.round_trips_per_minute == 6_000
    assert (seen.p50_ns, seen.p99_ns) == (10 * MS, 5_000 * MS)


def test_losses_are_no_round_trips() -> None:
    seen = latency(probed([1.0, None, 3.0, None]))
    assert (seen.sent, seen.lost, seen.loss_share, seen.mean_ns) == (4, 2, 0.5, 2 * MS)
    assert latency([]).loss_share is None


def test_a_path_that_stayed_as_it_was_felt_nothing() -> None:
    quiet = [5.0, 5.1, 5.2] * 20
    assert leak(probed(quiet), probed(quiet)).leaked is False


def test_a_path_whose_median_rose_above_what_it_ever_had_felt_the_load() -> None:
    found = leak(probed([5.0, 5.1, 5.2] * 20), probed([7.0, 9.0] * 20))
    assert found.leaked is True
    assert found.evidence.startswith("median 5.1 ms idle (p95 5.2), 7 ms meanwhile")


def test_a_rise_of_microseconds_is_this_hosts_own() -> None:
    assert leak(probed([0.05] * 40), probed([0.3] * 40)).leaked is False


def test_losses_alone_are_a_leak_too() -> None:
    assert leak(probed([5.0] * 40), probed([5.0] * 30 + [None] * 4)).leaked is True
    assert leak(probed([5.0] * 36 + [None] * 4), probed([5.0] * 36 + [None] * 4)).leaked is False


def test_too_few_samples_say_nothing() -> None:
    assert leak(probed([5.0] * 19), probed([50.0] * 40)).leaked is None


def test_samples_that_this_host_disturbed_say_nothing() -> None:
    assert leak(probed([5.0] * 40), probed([50.0] * 40, noisy=True)).leaked is None
