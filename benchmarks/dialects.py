"""How programs number their test packets, so that a capture can tell which is which. No I/O."""

from __future__ import annotations

import struct

from benchmarks.capture import Dialect, Recognised, Way
from benchmarks.packets import IRTT_MAGIC

_ICMP, _UDP = 1, 17
_ECHO_WAYS = {8: Way.REQUEST, 0: Way.REPLY}
_ECHO_HEADER = struct.Struct("!BxxxHH")
_OWN_SEQUENCE_AT = 16  # behind the ICMP header and the 8 octets of the session's token
_STAMP_SENDER_SEQUENCE_AT = 24  # in an answer; a request begins with it
_IRTT_HEADER = struct.Struct("<3sBQI")  # magic, flags, token of the connection, sequence number
_IRTT_OPENS_OR_CLOSES, _IRTT_REPLY = 1 | 4, 2


def eragent(stamp_port: int) -> Dialect:
    """Recognise what eragent sends: ICMP echo with a number of its own of 32 bits, STAMP at this port (RFC 8762)."""

    def recognise(protocol: int, message: bytes) -> Recognised | None:
        if protocol == _ICMP:
            return _own_echo(message)
        return _stamp(message, stamp_port) if protocol == _UDP else None

    return recognise


def ping(protocol: int, message: bytes) -> Recognised | None:
    """Recognise ICMP echo by its own sequence number of 16 bits (RFC 792)."""
    if protocol != _ICMP or len(message) < _ECHO_HEADER.size:
        return None
    kind, identifier, sequence = _ECHO_HEADER.unpack_from(message)
    return Recognised(_ECHO_WAYS[kind], identifier, sequence) if kind in _ECHO_WAYS else None


def irtt(port: int) -> Dialect:
    """Recognise irtt's echoes without HMAC; packets that open or close a connection are none."""

    def recognise(protocol: int, message: bytes) -> Recognised | None:
        if protocol != _UDP or len(message) < 8 + _IRTT_HEADER.size:
            return None
        source, destination = struct.unpack_from("!HH", message)
        magic, flags, _, sequence = _IRTT_HEADER.unpack_from(message, 8)
        if port not in (source, destination) or magic != IRTT_MAGIC or flags & _IRTT_OPENS_OR_CLOSES:
            return None
        if flags & _IRTT_REPLY:
            return Recognised(Way.REPLY, destination, sequence)
        return Recognised(Way.REQUEST, source, sequence)

    return recognise


def _own_echo(message: bytes) -> Recognised | None:
    if len(message) < _OWN_SEQUENCE_AT + 4 or message[0] not in _ECHO_WAYS:
        return None
    _, identifier, _ = _ECHO_HEADER.unpack_from(message)
    sequence = int.from_bytes(message[_OWN_SEQUENCE_AT : _OWN_SEQUENCE_AT + 4], "big")
    return Recognised(_ECHO_WAYS[message[0]], identifier, sequence)


def _stamp(datagram: bytes, port: int) -> Recognised | None:
    if len(datagram) < 8 + _STAMP_SENDER_SEQUENCE_AT + 4:
        return None
    source, destination = struct.unpack_from("!HH", datagram)
    payload = datagram[8:]
    if destination == port:
        return Recognised(Way.REQUEST, source, int.from_bytes(payload[:4], "big"))
    if source == port:
        at = _STAMP_SENDER_SEQUENCE_AT
        return Recognised(Way.REPLY, destination, int.from_bytes(payload[at : at + 4], "big"))
    return None
