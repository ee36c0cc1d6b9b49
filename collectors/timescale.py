"""Recognises a clock that counts another timescale than UTC, by the whole seconds that it is off. No I/O, no clock."""

from __future__ import annotations

from enum import StrEnum

from collectors.skew import Skew

TAI_UTC_S = 37
"""TAI less UTC since 2017-01-01 (IERS Bulletin C), in seconds."""

_TAI_GPS_S = 19  # by definition: GPS time was UTC in 1980 and has had no leap seconds since
_NEAR_NS = 5_000_000
_LEAST_NS = 10_000_000_000  # clocks this close to each other, nearly all, need no search
_TELLING_NS = 250_000_000  # offsets known less well than that lie near a whole second by chance
_STEADY_PPM = 2.0  # a clock that is kept to a timescale does not drift from another that is
_NS = 1_000_000_000


class Timescale(StrEnum):
    """Whose clock counts what, where both should count UTC."""

    REFLECTOR_TAI = "reflector_tai"
    """The reflector counts TAI: right for PTP's timestamps by IEEE 1588, wrong for one-way delays with a UTC sender."""
    SENDER_TAI = "sender_tai"
    """This host counts TAI."""
    REFLECTOR_GPS = "reflector_gps"
    """The reflector counts GPS time, 19 s behind TAI."""
    SENDER_GPS = "sender_gps"
    """This host counts GPS time."""


def timescale(low_ns: int, high_ns: int, skew: Skew | None, *, tai_utc_s: int = TAI_UTC_S) -> Timescale | None:
    """Name the mistake that explains an offset, reflector less sender; ``None`` where none does.

    ``tai_utc_s`` is what the kernel knows (adjtimex(2), ``tai``; where that is 0, nobody told it). Leap seconds that
    one of the two does not know of are allowed for, one either way, from this number and from today's.
    """
    if high_ns > -_LEAST_NS and low_ns < _LEAST_NS:
        return None
    if high_ns - low_ns > 2 * _TELLING_NS or not _is_steady(skew):
        return None
    known_s = {known + leap for known in (tai_utc_s, TAI_UTC_S) for leap in (0, -1, 1)}
    for off_s in known_s:
        for sign, tai, gps in (
            (1, Timescale.REFLECTOR_TAI, Timescale.REFLECTOR_GPS),
            (-1, Timescale.SENDER_TAI, Timescale.SENDER_GPS),
        ):
            if _is_near(sign * off_s * _NS, low_ns, high_ns):
                return tai
            if _is_near(sign * (off_s - _TAI_GPS_S) * _NS, low_ns, high_ns):
                return gps
    return None


def _is_steady(skew: Skew | None) -> bool:
    return skew is None or (skew.low_ppm <= _STEADY_PPM and skew.high_ppm >= -_STEADY_PPM)


def _is_near(off_ns: int, low_ns: int, high_ns: int) -> bool:
    return low_ns - _NEAR_NS <= off_ns <= high_ns + _NEAR_NS
