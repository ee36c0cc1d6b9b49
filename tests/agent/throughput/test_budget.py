"""What tests may move: estimates err on the safe side, what was moved is booked, what would be too much is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.throughput.budget import (
    HEADROOM,
    Basis,
    Booking,
    Ledger,
    allowance,
    bounded,
    expected,
    moved,
    parse_budget,
)
from agent.throughput.ledger_file import FILE_NAME, LedgerFile, state_directory
from collectors.iperf3.options import Direction, Iperf3Options, Protocol
from collectors.iperf3.result import Interval, Iperf3Result, Transfer

TCP = Iperf3Options(duration_s=10)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


def test_the_rate_of_an_estimate_is_what_the_test_is_told_then_what_was_bought_then_what_was_measured() -> None:
    rates = {"purchased": 1_000_000_000, "measured": 200_000_000, "interface": 10_000_000_000}
    told = Iperf3Options(duration_s=10, protocol=Protocol.UDP, bits_per_second=80_000_000)
    bases = [expected(told, **rates).basis]
    for rate in list(rates):
        bases.append(expected(TCP, **rates).basis)
        del rates[rate]
    bases.append(expected(TCP).basis)
    assert bases == [Basis.ASKED, Basis.PURCHASED, Basis.MEASURED, Basis.INTERFACE, Basis.ASSUMED]


def test_an_estimate_is_rate_times_time_times_directions_with_the_time_of_warming_up() -> None:
    both = Iperf3Options(duration_s=10, omit_s=2, direction=Direction.BOTH)
    assert expected(both, purchased=1_000_000_000).octets == 1_000_000_000 // 8 * 12 * 2
    assert "3 GB (at 1000 Mbit/s, the purchased rate)" in str(expected(both, purchased=1_000_000_000))


@given(rate=st.integers(1_000, 10**10), seconds=st.integers(1, 3600), payload=st.integers(1_208, 9_000))
def test_an_estimate_of_a_rate_that_is_told_has_room_for_the_headers_of_every_packet(
    rate: int, seconds: int, payload: int
) -> None:
    told = Iperf3Options(duration_s=seconds, protocol=Protocol.UDP, bits_per_second=rate, payload_bytes=payload)
    sent = Transfer(direction=Direction.UP, duration_s=seconds, sent_bytes=rate * seconds // 8)
    assert expected(told).octets >= (moved(Iperf3Result(up=sent), told) or 0)


def test_what_a_test_moved_has_its_headers_and_what_was_lost() -> None:
    lossy = Transfer(direction=Direction.UP, duration_s=1, sent_bytes=14_600, received_bytes=1_460)
    udp = Iperf3Options(protocol=Protocol.UDP, bits_per_second=1, payload_bytes=1_460)
    assert moved(Iperf3Result(up=lossy), udp) == 14_600 + 10 * 28
    assert moved(Iperf3Result(up=lossy, mss_bytes=1_460), TCP) == 14_600 + 10 * (52 + 26)
    again = replace(lossy, retransmits=3)
    assert moved(Iperf3Result(up=again, mss_bytes=1_460), TCP) == 14_600 + 10 * (52 + 26) + 3 * 1_512


def test_what_a_test_moved_that_could_not_tell_is_not_known() -> None:
    assert moved(Iperf3Result(accounted=False), TCP) is None


def test_a_test_that_was_cancelled_moved_what_its_intervals_say() -> None:
    second = Interval(
        direction=Direction.UP, start_s=0, end_s=1, transferred_bytes=1_448, bits_per_second=1, omitted=True
    )
    assert moved(Iperf3Result(intervals=(second, second), mss_bytes=1_448), TCP) == 2 * 1_526


@given(
    purchased=st.integers(1_000, 10**11),
    more=st.integers(0, 10**12),
    seconds=st.integers(1, 3600),
    both=st.booleans(),
    interface=st.none() | st.integers(1_000, 10**11),
)
def test_a_test_can_move_no_more_than_is_set_aside_and_that_is_no_more_than_is_left(
    purchased: int, more: int, seconds: int, both: bool, interface: int | None
) -> None:
    asked = Iperf3Options(duration_s=seconds, direction=Direction.BOTH if both else Direction.UP)
    test = expected(asked, purchased=purchased)
    told, octets = bounded(asked, test, test.octets + more, interface=interface)
    assert octets <= min(test.octets + more, HEADROOM * test.octets)
    ways = 2 if both else 1
    if told.bits_per_second is None:  # then it cannot be faster than the interface, headers and all
        assert interface is not None
        assert interface * seconds * ways // 8 <= octets
    else:
        assert told.bits_per_second == 1 or told.bits_per_second * seconds * ways / 8 * 1_526 / 1_448 <= octets + 1


def test_a_test_that_is_told_a_rate_or_whose_interface_is_slow_enough_is_told_no_other() -> None:
    udp = Iperf3Options(protocol=Protocol.UDP, bits_per_second=1_000)
    asked = expected(udp)
    assert bounded(udp, asked, 10**9) == (udp, asked.octets)
    gigabit = expected(TCP, purchased=1_000_000_000)
    assert bounded(TCP, gigabit, 10**12, interface=2_000_000_000) == (TCP, 2_500_000_000)
    told, octets = bounded(TCP, gigabit, 2_000_000_000, interface=10_000_000_000)
    assert (told.bits_per_second, octets) == (1_440_000_000, 2_000_000_000)


def test_a_test_beyond_what_is_left_is_refused_with_its_numbers() -> None:
    ledger = Ledger([Booking(path="vpn", at=NOW, octets=900)])
    left = allowance(ledger, "vpn", 1_000, NOW, UTC_ZONE)
    assert left.left == 100
    assert left.refusal(expected(Iperf3Options(duration_s=1), purchased=800)) is None
    refusal = left.refusal(expected(Iperf3Options(duration_s=1), purchased=808))
    assert refusal == (
        "it would move 101 B (at 0.000808 Mbit/s, the purchased rate), and of 1 kB for today 100 B are left"
    )
    assert allowance(ledger, "vpn", None, NOW, UTC_ZONE).refusal(expected(TCP)) is None


def test_a_budget_is_of_one_path_and_of_one_local_day() -> None:
    ledger = Ledger([Booking(path="vpn", at=datetime(2026, 5, 3, 22, 30, tzinfo=UTC), octets=5)])
    assert allowance(ledger, "vpn", 9, NOW, ZoneInfo("Europe/Paris")).left == 4  # 00:30 of the 4th in Paris
    assert allowance(ledger, "vpn", 9, NOW, UTC_ZONE).left == 9
    assert allowance(ledger, "expressroute", 9, NOW, ZoneInfo("Europe/Paris")).left == 9


@given(
    octets=st.lists(st.integers(0, 10**12), max_size=20),
    hours=st.lists(st.integers(0, 200), min_size=20, max_size=20),
)
def test_no_booking_of_today_is_ever_forgotten(octets: list[int], hours: list[int]) -> None:
    bookings = sorted(
        (
            Booking(path="vpn", at=NOW + timedelta(hours=hour), octets=each)
            for each, hour in zip(octets, hours, strict=False)
        ),
        key=lambda booking: booking.at,
    )
    ledger = Ledger()
    for booking in bookings:
        ledger.book(booking)
        day = booking.at.replace(hour=0), booking.at.replace(hour=0) + timedelta(days=1)
        assert ledger.spent("vpn", day) >= booking.octets
        assert (
            ledger.spent("vpn", day)
            == sum(each.octets for each in bookings[: bookings.index(booking) + 1] if day[0] <= each.at < day[1])
            or bookings.count(booking) > 1
        )


def test_what_was_set_aside_gives_way_to_what_was_moved() -> None:
    ledger, reserved = Ledger(), Booking(path="vpn", at=NOW, octets=1_000)
    ledger.book(reserved)
    ledger.correct(reserved, 30)
    assert [each.octets for each in ledger.bookings] == [30]


@pytest.mark.parametrize(
    ("text", "message"), [("50GiB", "is no budget"), ("0B/day", "lets no test run"), ("50/day", "needs a unit")]
)
def test_a_budget_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_budget(text)


def test_a_budget_reads_as_octets_a_day() -> None:
    assert parse_budget("50GiB/day") == parse_budget("50 GiB / day") == 50 << 30


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    before = LedgerFile(tmp_path / "state")
    before.ledger.book(Booking(path="vpn", at=NOW, octets=7))
    before.save()
    assert LedgerFile(tmp_path / "state").ledger.bookings == before.ledger.bookings
    assert [each.name for each in (tmp_path / "state").iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"bookings": [{}]}',
        '{"bookings": [{"path": "a", "at": "2026-05-04", "octets": 1}]}',
        '{"bookings": [{"path": "a", "at": "0001-01-01T00:00:00+14:00", "octets": 1}]}',
        "[" * 100_000,
    ],
)
def test_a_file_of_something_else_begins_the_day_anew_and_says_so(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    assert LedgerFile(tmp_path).ledger.bookings == ()
    assert "today's budget begins anew" in caplog.text


def test_a_file_that_cannot_be_written_is_told_and_the_day_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    kept = LedgerFile(tmp_path / "file")  # a directory of this name cannot be made
    kept.ledger.book(Booking(path="vpn", at=NOW, octets=7))
    kept.save()
    assert "cannot write" in caplog.text
    assert kept.ledger.bookings


def test_without_a_directory_budgets_are_kept_in_memory_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    kept = LedgerFile(None)
    kept.save()
    kept.warn()
    assert "forgotten with a restart" in caplog.text


def test_state_is_kept_where_the_unit_says_else_where_history_is() -> None:
    history = Path("/srv/history")
    assert state_directory(history, {"STATE_DIRECTORY": "/var/lib/eragent:/var/lib/other"}) == Path("/var/lib/eragent")
    assert state_directory(history, {}) == history
    assert state_directory(None, {}) is None


def test_what_is_kept_is_one_small_object(tmp_path: Path) -> None:
    kept = LedgerFile(tmp_path)
    for minute in range(3_600):
        kept.ledger.book(Booking(path="vpn", at=NOW + timedelta(minutes=minute), octets=7))
    kept.save()
    assert len(json.loads((tmp_path / FILE_NAME).read_text())["bookings"]) <= 50 * 60
