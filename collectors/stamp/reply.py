"""What a request and its reply are to a reflector, and how one becomes the other where it lies in a buffer. No I/O.

The layouts are those of :mod:`collectors.stamp.wire`. A reply begins without T3, the last thing to be written before it
is sent, since whatever comes between counts as network; in authenticated mode the HMAC follows, which covers T3.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from collectors.stamp.authentication import MAC_SIZE, Key
from collectors.stamp.table import Session
from collectors.stamp.timestamp import ntp_bits, ptp_bits
from collectors.stamp.wire import AUTHENTICATED_BASE_SIZE, AUTHENTICATED_SIZE

Octets = bytearray | mmap.mmap
"""A buffer in which requests become replies."""
Arrival = tuple[int, int, bytes, int, int]
"""What the kernel told of a datagram: when it came (wall: seconds, nanoseconds), where to, its TTL, and its TOS.

Where to is an address of 16 octets; of IPv4 the local address and the one in the packet's header.
"""
Request = tuple[Octets, int, int, bytes, Arrival, int]
"""A buffer, where in it a datagram lies, how long that is, its sender, its arrival, and what time it is (monotonic)."""
Finish = Callable[[Octets, int, int], None]
"""Writes T3 (wall, ns) into a reply at an offset of a buffer, and whatever depends on it."""


class Reply(NamedTuple):
    """What to do with a reply that lies where its request lay: send this many octets with this DSCP, and ECN 0.

    T3 is missing: ``finish`` writes it, or where that is ``None`` it is plain NTP at its usual place. ``number`` is
    the reply's own; where ``wants_stamp``, the reflector is to be told when it left.
    """

    size: int
    dscp: int
    session: Session
    number: int
    finish: Finish | None = None
    wants_stamp: bool = False


# A call of Reply with its defaults costs 0.5 µs, this 0.15 µs, and there is one for every packet.
new_reply: Callable[[tuple[int, int, Session, int, Finish | None, bool]], Reply] = partial(tuple.__new__, Reply)
"""Make a reply of all its fields, in their order."""

_REPLY = struct.Struct("!I8xHHQ14sxxB3x")  # without T3; offset 24 is the request's first 14 octets
_AUTHENTICATED_REPLY = struct.Struct("!I20xHH4xQ8x4s12x10s6xB15x")  # offset 64: T1 and Error Estimate of the request
_T3 = struct.Struct("!Q")
_T3_AT, _AUTHENTICATED_T3_AT = 4, 16

# Where an answer repeats what it answers: number, T1's seconds, Error Estimate.
_ECHO = struct.Struct("!24xII4xH")
_AUTHENTICATED_ECHO = struct.Struct("!48xI12xI4xH")
LEAST_ANSWER_SIZE = _ECHO.size
"""The least that an answer has which repeats all this: 38 octets, as those of some TWAMP-Light responders."""
_PTP = 0x4000  # the Z bit of an Error Estimate
_NS = 1_000_000_000
_ECHO_AGE_S = 60  # longer than a datagram lives in any network

write_reply = _REPLY.pack_into
"""Write a reply into a buffer, at an offset: its number, error estimate, SSID, T2, the request's 14 octets, its TTL."""
write_authenticated_reply = _AUTHENTICATED_REPLY.pack_into
"""The same in authenticated mode; the request's number, and its T1 with Error Estimate, are two pieces there."""
write_sent_time = _T3.pack_into
"""Write T3, as 64 bits, into a buffer, at the offset of a reply plus :data:`SENT_TIME_AT`."""
SENT_TIME_AT = _T3_AT


def seal(octets: Octets, at: int, sent_ns: int, *, ptp: bool, key: Key | None) -> None:
    """Write T3 into the reply at this offset, and where there is a key its HMAC."""
    bits = ptp_bits(sent_ns) if ptp else ntp_bits(sent_ns)
    if key is None:
        _T3.pack_into(octets, at + _T3_AT, bits)
        return
    _T3.pack_into(octets, at + _AUTHENTICATED_T3_AT, bits)
    mac_at = at + AUTHENTICATED_SIZE
    octets[mac_at : mac_at + MAC_SIZE] = key.mac(octets[at:mac_at])


def verifies(octets: Octets, at: int, key: Key) -> bool:
    """Whether the request at this offset, of 112 octets or more, has the HMAC that the key gives it."""
    mac_at = at + AUTHENTICATED_SIZE
    return key.verifies(octets[at:mac_at], octets[mac_at : at + AUTHENTICATED_BASE_SIZE])


def reads_as_answer(
    octets: Octets, at: int, *, authenticated: bool, replies: int, error_estimate: int, now_s: int
) -> bool:
    """Whether the request at this offset is, by its look, the answer to one of our own ``replies`` in its session.

    No bit tells requests from answers, so two reflectors can be made to answer each other for ever. Where a sender has
    zeros, an answer to us has our error estimate, a number that we have given, and our time of a moment ago; ``now_s``
    is seconds of wall time.
    """
    layout = _AUTHENTICATED_ECHO if authenticated else _ECHO
    sequence, seconds, echoed_error_estimate = layout.unpack_from(octets, at)
    ours = ptp_bits if echoed_error_estimate & _PTP else ntp_bits
    age_s = ((ours(now_s * _NS) >> 32) - seconds) % (1 << 32)
    return bool(
        seconds and sequence < replies and echoed_error_estimate & ~_PTP == error_estimate and age_s <= _ECHO_AGE_S
    )
