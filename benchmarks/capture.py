"""Reads captures of test packets: which packet of a probe passed an interface when. No I/O.

Only what the benchmarks themselves capture is understood: pcap files of Ethernet frames with IPv4, in which an ICMP
echo or a STAMP packet (RFC 8762) carries the probe's own sequence number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

_FILE_HEADER_SIZE = 24
_FRACTION_NS = {0xA1B23C4D: 1, 0xA1B2C3D4: 1000}  # the magic number says whether fractions are nano- or microseconds
_ETHERNET = 1
_ETHERNET_HEADER_SIZE = 14
_IPV4 = b"\x08\x00"
_ICMP, _UDP = 1, 17
_ECHO_SEQUENCE_AT = 16  # behind the ICMP header and the 8 octets of the session's token
_STAMP_SENDER_SEQUENCE_AT = 24  # in an answer; a request begins with it


class CaptureError(ValueError):
    """The octets are no capture of the kind that is read here."""


class Way(Enum):
    """Whether a packet asks or answers."""

    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Passage:
    """A test packet passed the interface: at this wall time (ns), this way, with this number (low 32 bits)."""

    at_ns: int
    way: Way
    sequence: int


def passages(capture: bytes, *, stamp_port: int) -> list[Passage]:
    """Return the test packets of a pcap file in its order; raise :class:`CaptureError` for what is none.

    UDP packets count as STAMP where one port is ``stamp_port``. All other packets are passed over.
    """
    found = ((at_ns, _test_packet(frame, stamp_port)) for at_ns, frame in _frames(capture))
    return [Passage(at_ns, *packet) for at_ns, packet in found if packet is not None]


def _frames(capture: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each frame with its time; a record that the file ends in the middle of is left out."""
    if len(capture) < _FILE_HEADER_SIZE:
        raise CaptureError(f"a pcap file has at least {_FILE_HEADER_SIZE} octets, not {len(capture)}")
    order = "<" if int.from_bytes(capture[:4], "little") in _FRACTION_NS else ">"
    magic, link_type = struct.unpack_from(f"{order}I16xI", capture)
    if magic not in _FRACTION_NS:
        raise CaptureError(f"{magic:#x} is not the magic number of a pcap file")
    if link_type != _ETHERNET:
        raise CaptureError(f"the frames are of link type {link_type}, not Ethernet's 1")
    record, unit_ns = struct.Struct(f"{order}IIII"), _FRACTION_NS[magic]
    at = _FILE_HEADER_SIZE
    while at + record.size <= len(capture):
        seconds, fraction, size, _ = record.unpack_from(capture, at)
        at += record.size
        if at + size > len(capture):
            return
        yield seconds * 1_000_000_000 + fraction * unit_ns, capture[at : at + size]
        at += size


def _test_packet(frame: bytes, stamp_port: int) -> tuple[Way, int] | None:
    packet = frame[_ETHERNET_HEADER_SIZE:]
    if frame[12:14] != _IPV4 or len(packet) < 20:
        return None
    message = packet[(packet[0] & 15) * 4 :]
    if packet[9] == _ICMP:
        return _echo(message)
    return _stamp(message, stamp_port) if packet[9] == _UDP else None


def _echo(message: bytes) -> tuple[Way, int] | None:
    ways = {8: Way.REQUEST, 0: Way.REPLY}
    if len(message) < _ECHO_SEQUENCE_AT + 4 or message[0] not in ways:
        return None
    return ways[message[0]], int.from_bytes(message[_ECHO_SEQUENCE_AT : _ECHO_SEQUENCE_AT + 4], "big")


def _stamp(datagram: bytes, port: int) -> tuple[Way, int] | None:
    if len(datagram) < 8 + _STAMP_SENDER_SEQUENCE_AT + 4:
        return None
    source, destination = struct.unpack_from("!HH", datagram)
    payload = datagram[8:]
    if destination == port:
        return Way.REQUEST, int.from_bytes(payload[:4], "big")
    if source == port:
        at = _STAMP_SENDER_SEQUENCE_AT
        return Way.REPLY, int.from_bytes(payload[at : at + 4], "big")
    return None
