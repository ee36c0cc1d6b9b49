"""What the values of STAMP's TLVs say (RFC 8972, section 4). No I/O, no clock.

  Type                     Length  Value
     1  Extra Padding         any  anything
     2  Location              4 +  Destination Port 2, Source Port 2, sub-TLVs of the same layout
     3  Timestamp Information 4 +  Sync Source In 1, Timestamp In 1, Sync Source Out 1, Timestamp Out 1
     4  Class of Service        4  DSCP1 6 bits, DSCP2 6 bits, ECN 2 bits, RP 2 bits, zero 16 bits
     5  Direct Measurement     12  sender's packets 4, reflector's received 4, reflector's sent 4
     6  Access Report           4  not supported here
     7  Follow-Up Telemetry    16  Sequence Number 4, Timestamp 8, Timestamp Mode 1, zero 3
     8  HMAC                   16  over the base packet's Sequence Number and all TLVs before this one

The parsers' invariant: a value or :class:`TlvError`, whatever the octets.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Any, NamedTuple

from collectors.stamp.chain import (
    INTEGRITY,
    MALFORMED,
    TLV_NAMES,
    UNRECOGNISED,
    Chain,
    Tlv,
    TlvError,
    TlvType,
    carries_tlvs,
    extra_padding,
    is_padding_alone,
    parse_chain,
)

__all__ = [
    "INTEGRITY",
    "MALFORMED",
    "METHOD_NAMES",
    "SYNC_SOURCE_NAMES",
    "TLV_NAMES",
    "UNRECOGNISED",
    "Chain",
    "ClassOfService",
    "DirectMeasurement",
    "FollowUp",
    "Location",
    "Method",
    "SubTlvType",
    "SyncSource",
    "TimestampInformation",
    "Tlv",
    "TlvError",
    "TlvType",
    "carries_tlvs",
    "extra_padding",
    "is_padding_alone",
    "parse_chain",
]


class SubTlvType(IntEnum):
    """What a Location TLV asks for, and the specific types that its answers have (RFC 8972, section 4.2)."""

    SOURCE_MAC = 1
    DESTINATION_ADDRESS = 4
    DESTINATION_IPV4 = 5
    DESTINATION_IPV6 = 6
    SOURCE_ADDRESS = 7
    SOURCE_IPV4 = 8
    SOURCE_IPV6 = 9


class SyncSource(IntEnum):
    """What a clock follows (RFC 8972, section 5.5)."""

    NTP = 1
    PTP = 2
    SSU_BITS = 3
    GNSS = 4
    FREE_RUNNING = 5


class Method(IntEnum):
    """Where a timestamp is taken (RFC 8972, section 5.6)."""

    HARDWARE = 1
    SOFTWARE = 2
    CONTROL_PLANE = 3


SYNC_SOURCE_NAMES: Mapping[int, str] = MappingProxyType({int(source): source.name.lower() for source in SyncSource})
METHOD_NAMES: Mapping[int, str] = MappingProxyType({int(method): method.name.lower() for method in Method})

ADDRESS_SIZE = 16
"""Octets of an address in a sub-TLV; IPv4's four come first, then zeros."""

_PORTS = struct.Struct("!HH")
_CLASS_OF_SERVICE = struct.Struct("!I")
_DIRECT_MEASUREMENT = struct.Struct("!III")
_FOLLOW_UP = struct.Struct("!I8sB3x")
FOLLOW_UP_SIZE = _FOLLOW_UP.size


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassOfService:
    """Marks there and back (section 4.4): ``dscp1`` is asked for the reply, ``dscp2`` and ``ecn`` are what arrived.

    ``rp`` is 1 where the reflector's policy did not permit ``dscp1``.
    """

    dscp1: int
    dscp2: int = 0
    ecn: int = 0
    rp: int = 0

    @classmethod
    def parse(cls, value: bytes) -> ClassOfService:
        """Decode the 4 octets of a value; the 16 reserved bits are ignored."""
        (word,) = _unpacked(_CLASS_OF_SERVICE, value)
        return cls(dscp1=word >> 26, dscp2=word >> 20 & 0x3F, ecn=word >> 18 & 3, rp=word >> 16 & 3)

    def __bytes__(self) -> bytes:
        if (self.dscp1 | self.dscp2) >> 6 or (self.ecn | self.rp) >> 2:
            raise TlvError(f"a DSCP is 0 to 63, ECN and RP are 0 to 3; not so in {self}")
        return _CLASS_OF_SERVICE.pack(self.dscp1 << 26 | self.dscp2 << 20 | self.ecn << 18 | self.rp << 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectMeasurement:
    """Packets of the session so far, each modulo 2^32 (section 4.5)."""

    sent: int
    reflector_received: int = 0
    reflector_sent: int = 0

    @classmethod
    def parse(cls, value: bytes) -> DirectMeasurement:
        """Decode the 12 octets of a value."""
        sent, reflector_received, reflector_sent = _unpacked(_DIRECT_MEASUREMENT, value)
        return cls(sent=sent, reflector_received=reflector_received, reflector_sent=reflector_sent)

    def __bytes__(self) -> bytes:
        return _packed(_DIRECT_MEASUREMENT, self.sent, self.reflector_received, self.reflector_sent)


class FollowUp(NamedTuple):
    """When the reply before this one really left (section 4.7).

    ``sequence`` is the reflector's number of that reply; ``timestamp`` is as on the wire, 8 octets in the format that
    the base packet's Z bit names; ``mode`` is a :class:`Method`.
    """

    sequence: int
    timestamp: bytes
    mode: int = Method.SOFTWARE

    @classmethod
    def parse(cls, value: bytes) -> FollowUp:
        """Decode the 16 octets of a value."""
        return cls(*_unpacked(_FOLLOW_UP, value))

    def __bytes__(self) -> bytes:
        if len(self.timestamp) != 8:
            raise TlvError(f"a timestamp has 8 octets, not {len(self.timestamp)}")
        return _packed(_FOLLOW_UP, self.sequence, self.timestamp, self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampInformation:
    """What the reflector's clock follows, and where T2 (in) and T3 (out) are taken (section 4.3); 0 is not reported."""

    sync_source_in: int = 0
    method_in: int = 0
    sync_source_out: int = 0
    method_out: int = 0

    @classmethod
    def parse(cls, value: bytes) -> TimestampInformation:
        """Decode the first 4 octets of a value; sub-TLVs, of which the RFC defines none, may follow."""
        if len(value) < 4:
            raise TlvError(f"Timestamp Information has at least 4 octets, not {len(value)}")
        return cls(sync_source_in=value[0], method_in=value[1], sync_source_out=value[2], method_out=value[3])

    def __bytes__(self) -> bytes:
        try:
            return bytes((self.sync_source_in, self.method_in, self.sync_source_out, self.method_out))
        except ValueError:
            raise TlvError(f"all codes are 0 to 255; not so in {self}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The addresses and ports of a request as they arrived (section 4.2): other than sent, where there is NAT."""

    destination_port: int = 0
    source_port: int = 0
    sub_tlvs: tuple[Tlv, ...] = ()

    @classmethod
    def parse(cls, value: bytes) -> Location:
        """Decode a value: 4 octets, and sub-TLVs that end where it ends."""
        destination_port, source_port = _unpacked(_PORTS, value[: _PORTS.size])
        chain = parse_chain(value[_PORTS.size :])
        if chain.rest:
            raise TlvError("the sub-TLVs of a Location do not end where it ends")
        return cls(destination_port=destination_port, source_port=source_port, sub_tlvs=chain.tlvs)

    @property
    def source(self) -> str | None:
        """The sender's address as the reflector saw it, ``10.0.0.1:4000`` or ``[::1]:4000``; ``None`` if not said."""
        return self._endpoint(SubTlvType.SOURCE_IPV4, SubTlvType.SOURCE_IPV6, self.source_port)

    @property
    def destination(self) -> str | None:
        """The address that the request arrived at; ``None`` if not said."""
        return self._endpoint(SubTlvType.DESTINATION_IPV4, SubTlvType.DESTINATION_IPV6, self.destination_port)

    def _endpoint(self, ipv4: int, ipv6: int, port: int) -> str | None:
        for sub in self.sub_tlvs:
            if sub.flags & (UNRECOGNISED | MALFORMED) or len(sub.value) != ADDRESS_SIZE or not any(sub.value):
                continue
            if sub.type == ipv4:
                return f"{IPv4Address(sub.value[:4])}:{port}"
            if sub.type == ipv6:
                return f"[{IPv6Address(sub.value)}]:{port}"
        return None

    def __bytes__(self) -> bytes:
        return _packed(_PORTS, self.destination_port, self.source_port) + b"".join(map(bytes, self.sub_tlvs))


def _packed(form: struct.Struct, *values: int | bytes) -> bytes:
    try:
        return form.pack(*values)
    except struct.error as error:
        raise TlvError(f"{values} do not fit in {form.size} octets: {error}") from error


def _unpacked(form: struct.Struct, value: bytes) -> tuple[Any, ...]:
    try:
        return form.unpack(value)
    except struct.error:
        raise TlvError(f"{form.size} octets are needed, not {len(value)}") from None
