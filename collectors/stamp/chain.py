"""A chain of TLVs, as may follow STAMP's base packet (RFC 8972, section 4), whatever its values mean. No I/O, no clock.

     0  1  Flags: U unrecognised, M malformed, I integrity failed, five bits of zero
     1  1  Type
     2  2  Length of the value
     4     Value; the next TLV begins where it ends

A sender sets U on every TLV, and a reflector takes it off where it understood: so a reflector that knows no TLVs and
copies what it got has claimed nothing. The parser takes any octets.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

UNRECOGNISED = 0x80
MALFORMED = 0x40
INTEGRITY = 0x20

MOST_TLVS = 32
"""How many TLVs of a packet are told apart. A datagram holds up to 16,000 of length 0, each some microseconds' work."""


class TlvError(ValueError):
    """Octets that are no value of their TLV's type, or numbers that fit in none."""


class TlvType(IntEnum):
    """The types of RFC 8972, section 5.1; whatever lies beyond is unrecognised."""

    EXTRA_PADDING = 1
    LOCATION = 2
    TIMESTAMP_INFORMATION = 3
    CLASS_OF_SERVICE = 4
    DIRECT_MEASUREMENT = 5
    ACCESS_REPORT = 6
    FOLLOW_UP_TELEMETRY = 7
    HMAC = 8


# Bound once: CPython 3.11 takes 0.1 µs to find a member of an enumeration, and these are compared with every TLV.
EXTRA_PADDING: Final = int(TlvType.EXTRA_PADDING)
CLASS_OF_SERVICE: Final = int(TlvType.CLASS_OF_SERVICE)
FOLLOW_UP_TELEMETRY: Final = int(TlvType.FOLLOW_UP_TELEMETRY)
HMAC: Final = int(TlvType.HMAC)

TLV_NAMES: Mapping[TlvType, str] = MappingProxyType(
    {kind: kind.name.lower().removesuffix("_telemetry") for kind in TlvType}
)
"""What users call them: ``follow_up``, ``class_of_service`` and so on."""

_HEADER = struct.Struct("!BBH")
HEADER_SIZE = _HEADER.size


@dataclass(frozen=True, slots=True)
class Tlv:
    """One TLV, its value not looked into."""

    flags: int
    type: int
    value: bytes

    def __bytes__(self) -> bytes:
        return header(self.flags, self.type, len(self.value)) + self.value


class Chain(NamedTuple):
    """The TLVs that are whole, and the octets that are not.

    Up to 3 octets of ``rest`` hold no header and are nobody's; more are a TLV that claims to go on after the end, or
    what follows the first :data:`MOST_TLVS`.
    """

    tlvs: tuple[Tlv, ...]
    rest: bytes

    @property
    def malformed(self) -> bool:
        """Whether the rest begins with a header that cannot be followed."""
        return len(self.rest) >= HEADER_SIZE


def parse_chain(data: bytes) -> Chain:
    """Tell apart the TLVs in ``data``; any octets are accepted."""
    spans, end, _, _ = layout(data)
    return Chain(tuple(Tlv(flags, kind, data[at + HEADER_SIZE : stop]) for flags, kind, at, stop in spans), data[end:])


class Layout(NamedTuple):
    """Where the TLVs of a chain are, nothing copied: what each packet is worked on with.

    A span is the flags, the type, where the TLV begins and where it ends. The last whole TLV ends at ``end``, where
    another begins if ``overruns``. ``flags`` are those that any of them has, the one that overruns included.
    """

    spans: list[tuple[int, int, int, int]]
    end: int
    overruns: bool
    flags: int


def layout(data: bytes) -> Layout:
    """Find the TLVs in ``data``; any octets are accepted."""
    spans: list[tuple[int, int, int, int]] = []
    at, size, all_flags = 0, len(data), 0
    while size - at >= HEADER_SIZE and len(spans) < MOST_TLVS:
        flags, kind, length = _HEADER.unpack_from(data, at)
        all_flags |= flags
        end = at + HEADER_SIZE + length
        if end > size:
            break
        spans.append((flags, kind, at, end))
        at = end
    return Layout(spans, at, size - at >= HEADER_SIZE, all_flags)


def carries_tlvs(trailing: bytes) -> bool:
    """Whether what follows the base packet is read as TLVs: it begins with the flags that every sender sets.

    TWAMP-Light's random padding looks so once in 256 packets. An answer to it then has some octets of the padding
    changed, which no sender reads.
    """
    return len(trailing) >= HEADER_SIZE and trailing[0] == UNRECOGNISED


def header(flags: int, kind: int, length: int) -> bytes:
    """Encode the 4 octets before a value; raise :class:`TlvError` for a number that does not fit."""
    try:
        return _HEADER.pack(flags, kind, length)
    except struct.error as error:
        raise TlvError(f"flags {flags}, type {kind} and length {length} do not fit in a TLV: {error}") from error


def extra_padding(size: int) -> bytes:
    """Return ``size`` octets that every reflector takes for padding: a TLV of zeros; up to 3 octets are bare zeros."""
    if size < HEADER_SIZE:
        return bytes(size)
    length = size - HEADER_SIZE
    return header(UNRECOGNISED, EXTRA_PADDING, length) + bytes(length)


def is_padding_alone(trailing: bytes) -> bool:
    """Whether one Extra Padding TLV is all there is, as in most packets."""
    return (
        len(trailing) >= HEADER_SIZE
        and trailing[1] == EXTRA_PADDING
        and trailing[2] << 8 | trailing[3] == len(trailing) - HEADER_SIZE
    )
