"""Packets that a generator asks with, a batch at a time: STAMP, authenticated STAMP, irtt's echo. No I/O.

They are put together here and not by eragent's own encoders, so that a generator costs the same whatever those become.
"""

from __future__ import annotations

import hmac
import struct
from typing import Protocol

from benchmarks.mmsg import BATCH

_UNKNOWN_ERROR = 0x3FFF  # not synchronised, the largest there is: of a sender that knows nothing of its clock
_MAC_SIZE = 16
_NTP_EPOCH_S = 2_208_988_800

IRTT_MAGIC = b"\x14\xa7\x5b"
_IRTT_OPEN, _IRTT_REPLY = 1, 2
# Numbered varints: protocol 1, an hour, every 10 ms, then irtt's defaults: count and window, both stamps, both clocks.
_IRTT_PARAMETERS = bytes.fromhex("01 02 02 8080c58bc6d101 03 80dac409 05 06 06 06 07 06")
_IRTT_REPLY_HEADER = struct.Struct("=3sBQ")


class Packets(Protocol):
    """How a server is asked. ``size`` is that of a request, ``reply_size`` that of its answer, in octets."""

    size: int
    reply_size: int

    def blank(self) -> bytearray:
        """Return a batch of requests, one behind the other, whose numbers are still to be written."""

    def write(self, octets: bytearray, first: int, wall_ns: int) -> None:
        """Write the numbers of a batch, from ``first`` on; a packet that carries its time gets ``wall_ns``."""


class Stamp:
    """Requests of STAMP's unauthenticated mode (RFC 8762, section 4.2.1), without TLVs; T1 is that of the start."""

    size = reply_size = 44

    def __init__(self, wall_ns: int) -> None:
        self._request = struct.pack("!IQH30x", 0, _ntp(wall_ns), _UNKNOWN_ERROR)

    def blank(self) -> bytearray:
        """Return a batch of requests that differ in nothing yet."""
        return bytearray(self._request * BATCH)

    def write(self, octets: bytearray, first: int, wall_ns: int) -> None:  # noqa: ARG002  # as the protocol has it
        """Write the numbers alone."""
        write_numbers(octets, self.size, 0, first, order="!")


class AuthenticatedStamp:
    """Requests of STAMP's authenticated mode (RFC 8762, section 4.2.2): each with its T1 and its HMAC."""

    size = reply_size = 112
    _packet = struct.Struct("!I12xQH70x")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def blank(self) -> bytearray:
        """Return the room for a batch."""
        return bytearray(self.size * BATCH)

    def write(self, octets: bytearray, first: int, wall_ns: int) -> None:
        """Write each packet whole: its HMAC covers number and time."""
        sent = _ntp(wall_ns)
        for number in range(BATCH):
            packet = self._packet.pack((first + number) & 0xFFFFFFFF, sent, _UNKNOWN_ERROR)
            mac = hmac.digest(self._secret, packet, "sha256")[:_MAC_SIZE]
            octets[number * self.size : (number + 1) * self.size] = packet + mac


class Irtt:
    """Echo requests of an irtt connection, with room for what irtt's server tells by default: counts and four times.

    ``token`` names the connection, as the answer to :func:`irtt_open` gave it.
    """

    size = reply_size = 60

    def __init__(self, token: int) -> None:
        self._request = _IRTT_REPLY_HEADER.pack(IRTT_MAGIC, 0, token) + bytes(48)

    def blank(self) -> bytearray:
        """Return a batch of requests that differ in nothing yet."""
        return bytearray(self._request * BATCH)

    def write(self, octets: bytearray, first: int, wall_ns: int) -> None:  # noqa: ARG002  # as the protocol has it
        """Write the numbers alone."""
        write_numbers(octets, self.size, 12, first, order="<")


def irtt_open() -> bytes:
    """Return the datagram that asks an irtt server for a connection."""
    return IRTT_MAGIC + bytes([_IRTT_OPEN]) + _IRTT_PARAMETERS


def irtt_token(answer: bytes) -> int | None:
    """Return the token of the connection that a server opened, ``None`` where it did not."""
    if len(answer) < _IRTT_REPLY_HEADER.size:
        return None
    magic, flags, token = _IRTT_REPLY_HEADER.unpack_from(answer)
    return int(token) if magic == IRTT_MAGIC and flags == _IRTT_OPEN | _IRTT_REPLY else None


def write_numbers(octets: bytearray, size: int, at: int, first: int, *, order: str) -> None:
    """Write consecutive 32-bit numbers at offset ``at`` of each packet of a batch, column by column.

    Four assignments, 3 µs for 64 packets, where packing them one by one takes 10.
    """
    numbers = struct.pack(f"{order}{BATCH}I", *((first + number) & 0xFFFFFFFF for number in range(BATCH)))
    for octet in range(4):
        octets[at + octet :: size] = numbers[octet::4]


def _ntp(wall_ns: int) -> int:
    seconds, fraction_ns = divmod(wall_ns, 1_000_000_000)
    return (seconds + _NTP_EPOCH_S & 0xFFFFFFFF) << 32 | (fraction_ns << 32) // 1_000_000_000
