"""Decides whether a parsed packet answers one of a session's test packets, by what only that packet told. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from collectors.peer import Rejection
from collectors.stamp.wire import ReflectorPacket

_NO_TIME = bytes(8)


class Recognised(NamedTuple):
    """An answer as the standard would have it; ``swapped`` if T1 and T3 stood in each other's place."""

    packet: ReflectorPacket
    swapped: bool


def recognise(
    packet: ReflectorPacket, *, ssid: int, ssid_required: bool, t1_of: Callable[[int], bytes | None]
) -> Recognised | Rejection:
    """Return the answer, or why it is none.

    T1 is the proof: 64 bits that nobody off the path knows. ``t1_of`` returns it for a sequence number, as it was sent,
    ``None`` for one that nobody remembers. A reflector may return SSID 0 where that is not ``ssid_required``.
    """
    if ssid and packet.ssid != ssid and (packet.ssid or ssid_required):
        return Rejection.WRONG_SSID
    t1 = t1_of(packet.sender_sequence)
    if t1 is not None and packet.sender_timestamp == t1:
        return Recognised(packet, swapped=False)
    if packet.sender_timestamp == _NO_TIME and packet.timestamp == t1_of(packet.sequence):
        return Rejection.OWN_REQUEST
    if t1 is None:
        return Rejection.UNKNOWN_PACKET
    if packet.timestamp == t1:
        return Recognised(replace(packet, timestamp=packet.sender_timestamp, sender_timestamp=t1), swapped=True)
    return Rejection.WRONG_TIMESTAMP
