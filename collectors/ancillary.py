"""What the kernel tells beside a datagram: stamps, TTL, TOS, and the entries of a socket's error queue. No I/O.

The numbers are those of Linux's uapi headers; Python's socket module lacks most of them before 3.14.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from collectors.path import Address

SOL_SOCKET = 1
SO_RCVBUFFORCE = 33
SO_TIMESTAMPING = 37
SO_MEMINFO = 55
SCM_TS_OPT_ID = 81
SOL_IP = 0
IP_TOS = 1
IP_TTL = 2
IP_PKTINFO = 8
IP_MTU_DISCOVER = 10
IP_RECVERR = 11
IP_RECVTTL = 12
IP_RECVTOS = 13
IP_BIND_ADDRESS_NO_PORT = 24
IP_PMTUDISC_DONT = 0
IP_PMTUDISC_DO = 2
SOL_RAW = 255
SOL_IPV6 = 41
IPV6_UNICAST_HOPS = 16
IPV6_MTU_DISCOVER = 23
IPV6_RECVERR = 25
IPV6_PKTINFO = 50
IPV6_HOPLIMIT = 52
IPV6_TCLASS = 67

# TX_SOFTWARE, RX_SOFTWARE, SOFTWARE (without which the queue delivers ids but no times), OPT_ID, OPT_CMSG, OPT_TSONLY.
OPT_ID = 1 << 7
SOFTWARE_STAMPS = 1 << 1 | 1 << 3 | 1 << 4 | OPT_ID | 1 << 10 | 1 << 11

ORIGIN_TIMESTAMPING = 4
"""Of an entry of the error queue that is a transmit stamp (linux/errqueue.h)."""

MEMINFO_SIZE = 36
"""How many octets SO_MEMINFO has: nine numbers, of which the last counts drops (linux/sock_diag.h)."""

_TIMESPEC = struct.Struct("@qq")
_INT = struct.Struct("@i")
_MEMINFO_DROPS = struct.Struct("@32xI")
_EXTENDED_ERROR = struct.Struct("@IBBBBII")  # sock_extended_err: errno, origin, type, code, pad, info, data
_ORIGINS_ICMP = (2, 3)
_FAMILY = struct.Struct("@H")
_SCOPE = struct.Struct("@I")
_AF_INET = 2
_AF_INET6 = 10
_CONTROL_HEADER = struct.Struct("@Nii")  # cmsghdr: size, level, type

# How the items are read that every datagram, and every transmit stamp, has beside it, by level, type and size.
_ARRIVAL_FORMS = {
    (SOL_SOCKET, SO_TIMESTAMPING, 48): "qq",
    (SOL_IP, IP_TTL, 4): "i",
    (SOL_IP, IP_TOS, 1): "B",
    (SOL_IPV6, IPV6_HOPLIMIT, 4): "i",
    (SOL_IPV6, IPV6_TCLASS, 4): "i",
}
_STAMP_FORMS = {
    (SOL_SOCKET, SO_TIMESTAMPING, 48): "qq",
    (SOL_IP, IP_RECVERR, 32): "4xB7xI",
    (SOL_IPV6, IPV6_RECVERR, 44): "4xB7xI",
}

AncillaryItems = Sequence[tuple[int, int, bytes]]


class Arrival(NamedTuple):
    """What came beside a datagram: the kernel's receive stamp (wall, ns), TTL or hop limit, TOS or traffic class."""

    stamp_ns: int | None = None
    ttl: int | None = None
    tos: int | None = None


class Datagram(NamedTuple):
    """What arrived, from whom, and what the kernel told beside it, as :class:`Arrival` has it."""

    data: bytes
    source: Address
    stamp_ns: int | None = None
    ttl: int | None = None
    tos: int | None = None


class TransmitStamp(NamedTuple):
    """The kernel handed the packet with this id to the device at this wall time."""

    id: int
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class IcmpError:
    """A router or host answered one of our packets with an ICMP error.

    ``errno`` is the kernel's translation; ``info`` the next hop's MTU for EMSGSIZE; ``offender`` who said so; ``type``
    and ``code`` are those of IP ``version``. ``quoted`` is as much of the packet as came back and was asked for: of UDP
    from the payload on, of ICMP from its header.
    """

    errno: int
    type: int
    code: int
    info: int
    offender: str | None
    version: int = 4
    quoted: bytes = b""


def parse_arrival(items: AncillaryItems) -> Arrival:
    """Read the ancillary items of a received datagram; unknown ones are passed over."""
    stamp_ns = ttl = tos = None
    for level, kind, data in items:
        if kind == SO_TIMESTAMPING:
            if level == SOL_SOCKET:
                stamp_ns = _stamp(data)
        elif (kind == IP_TTL and level == SOL_IP) or (kind == IPV6_HOPLIMIT and level == SOL_IPV6):
            (ttl,) = _INT.unpack_from(data)
        elif (kind == IP_TOS and level == SOL_IP) or (kind == IPV6_TCLASS and level == SOL_IPV6):
            tos = data[0] if len(data) == 1 else int.from_bytes(data, sys.byteorder)  # IPv6 gives an int
    return Arrival(stamp_ns, ttl, tos)


def parse_error_queue(items: AncillaryItems, quoted: bytes = b"") -> TransmitStamp | IcmpError | None:
    """Read one entry of the error queue, and the data that came with it; ``None`` for neither stamp nor ICMP error."""
    stamp_ns = None
    for level, kind, data in items:
        if level == SOL_SOCKET and kind == SO_TIMESTAMPING:
            stamp_ns = _stamp(data)
        elif (level == SOL_IP and kind == IP_RECVERR) or (level == SOL_IPV6 and kind == IPV6_RECVERR):
            errno, origin, icmp_type, code, _, info, identifier = _EXTENDED_ERROR.unpack_from(data)
            if origin in _ORIGINS_ICMP:
                offender = _offender(data[_EXTENDED_ERROR.size :])
                return IcmpError(errno, icmp_type, code, info, offender, 4 if level == SOL_IP else 6, quoted)
            if origin == ORIGIN_TIMESTAMPING and stamp_ns is not None:
                return TransmitStamp(identifier, stamp_ns)
    return None


def arrival_layout(control: bytes) -> struct.Struct | None:
    """Return how to read stamp (s, ns), TTL and TOS at once from a control area that is like this one."""
    return _layout(control, _ARRIVAL_FORMS, 3)


def stamp_layout(control: bytes) -> struct.Struct | None:
    """Return how to read stamp (s, ns), origin and id at once from an error queue's entry that is like this one."""
    return _layout(control, _STAMP_FORMS, 2)


def _layout(control: bytes, forms: Mapping[tuple[int, int, int], str], items: int) -> struct.Struct | None:
    """Return how to read a control area of that many items, all in these forms and this order; ``None`` otherwise."""
    spans = control_spans(control)
    found = [(level, kind, end - at) for level, kind, at, end in spans]
    if len(found) != items or found != [form for form in forms if form in found]:
        return None
    layout, read = "=", 0
    for item, (_, _, at, _) in zip(found, spans, strict=True):
        layout += f"{at - read}x{forms[item]}"
        read = struct.calcsize(layout)
    return struct.Struct(f"{layout}{len(control) - read}x")


def parse_drops(memory: bytes) -> int:
    """Read from SO_MEMINFO how many datagrams the kernel dropped that were for this socket, modulo 2**32."""
    (drops,) = _MEMINFO_DROPS.unpack(memory)
    return int(drops)


def _stamp(data: bytes) -> int | None:
    """Return the software stamp, the first of three timespecs; the kernel writes zeros where it has none."""
    seconds, nanoseconds = _TIMESPEC.unpack_from(data)
    return seconds * 1_000_000_000 + nanoseconds or None


def _offender(address: bytes) -> str | None:
    """Read the sockaddr that follows sock_extended_err; family 0 means that the kernel does not know."""
    if len(address) < 8 or not _FAMILY.unpack_from(address)[0]:
        return None
    host, _ = host_and_port(address)
    return str(ip_address(host)) if len(host) in (4, 16) else None


def host_and_port(address: bytes | bytearray) -> tuple[bytes, int]:
    """Take a sockaddr_in or sockaddr_in6 apart: an address of 4 or 16 octets, and a port."""
    (family,) = _FAMILY.unpack_from(address)
    host = address[4:8] if family == _AF_INET else address[8:24]
    return bytes(host), int.from_bytes(address[2:4], "big")


def socket_address(host: bytes, port: int, scope: int = 0) -> bytes:
    """Put a sockaddr_in or sockaddr_in6 together as the kernel has it; ``scope`` is a link-local's interface."""
    if len(host) == 4:
        return _FAMILY.pack(_AF_INET) + port.to_bytes(2, "big") + host + bytes(8)
    return _FAMILY.pack(_AF_INET6) + port.to_bytes(2, "big") + bytes(4) + host + _SCOPE.pack(scope)


def control_message(level: int, kind: int, value: bytes) -> bytes:
    """Encode an item as sendmsg(2) takes it: a header of 16 octets, the value, padding to the next word."""
    size = _CONTROL_HEADER.size + len(value)
    return _CONTROL_HEADER.pack(size, level, kind) + value + bytes(-size % 8)


def control_items(control: bytes) -> list[tuple[int, int, bytes]]:
    """Take apart what recvmsg(2) wrote beside a datagram."""
    return [(level, kind, bytes(control[at:end])) for level, kind, at, end in control_spans(control)]


def control_spans(control: bytes) -> list[tuple[int, int, int, int]]:
    """Return level, kind, and where the value begins and ends, of each item beside a datagram."""
    spans = []
    at = 0
    while at + _CONTROL_HEADER.size <= len(control):
        size, level, kind = _CONTROL_HEADER.unpack_from(control, at)
        if size < _CONTROL_HEADER.size:
            break
        spans.append((level, kind, at + _CONTROL_HEADER.size, at + size))
        at += size + -size % 8
    return spans
