from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.replay import WINDOW, ReplayWindow

SECOND = 1 << 32  # of an NTP timestamp


def accepted(packets: list[tuple[int, int]]) -> list[bool]:
    window = ReplayWindow()
    return [window.accepts(sequence & 0xFFFFFFFF, departed) for sequence, departed in packets]


@given(st.integers(0, 0xFFFFFFFF), st.lists(st.integers(0, 200), min_size=1, max_size=200))
def test_packets_that_overtake_each_other_are_each_accepted_once(first: int, order: list[int]) -> None:
    seen: set[int] = set()
    expected = [number not in seen and not seen.add(number) for number in order]  # type: ignore[func-returns-value]  # add
    assert accepted([(first + number, SECOND * (100 + number)) for number in order]) == expected


def test_packets_older_than_the_window_are_replays() -> None:
    packets = [(WINDOW + 5, 10 * SECOND), (6, 9 * SECOND), (5, 9 * SECOND)]
    assert accepted(packets) == [True, True, False]


def test_a_sender_that_begins_anew_is_followed() -> None:
    packets = [(5000, 10 * SECOND), (0, 11 * SECOND), (1, 12 * SECOND), (5000, 10 * SECOND), (0, 11 * SECOND)]
    assert accepted(packets) == [True, True, True, False, False]


def test_a_sender_whose_clock_is_set_back_is_followed() -> None:
    packets = [(5, 4000 * SECOND), (6, 400 * SECOND), (7, 401 * SECOND), (5, 4000 * SECOND + 1)]
    assert accepted(packets)[:3] == [True, True, True]


def test_packets_of_an_earlier_run_far_ahead_are_replays() -> None:
    packets = [(0, 100 * SECOND), (1, 101 * SECOND), (5000, 50 * SECOND)]
    assert accepted(packets) == [True, True, False]


def test_numbers_and_times_go_on_where_their_formats_wrap_around() -> None:
    packets = [(0xFFFFFFFF, (1 << 64) - 1), (0, 5), (1, 6), (0xFFFFFFFF, (1 << 64) - 1)]
    assert accepted(packets) == [True, True, True, False]


def test_packets_of_two_earlier_runs_do_not_make_each_other_new_again() -> None:
    first = [(number, (100 + number) * SECOND) for number in range(20)]
    second = [(number, (2_000 + number) * SECOND) for number in range(10)]
    window = ReplayWindow()
    assert all(window.accepts(*packet) for packet in first + second)
    replayed = [packet for _ in range(3) for packet in first + second if window.accepts(*packet)]
    assert replayed == first[10:]  # as of a clock that is set back; once
