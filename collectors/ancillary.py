"""What the kernel tells beside a datagram: stamps, TTL, TOS, and the entries of a socket's error queue. No I/O.

The numbers are those of Linux's uapi headers; Python's socket module lacks most of them before 3.14.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

SOL_SOCKET = 1
SO_RCVBUFFORCE = 33
SO_TIMESTAMPING = 37
SCM_TS_OPT_ID = 81
SOL_IP = 0
IP_TOS = 1
IP_TTL = 2
IP_PKTINFO = 8
IP_MTU_DISCOVER = 10
IP_RECVERR = 11
IP_RECVTTL = 12
IP_RECVTOS = 13
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

_TIMESPEC = struct.Struct("@qq")
_INT = struct.Struct("@i")
_EXTENDED_ERROR = struct.Struct("@IBBBBII")  # sock_extended_err: errno, origin, type, code, pad, info, data
_ORIGIN_TIMESTAMPING = 4
_ORIGINS_ICMP = (2, 3)
_FAMILY = struct.Struct("@H")
_AF_INET = 2

AncillaryItems = Sequence[tuple[int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came beside a datagram: the kernel's receive stamp (wall, ns), TTL or hop limit, TOS or traffic class."""

    stamp_ns: int | None = None
    ttl: int | None = None
    tos: int | None = None


@dataclass(frozen=True, slots=True)
class TransmitStamp:
    """The kernel handed the packet with this id to the device at this wall time."""

    id: int
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class IcmpError:
    """A router or host answered one of our packets with an ICMP error.

    ``errno`` is the kernel's translation; ``info`` the next hop's MTU for EMSGSIZE; ``offender`` who said so.
    """

    errno: int
    type: int
    code: int
    info: int
    offender: str | None


def parse_arrival(items: AncillaryItems) -> Arrival:
    """Read the ancillary items of a received datagram; unknown ones are passed over."""
    stamp_ns = ttl = tos = None
    for level, kind, data in items:
        if level == SOL_SOCKET and kind == SO_TIMESTAMPING:
            stamp_ns = _stamp(data)
        elif (level == SOL_IP and kind == IP_TTL) or (level == SOL_IPV6 and kind == IPV6_HOPLIMIT):
            ttl = _INT.unpack_from(data)[0]
        elif (level == SOL_IP and kind == IP_TOS) or (level == SOL_IPV6 and kind == IPV6_TCLASS):
            tos = data[0]  # IPv4 gives one octet, IPv6 an int whose low octet comes first on little-endian hosts
    return Arrival(stamp_ns, ttl, tos)


def parse_error_queue(items: AncillaryItems) -> TransmitStamp | IcmpError | None:
    """Read one entry of the error queue; ``None`` for what is neither a stamp nor an ICMP error."""
    stamp_ns = None
    for level, kind, data in items:
        if level == SOL_SOCKET and kind == SO_TIMESTAMPING:
            stamp_ns = _stamp(data)
        elif (level == SOL_IP and kind == IP_RECVERR) or (level == SOL_IPV6 and kind == IPV6_RECVERR):
            errno, origin, icmp_type, code, _, info, identifier = _EXTENDED_ERROR.unpack_from(data)
            if origin in _ORIGINS_ICMP:
                return IcmpError(errno, icmp_type, code, info, _offender(data[_EXTENDED_ERROR.size :]))
            if origin == _ORIGIN_TIMESTAMPING and stamp_ns is not None:
                return TransmitStamp(identifier, stamp_ns)
    return None


def _stamp(data: bytes) -> int | None:
    """Return the software stamp, the first of three timespecs; the kernel writes zeros where it has none."""
    seconds, nanoseconds = _TIMESPEC.unpack_from(data)
    return seconds * 1_000_000_000 + nanoseconds or None


def _offender(address: bytes) -> str | None:
    """Read the sockaddr that follows sock_extended_err; family 0 means that the kernel does not know."""
    if len(address) < 8:
        return None
    (family,) = _FAMILY.unpack_from(address)
    if family == _AF_INET:
        return str(ip_address(address[4:8]))
    return str(ip_address(address[8:24])) if family and len(address) >= 24 else None
