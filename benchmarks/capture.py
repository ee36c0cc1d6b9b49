"""Reads captures of test packets: which packet of a probe passed an interface when. No I/O.

Only what the benchmarks themselves capture is understood: pcap files of Ethernet frames with IPv4. How a program
numbers its packets is its dialect (:mod:`benchmarks.dialects`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

_FILE_HEADER_SIZE = 24
_FRACTION_NS = {0xA1B23C4D: 1, 0xA1B2C3D4: 1000}  # the magic number says whether fractions are nano- or microseconds
_ETHERNET = 1
_ETHERNET_HEADER_SIZE = 14
_IPV4 = b"\x08\x00"
_IPV4_HEADER_SIZE = 20


class CaptureError(ValueError):
    """The octets are no capture of the kind that is read here."""


class Way(Enum):
    """Whether a packet asks or answers."""

    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a packet says of itself: which way it goes, its number, and the flow in which that number counts.

    A flow is what one socket sends: its UDP port or its ICMP identifier.
    """

    way: Way
    flow: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A test packet of a flow passed the interface: at this wall time (ns), this way, with this number."""

    at_ns: int
    way: Way
    sequence: int
    flow: int = 0


Dialect = Callable[[int, bytes], Recognised | None]
"""Recognises a program's test packets: given the protocol number and the payload of an IPv4 packet."""


def passages(capture: bytes, dialect: Dialect) -> list[Passage]:
    """Return the test packets of a pcap file in its order; raise :class:`CaptureError` for what is none.

    All other packets are passed over.
    """
    found = ((at_ns, _test_packet(frame, dialect)) for at_ns, frame in _frames(capture))
    return [Passage(at_ns, packet.way, packet.sequence, packet.flow) for at_ns, packet in found if packet is not None]


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


def _test_packet(frame: bytes, dialect: Dialect) -> Recognised | None:
    packet = frame[_ETHERNET_HEADER_SIZE:]
    if frame[12:14] != _IPV4 or len(packet) < _IPV4_HEADER_SIZE:
        return None
    return dialect(packet[9], packet[(packet[0] & 15) * 4 :])
