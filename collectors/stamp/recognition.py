"""Decides whether a parsed packet answers one of a session's test packets, by what only that packet told. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from collectors.peer import Rejection
from collectors.roundtrip import Departure, DepartureOf, Quote
from collectors.stamp.wire import ReflectorPacket

_NO_TIME = bytes(8)
_SEQUENCE_SIZE = 4
_TIMESTAMP_AT = {False: 4, True: 16}  # RFC 8762, section 4.2: by whether packets are authenticated


class Recognised(NamedTuple):
    """An answer as the standard would have it, and the departure that it answers.

    ``swapped``: T1 and T3 stood in each other's place.
    """

    packet: ReflectorPacket
    departure: Departure
    swapped: bool


def recognise(
    packet: ReflectorPacket,
    *,
    ssid: int,
    ssid_required: bool,
    departure_of: DepartureOf,
    timestamp: Callable[[int], bytes],
) -> Recognised | Rejection:
    """Return the answer, or why it is none.

    T1 is the proof: 64 bits that nobody off the path knows. It is the ``timestamp`` of the packet's departure, encoded
    as it was sent. A reflector may return SSID 0 where that is not ``ssid_required``.
    """
    if ssid and packet.ssid != ssid and (packet.ssid or ssid_required):
        return Rejection.WRONG_SSID
    departure = departure_of(packet.sender_sequence)
    t1 = None if departure is None else timestamp(departure.wall_ns)
    if departure is not None and packet.sender_timestamp == t1:
        return Recognised(packet, departure, swapped=False)
    if packet.sender_timestamp == _NO_TIME and _is_own(packet, departure_of, timestamp):
        return Rejection.OWN_REQUEST
    if departure is None or t1 is None:
        return Rejection.UNKNOWN_PACKET
    if packet.timestamp == t1:
        proper = packet._replace(timestamp=packet.sender_timestamp, sender_timestamp=t1)
        return Recognised(proper, departure, swapped=True)
    return Rejection.WRONG_TIMESTAMP


def recognise_quoted(
    quoted: bytes,
    *,
    is_authenticated: bool,
    departure_of: DepartureOf,
    timestamp: Callable[[int], bytes],
) -> Quote | Rejection:
    """Return which test packet an ICMP error quotes the beginning of, or why it is none of the session's.

    The time of departure is the proof here too, as far as it is quoted; the ports, which the kernel has compared, are
    all that there is of a packet of which nothing else is.
    """
    if len(quoted) < _SEQUENCE_SIZE:
        return Quote(0, 0)
    sequence = int.from_bytes(quoted[:_SEQUENCE_SIZE], "big")
    departure = departure_of(sequence)
    if departure is None:
        return Rejection.UNKNOWN_PACKET
    told = quoted[_TIMESTAMP_AT[is_authenticated] :][:8]
    return Quote(sequence, 32) if timestamp(departure.wall_ns).startswith(told) else Rejection.WRONG_TIMESTAMP


def _is_own(packet: ReflectorPacket, departure_of: DepartureOf, timestamp: Callable[[int], bytes]) -> bool:
    """Whether this is one of our requests: its T1 stands where an answer has T3."""
    departure = departure_of(packet.sequence)
    return departure is not None and packet.timestamp == timestamp(departure.wall_ns)
