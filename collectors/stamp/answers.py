"""What a reflector writes into the values of a request's TLVs (RFC 8972, sections 4.2 to 4.7). No I/O, no clock."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from collectors.stamp.chain import UNRECOGNISED, Tlv, TlvError, TlvType
from collectors.stamp.tlv import (
    ADDRESS_SIZE,
    FOLLOW_UP_SIZE,
    ClassOfService,
    DirectMeasurement,
    FollowUp,
    Location,
    Method,
    SubTlvType,
    SyncSource,
    TimestampInformation,
)

_U32 = 0xFFFFFFFF
_NO_FOLLOW_UP = bytes(FOLLOW_UP_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What a reflector knows of a request that its TLVs may ask for.

    ``source`` and ``destination`` are addresses of 4 or 16 octets. ``tos`` is the octet as received. ``received``
    counts this session's packets and ``sent`` its replies, this one included. ``previous`` is about the reply before
    this one; ``None`` where it is not known.
    """

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int
    tos: int
    reply_sequence: int
    received: int
    sent: int
    previous: FollowUp | None
    synchronised: bool


def _location(value: bytes, reception: Reception) -> bytes:
    asked = Location.parse(value)
    answer = Location(
        destination_port=reception.destination_port,
        source_port=reception.source_port,
        sub_tlvs=tuple(_sub_tlv(sub, reception) for sub in asked.sub_tlvs),
    )
    return bytes(answer)


def _sub_tlv(asked: Tlv, reception: Reception) -> Tlv:
    """Answer with the specific type. A UDP socket does not see the sender's MAC address, so that stays unrecognised."""
    if asked.type == SubTlvType.SOURCE_ADDRESS:
        return _address(asked, reception.source, SubTlvType.SOURCE_IPV4, SubTlvType.SOURCE_IPV6)
    if asked.type == SubTlvType.DESTINATION_ADDRESS:
        return _address(asked, reception.destination, SubTlvType.DESTINATION_IPV4, SubTlvType.DESTINATION_IPV6)
    return replace(asked, flags=UNRECOGNISED)


def _address(asked: Tlv, address: bytes, ipv4: SubTlvType, ipv6: SubTlvType) -> Tlv:
    if len(asked.value) != ADDRESS_SIZE:
        raise TlvError(f"an address has {ADDRESS_SIZE} octets, not {len(asked.value)}")
    return Tlv(0, ipv4 if len(address) == 4 else ipv6, address.ljust(ADDRESS_SIZE, b"\0"))


def _timestamp_information(value: bytes, reception: Reception) -> bytes:
    TimestampInformation.parse(value)
    source = SyncSource.NTP if reception.synchronised else SyncSource.FREE_RUNNING
    answer = bytes((source, Method.SOFTWARE, source, Method.SOFTWARE))
    return answer + value[len(answer) :]


def _class_of_service(value: bytes, reception: Reception) -> bytes:
    return _granted(value, reception.tos)


@functools.lru_cache(maxsize=256)  # a sender asks for the same in every packet, and packets arrive with the same marks
def _granted(value: bytes, tos: int) -> bytes:
    """Grant the DSCP that is asked for, and show the marks that arrived.

    The RFC's text puts both of them into the DSCP2 field, which has room for one: ECN has a field of its own.
    """
    return bytes(ClassOfService(dscp1=ClassOfService.parse(value).dscp1, dscp2=tos >> 2, ecn=tos & 3))


def _direct_measurement(value: bytes, reception: Reception) -> bytes:
    asked = DirectMeasurement.parse(value)
    answer = DirectMeasurement(
        sent=asked.sent, reflector_received=reception.received & _U32, reflector_sent=reception.sent & _U32
    )
    return bytes(answer)


def _follow_up(value: bytes, reception: Reception) -> bytes:
    if len(value) != FOLLOW_UP_SIZE:
        raise TlvError(f"Follow-Up Telemetry has {FOLLOW_UP_SIZE} octets, not {len(value)}")
    return _NO_FOLLOW_UP if reception.previous is None else bytes(reception.previous)


ANSWERS: Mapping[int, Callable[[bytes, Reception], bytes]] = {
    TlvType.LOCATION: _location,
    TlvType.TIMESTAMP_INFORMATION: _timestamp_information,
    TlvType.CLASS_OF_SERVICE: _class_of_service,
    TlvType.DIRECT_MEASUREMENT: _direct_measurement,
    TlvType.FOLLOW_UP_TELEMETRY: _follow_up,
}
"""How a value is filled in, of the same length; each raises :class:`TlvError` for a value of the wrong length."""
