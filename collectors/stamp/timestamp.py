"""The two timestamp formats of test packets and the Error Estimate that says how far to trust them. No clock here.

NTP, 64 bits: seconds since 1900 modulo 2^32, then the fraction in units of 2^-32 s (RFC 5905, section 6).
PTPv2 truncated: the low 32 bits of the seconds, then nanoseconds (IEEE 1588; RFC 8186, section 2.1).

Wall times are nanoseconds since the Unix epoch. Both formats repeat after 2^32 s, about 136 years; a timestamp is read
as the moment closest to ``now_ns``, so that NTP's rollover on 2036-02-07 goes unnoticed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import ClassVar

_NS = 1_000_000_000
_ERA_S = 1 << 32
_UNIX_EPOCH_IN_NTP_S = 2_208_988_800
_PAIR = struct.Struct("!II")
_NEAR_NS = 86_400 * _NS
_UNIX_EPOCH_IN_NTP = _UNIX_EPOCH_IN_NTP_S << 32
_LOW_64_BITS = (1 << 64) - 1


def ntp_from_wall(wall_ns: int) -> bytes:
    """Encode a wall time as an NTP timestamp: 8 octets, rounded down to 2^-32 s (0.23 ns)."""
    return ntp_bits(wall_ns).to_bytes(8, "big")


def ntp_bits(wall_ns: int) -> int:
    """Return the NTP timestamp of a wall time as one 64-bit number."""
    return ((wall_ns << 32) // _NS + _UNIX_EPOCH_IN_NTP) & _LOW_64_BITS


def ntp_pair_bits(seconds: int, nanoseconds: int) -> int:
    """Return the NTP timestamp of a wall time that comes in two parts, as the kernel tells it."""
    return ((seconds + _UNIX_EPOCH_IN_NTP_S) % _ERA_S) << 32 | (nanoseconds << 32) // _NS


def wall_from_ntp(octets: bytes, *, now_ns: int) -> int:
    """Decode an NTP timestamp.

    The fraction is rounded: with :func:`ntp_from_wall` rounding down, every nanosecond survives the round trip.
    """
    seconds, fraction = _PAIR.unpack(octets)
    return _nearest((seconds - _UNIX_EPOCH_IN_NTP_S) * _NS + (fraction * _NS + (1 << 31) >> 32), now_ns)


def wall_from_ntp_bits(bits: int) -> int:
    """Decode an NTP timestamp that is one 64-bit number and of the era that 2036 ends."""
    return ((bits - _UNIX_EPOCH_IN_NTP) * _NS + (1 << 31)) >> 32


def wall_from_ptp(octets: bytes, *, now_ns: int) -> int:
    """Decode a truncated PTPv2 timestamp, its seconds taken as they are.

    IEEE 1588 counts TAI, many senders write UTC; the difference of two times of one clock is right either way.
    """
    seconds, nanoseconds = _PAIR.unpack(octets)
    return _nearest(seconds * _NS + nanoseconds, now_ns)


def ptp_from_wall(wall_ns: int) -> bytes:
    """Encode a wall time as a truncated PTPv2 timestamp: 8 octets, seconds of UTC."""
    return ptp_bits(wall_ns).to_bytes(8, "big")


def ptp_bits(wall_ns: int) -> int:
    """Return the truncated PTPv2 timestamp of a wall time as one 64-bit number."""
    return ptp_pair_bits(*divmod(wall_ns, _NS))


def ptp_pair_bits(seconds: int, nanoseconds: int) -> int:
    """Return the truncated PTPv2 timestamp of a wall time that comes in two parts."""
    return (seconds % _ERA_S) << 32 | nanoseconds


def wall_from_timestamp(octets: bytes, *, ptp: bool, now_ns: int) -> int:
    """Decode a timestamp whose Error Estimate has the Z bit ``ptp``.

    Some reflectors echo the sender's Z bit beside times in their own format. Read in the wrong format the difference
    of two times is wrong by a factor of 4.3, so where only the other format gives a time within a day of ``now_ns``,
    that format is taken.
    """
    if not ptp:  # what nearly every packet has, in the era of today
        wall_ns = wall_from_ntp_bits(int.from_bytes(octets, "big"))
        if -_NEAR_NS <= wall_ns - now_ns <= _NEAR_NS:
            return wall_ns
    claimed, other = (wall_from_ptp, wall_from_ntp) if ptp else (wall_from_ntp, wall_from_ptp)
    wall_ns = claimed(octets, now_ns=now_ns)
    if abs(wall_ns - now_ns) > _NEAR_NS:
        alternative_ns = other(octets, now_ns=now_ns)
        if abs(alternative_ns - now_ns) <= _NEAR_NS:
            return alternative_ns
    return wall_ns


def _nearest(wall_ns: int, now_ns: int) -> int:
    era_ns = _ERA_S * _NS
    return wall_ns + (now_ns - wall_ns + era_ns // 2) // era_ns * era_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEstimate:
    """How far off a packet's clock may be (RFC 4656, section 4.1.2; RFC 8186, section 2.3).

    On the wire, from the high bit: S, Z, Scale (6 bits), Multiplier (8 bits). S (``synchronised``) is the claim that
    something external keeps the clock at UTC. Z (``ptp``) is the format of the timestamps beside it. The error is
    ``multiplier * 2**scale`` units of 2^-32 s. A multiplier of 0 is forbidden on the wire, yet it is seen there.
    """

    UNKNOWN: ClassVar[ErrorEstimate]
    """Not synchronised, and the largest error there is."""

    synchronised: bool
    ptp: bool = False
    scale: int
    multiplier: int

    @classmethod
    def from_error_ns(cls, error_ns: int, *, synchronised: bool) -> ErrorEstimate:
        """Encode an error, rounded up to the next of the 8-bit steps; at least 2^-32 s, never a multiplier of 0."""
        units = max(1, -(-error_ns * _ERA_S // _NS))
        scale = 0
        while units > 255 << scale and scale < 63:
            scale += 1
        return cls(synchronised=synchronised, scale=scale, multiplier=min(255, -(-units >> scale)))

    @classmethod
    def from_clock(cls, *, synchronised: bool, error_ns: int | None) -> ErrorEstimate:
        """Say what is known of a clock: while unsynchronised its error has no meaning, and unknown is the largest."""
        if error_ns is None or not synchronised:
            return replace(cls.UNKNOWN, synchronised=synchronised)
        return cls.from_error_ns(error_ns, synchronised=True)

    @classmethod
    def from_bits(cls, bits: int) -> ErrorEstimate:
        """Decode the two octets as a number; every value of 16 bits is accepted."""
        return cls(
            synchronised=bool(bits & 0x8000),
            ptp=bool(bits & 0x4000),
            scale=bits >> 8 & 0x3F,
            multiplier=bits & 0xFF,
        )

    @property
    def error_ns(self) -> int | None:
        """The error in nanoseconds, rounded up; ``None`` where the sender gave the forbidden multiplier 0."""
        return -(-((self.multiplier << self.scale) * _NS) >> 32) if self.multiplier else None

    def __int__(self) -> int:
        return self.synchronised << 15 | self.ptp << 14 | self.scale << 8 | self.multiplier

    def __bytes__(self) -> bytes:
        return int(self).to_bytes(2, "big")


ErrorEstimate.UNKNOWN = ErrorEstimate(synchronised=False, scale=63, multiplier=255)
