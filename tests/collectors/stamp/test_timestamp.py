from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.timestamp import (
    ErrorEstimate,
    ntp_from_wall,
    ptp_from_wall,
    wall_from_ntp,
    wall_from_ptp,
    wall_from_timestamp,
)

SECOND = 1_000_000_000
YEAR = 365 * 86_400 * SECOND
NTP_ROLLOVER = 2_085_978_496 * SECOND  # 2036-02-07T06:28:16Z
wall_times = st.integers(0, 200 * YEAR)
offsets = st.integers(-67 * YEAR, 67 * YEAR)


@given(wall_times, offsets)
def test_every_nanosecond_survives_ntp_in_any_era(wall_ns: int, offset_ns: int) -> None:
    assert wall_from_ntp(ntp_from_wall(wall_ns), now_ns=wall_ns + offset_ns) == wall_ns


@given(wall_times, offsets)
def test_every_nanosecond_survives_ptp_in_any_era(wall_ns: int, offset_ns: int) -> None:
    assert wall_from_ptp(ptp_from_wall(wall_ns), now_ns=wall_ns + offset_ns) == wall_ns


@given(st.binary(min_size=8, max_size=8), wall_times, st.booleans())
def test_any_eight_octets_are_a_time_within_68_years_and_some_seconds(octets: bytes, now_ns: int, ptp: bool) -> None:
    wall_ns = wall_from_timestamp(octets, ptp=ptp, now_ns=now_ns)
    assert abs(wall_ns - now_ns) <= (1 << 31) * SECOND


def test_times_on_both_sides_of_the_rollover_are_a_second_apart() -> None:
    before, after = ntp_from_wall(NTP_ROLLOVER - SECOND // 2), ntp_from_wall(NTP_ROLLOVER + SECOND // 2)
    assert before > after
    assert wall_from_ntp(after, now_ns=NTP_ROLLOVER) - wall_from_ntp(before, now_ns=NTP_ROLLOVER) == SECOND


@given(st.integers(1_700_000_000 * SECOND, 2_000_000_000 * SECOND), st.booleans())
def test_a_reflector_that_claims_the_wrong_format_is_understood(wall_ns: int, ptp: bool) -> None:
    octets = ntp_from_wall(wall_ns) if ptp else ptp_from_wall(wall_ns)
    assert wall_from_timestamp(octets, ptp=ptp, now_ns=wall_ns + SECOND) == wall_ns


def test_a_clock_that_is_years_off_is_taken_at_its_word() -> None:
    no_battery_ns = 5 * SECOND
    now_ns = 1_768_478_400 * SECOND
    assert wall_from_timestamp(ntp_from_wall(no_battery_ns), ptp=False, now_ns=now_ns) == no_battery_ns


def test_error_estimates_of_known_clocks() -> None:
    assert bytes(ErrorEstimate.from_error_ns(1_000_000, synchronised=True)).hex() == "8f84"
    assert bytes(ErrorEstimate.from_error_ns(10_000, synchronised=True)).hex() == "88a8"
    assert bytes(ErrorEstimate.from_clock(synchronised=False, error_ns=16_000_000_000)).hex() == "3fff"
    assert bytes(ErrorEstimate.from_clock(synchronised=True, error_ns=0)).hex() == "8001"


@given(st.integers(0, 10**30), st.booleans())
def test_an_error_is_never_understated_and_never_a_multiplier_of_zero(error_ns: int, synchronised: bool) -> None:
    estimate = ErrorEstimate.from_error_ns(error_ns, synchronised=synchronised)
    assert 1 <= estimate.multiplier <= 255
    assert 0 <= estimate.scale <= 63
    assert estimate.error_ns is not None
    largest_ns = (255 << 63) * SECOND >> 32
    assert estimate.error_ns >= min(error_ns, largest_ns)
    assert estimate.error_ns <= error_ns + error_ns // 127 + 2


@given(st.integers(0, 0xFFFF))
def test_every_error_estimate_on_the_wire_is_read_and_written_alike(bits: int) -> None:
    estimate = ErrorEstimate.from_bits(bits)
    assert int(estimate) == bits
    assert int.from_bytes(bytes(estimate), "big") == bits
    assert (estimate.error_ns is None) == (bits & 0xFF == 0)
