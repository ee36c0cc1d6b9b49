"""A clock that counts TAI or GPS time is named; one that is merely wrong is not."""

from __future__ import annotations

import pytest

from collectors.skew import Skew
from collectors.timescale import Timescale, timescale
from tests.collectors.clocks_apart import MS, S

STEADY = Skew(low_ppm=-0.1, high_ppm=0.1)


def named(offset_ns: int, skew: Skew | None = STEADY, half_ns: int = 10 * MS, tai_utc_s: int = 37) -> Timescale | None:
    return timescale(offset_ns - half_ns, offset_ns + half_ns, skew, tai_utc_s=tai_utc_s)


@pytest.mark.parametrize(
    ("offset_s", "name"),
    [
        (37, Timescale.REFLECTOR_TAI),
        (36, Timescale.REFLECTOR_TAI),
        (38, Timescale.REFLECTOR_TAI),
        (-37, Timescale.SENDER_TAI),
        (18, Timescale.REFLECTOR_GPS),
        (-18, Timescale.SENDER_GPS),
    ],
)
def test_whole_seconds_name_a_timescale(offset_s: int, name: Timescale) -> None:
    assert named(offset_s * S) is name
    assert named(offset_s * S + 14 * MS) is name
    assert named(offset_s * S, None) is name


@pytest.mark.parametrize("offset_ns", [0, S, -S, 35 * S, 37 * S + 100 * MS, 37 * S - 400 * MS, 40 * S, 3600 * S])
def test_other_offsets_name_none(offset_ns: int) -> None:
    assert named(offset_ns) is None


def test_a_clock_that_drifts_past_is_on_no_timescale() -> None:
    assert named(37 * S, Skew(low_ppm=40, high_ppm=60)) is None


def test_bounds_half_a_second_wide_lie_near_a_whole_second_by_chance() -> None:
    assert named(37 * S, half_ns=300 * MS) is None


def test_leap_seconds_to_come_are_the_kernels_to_know() -> None:
    assert named(41 * S, tai_utc_s=40) is Timescale.REFLECTOR_TAI
    assert named(41 * S) is None
