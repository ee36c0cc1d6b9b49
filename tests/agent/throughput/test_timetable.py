"""When tests are due: a pure function of time, windows, time zone and seed, across changes of the clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.throughput.timetable import Timetable, Window, local_day, parse_zone

PARIS = ZoneInfo("Europe/Paris")
NIGHT = Window.parse("01:00-05:00")
HOUR = timedelta(hours=1)
SUMMER_BEGINS, SUMMER_ENDS = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)


def dues(table: Timetable, after: datetime, count: int) -> list[str]:
    found = []
    for _ in range(count):
        after = table.next_due(after, "seed")
        found.append(f"{after.astimezone(table.zone):%d %H:%M}")
    return found


def test_without_windows_tests_are_due_at_whole_multiples_of_the_interval() -> None:
    table = Timetable(every=HOUR)
    assert dues(table, datetime(2026, 5, 4, 10, 30, tzinfo=UTC), 2) == ["04 11:00", "04 12:00"]


def test_within_windows_the_grid_goes_on() -> None:
    table = Timetable(every=2 * HOUR, windows=(NIGHT,), zone=PARIS)
    after = datetime(2026, 5, 4, 20, 30, tzinfo=UTC)  # 22:30 in Paris; the grid has 02:00 and 04:00 there
    assert dues(table, after, 4) == ["05 02:00", "05 04:00", "06 02:00", "06 04:00"]


def test_one_test_a_day_moves_into_the_window_and_stays_one() -> None:
    table = Timetable(every=24 * HOUR, windows=(NIGHT,), zone=ZoneInfo("America/New_York"))
    after = datetime(2026, 5, 4, 20, 30, tzinfo=UTC)  # the grid has midnight UTC, 20:00 there
    assert dues(table, after, 3) == ["05 01:00", "06 01:00", "07 01:00"]


def test_a_window_over_midnight_ends_the_next_day() -> None:
    table = Timetable(every=3 * HOUR, windows=(Window.parse("23:00-02:00"),))
    assert dues(table, datetime(2026, 5, 4, 12, tzinfo=UTC), 2) == ["05 00:00", "06 00:00"]
    seldom = replace(table, every=24 * HOUR, windows=(Window.parse("23:00-23:30"),))
    assert dues(seldom, datetime(2026, 5, 4, 12, tzinfo=UTC), 2) == ["04 23:00", "05 23:00"]


def test_nothing_begins_that_would_end_outside_of_the_window() -> None:
    table = Timetable(every=HOUR, windows=(NIGHT,), length=timedelta(minutes=30))
    assert dues(table, datetime(2026, 5, 4, 3, 30, tzinfo=UTC), 2) == ["04 04:00", "05 01:00"]
    longer = Timetable(every=HOUR, windows=(NIGHT,), length=timedelta(minutes=70))
    assert dues(longer, datetime(2026, 5, 4, 2, 30, tzinfo=UTC), 2) == ["04 03:00", "05 01:00"]


def test_a_window_that_the_clocks_leave_out_does_not_come_that_day() -> None:
    table = Timetable(every=24 * HOUR, windows=(Window.parse("02:00-03:00"),), zone=PARIS)
    assert dues(table, SUMMER_BEGINS - timedelta(hours=12), 1) == ["30 02:00"]


def test_a_window_that_begins_in_the_hour_left_out_begins_when_the_clocks_have_jumped() -> None:
    table = Timetable(every=24 * HOUR, windows=(Window.parse("02:30-05:00"),), zone=PARIS)
    assert dues(table, SUMMER_BEGINS - timedelta(hours=12), 2) == ["29 03:00", "30 02:30"]


def test_in_the_night_in_which_an_hour_comes_twice_a_window_is_an_hour_longer() -> None:
    table = Timetable(every=HOUR, windows=(NIGHT,), zone=PARIS)
    before = SUMMER_ENDS - timedelta(hours=2)
    assert dues(table, before, 6) == ["25 01:00", "25 02:00", "25 02:00", "25 03:00", "25 04:00", "25 05:00"]


WEEKEND = Window.parse("Sat,Sun 01:00-05:00")


def test_windows_of_some_days_come_on_these_alone() -> None:
    table = Timetable(every=24 * HOUR, windows=(WEEKEND,), zone=PARIS)
    after = datetime(2026, 5, 4, 20, 30, tzinfo=UTC)  # a Monday
    assert dues(table, after, 4) == ["09 02:00", "10 02:00", "16 02:00", "17 02:00"]  # midnight UTC, as every day


def test_a_window_over_midnight_is_of_the_day_on_which_it_begins() -> None:
    table = Timetable(every=3 * HOUR, windows=(Window.parse("Sun 22:00-04:00"),))
    assert dues(table, datetime(2026, 5, 4, 12, tzinfo=UTC), 4) == ["11 00:00", "11 03:00", "18 00:00", "18 03:00"]


def test_windows_of_some_days_stand_beside_those_of_every_day() -> None:
    table = Timetable(every=24 * HOUR, windows=(Window.parse("12:00-13:00"), Window.parse("Wed 06:00-07:00")))
    after = datetime(2026, 5, 4, 20, tzinfo=UTC)
    assert dues(table, after, 3) == ["05 12:00", "06 06:00", "07 12:00"]


def test_the_day_of_a_window_is_a_local_one() -> None:
    table = Timetable(every=24 * HOUR, windows=(Window.parse("Mon 08:00-09:00"),), zone=ZoneInfo("Pacific/Auckland"))
    due = table.next_due(datetime(2026, 5, 6, tzinfo=UTC), "seed")
    assert due == datetime(2026, 5, 10, 20, tzinfo=UTC)  # a Sunday still in UTC


def test_a_sunday_s_window_that_the_clocks_leave_out_comes_a_week_later() -> None:
    table = Timetable(every=24 * HOUR, windows=(Window.parse("Sun 02:00-03:00"),), zone=PARIS)
    assert SUMMER_BEGINS.weekday() == 6
    assert dues(table, SUMMER_BEGINS - timedelta(days=5), 1) == ["05 02:00"]


def test_a_sunday_s_window_is_an_hour_longer_when_an_hour_comes_twice() -> None:
    table = Timetable(every=HOUR, windows=(WEEKEND,), zone=PARIS)
    saturday = SUMMER_ENDS - timedelta(days=1, hours=3)
    found = dues(table, saturday, 11)
    assert found[:5] == ["24 01:00", "24 02:00", "24 03:00", "24 04:00", "24 05:00"]
    assert found[5:] == ["25 01:00", "25 02:00", "25 02:00", "25 03:00", "25 04:00", "25 05:00"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Sat,Sun 01:00-05:00", "Sat,Sun 01:00-05:00"),
        ("sun, sat 01:00-05:00", "Sat,Sun 01:00-05:00"),
        ("Mon-Wed 22:00-04:00", "Mon,Tue,Wed 22:00-04:00"),
        ("Fri-Mon 01:00-05:00", "Mon,Fri,Sat,Sun 01:00-05:00"),
        ("Mon-Sun 01:00-05:00", "01:00-05:00"),
    ],
)
def test_days_are_lists_and_ranges(text: str, said: str) -> None:
    assert str(Window.parse(text)) == said


@given(
    days=st.sets(st.integers(0, 6), min_size=1),
    minutes=st.integers(60, 1439),
    zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe"]).map(ZoneInfo),
    after=st.integers(0, 730).map(lambda day: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)),
)
def test_each_day_with_a_window_has_its_test_and_no_other_day(
    days: set[int], minutes: int, zone: ZoneInfo, after: datetime
) -> None:
    window = Window(3 * 60, (3 * 60 + minutes) % 1440, tuple(sorted(days)))
    table = Timetable(every=24 * HOUR, windows=(window,), zone=zone, length=timedelta(minutes=1))
    due = table.next_due(after, "seed")
    local = due.astimezone(zone)
    begun = local.date() - timedelta(days=local.hour * 60 + local.minute < window.begin)
    assert begun.weekday() in days
    assert due - after <= timedelta(days=9)


@given(
    after=st.integers(0, 730 * 1440).map(lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    every=st.integers(1, 3 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    begin=st.integers(0, 1439),
    minutes=st.integers(5, 1439),
    jitter=st.integers(0, 3600).map(lambda seconds: timedelta(seconds=seconds)),
    zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe"]).map(ZoneInfo),
    seed=st.text(max_size=3),
)
def test_what_is_due_is_later_within_a_window_and_the_same_for_the_same_seed(
    after: datetime, every: timedelta, begin: int, minutes: int, jitter: timedelta, zone: ZoneInfo, seed: str
) -> None:
    window = Window(begin, (begin + minutes) % 1440)
    table = Timetable(every=every, windows=(window,), zone=zone, jitter=jitter)
    due = table.next_due(after, seed)
    assert after < due <= after + every + timedelta(days=3)
    assert due == table.next_due(after, seed)
    assert due == table.next_due(due - timedelta(microseconds=1), seed)
    local = due.astimezone(zone)
    minute = local.hour * 60 + local.minute + local.second / 60
    assert (minute - window.begin) % 1440 <= window.minutes or local.fold != (due - jitter).astimezone(zone).fold


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01:00", "is no window"),
        ("1:00-2:00", "is no window"),
        ("25:00-26:00", "is no time of a day"),
        ("01:00-05:60", "is no time of a day"),
        ("01:00-01:00", "never comes"),
        ("Sat", r"is no window: write for example 01:00-05:00, with days in quotation marks: 'Sat,Sun 01:00-05:00'"),
        ("Sam 01:00-05:00", "'Sam' is no day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun, or Mon-Fri"),
        ("Sat,,Sun 01:00-05:00", "'' is no day"),
        ("Sat 05:00-05:00", "never comes"),
        ("Sat  25:00-26:00", "is no time of a day"),
    ],
)
def test_a_window_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Window.parse(text)


def test_a_window_shorter_than_a_round_of_tests_never_comes() -> None:
    with pytest.raises(ValueError, match=r"01:00-01:10 never comes: a round of tests takes 660 s"):
        Timetable(every=HOUR, windows=(Window.parse("01:00-01:10"),), length=timedelta(minutes=11))


@pytest.mark.parametrize("name", ["Europe/Pariss", "..", "", "/etc/passwd"])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        parse_zone(name)


def test_local_days_have_23_to_25_hours() -> None:
    lengths = []
    for noon in (SUMMER_BEGINS, datetime(2026, 6, 1, tzinfo=UTC), SUMMER_ENDS):
        begin, end = local_day(noon + timedelta(hours=12), PARIS)
        assert begin <= noon + timedelta(hours=12) < end
        lengths.append((end - begin) / HOUR)
    assert lengths == [23, 24, 25]


def test_utc_is_known_where_no_time_zones_are_installed() -> None:
    assert parse_zone("UTC") is UTC
    assert Timetable(every=HOUR).zone is UTC
