"""STAMP test packets (RFC 8762), which unauthenticated are TWAMP-Light's too (RFC 5357, appendix I). No I/O, no clock.

Unauthenticated, 44 octets
Session-Sender, section 4.2.1              Session-Reflector, section 4.3.1
     0  4  Sequence Number                      0  4  Sequence Number, the reflector's own
     4  8  Timestamp (T1)                       4  8  Timestamp (T3)
    12  2  Error Estimate                      12  2  Error Estimate, for offsets 4 and 16
    14  2  SSID (RFC 8972), else zero          14  2  SSID, else zero
    16 28  zero                                16  8  Receive Timestamp (T2)
    44     padding or TLVs (RFC 8972)          24  4  Session-Sender Sequence Number
                                               28  8  Session-Sender Timestamp (T1)
A TWAMP-Light sender needs only the first      36  2  Session-Sender Error Estimate, for offset 28
14 octets, and padding may follow from         38  2  zero
there. A TWAMP-Light reflector's answer        40  1  Session-Sender TTL
ends with the TTL, at 41 octets.               41  3  zero
                                               44     what followed the request's 44 octets

Authenticated, 112 octets
Session-Sender, section 4.2.2              Session-Reflector, section 4.3.2
     0  4  Sequence Number                      0  4  Sequence Number, the reflector's own
     4 12  zero                                 4 12  zero
    16  8  Timestamp (T1)                      16  8  Timestamp (T3)
    24  2  Error Estimate                      24  2  Error Estimate
    26  2  SSID                                26  2  SSID
    28 68  zero                                28  4  zero
    96 16  HMAC over the 96 octets before      32  8  Receive Timestamp (T2)
   112     TLVs                                40  8  zero
                                               48  4  Session-Sender Sequence Number
                                               52 12  zero
                                               64  8  Session-Sender Timestamp (T1)
                                               72  2  Session-Sender Error Estimate
                                               74  6  zero
                                               80  1  Session-Sender TTL
                                               81 15  zero
                                               96 16  HMAC
                                              112     TLVs

All numbers are big-endian. The parsers' invariant: a packet or :class:`StampError`, whatever the octets.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collectors.stamp.authentication import MAC_SIZE, Key
from collectors.stamp.extensions import RequestTlvs
from collectors.stamp.timestamp import ErrorEstimate, ntp_bits, ptp_bits, wall_from_timestamp
from collectors.stamp.tlv import Tlv

PORT = 862
"""Where reflectors listen unless told otherwise (RFC 8762, section 4.1)."""
BASE_SIZE = 44
AUTHENTICATED_BASE_SIZE = 112
AUTHENTICATED_SIZE = AUTHENTICATED_BASE_SIZE - MAC_SIZE
"""How many octets of an authenticated packet its HMAC covers, and where that stands."""
TWAMP_MINIMUM_SIZE = 14
"""The least a TWAMP-Light sender sends: sequence number, timestamp, error estimate (RFC 4656, section 4.1.2)."""
MAX_SIZE = 65_507
"""The payload of the largest UDP datagram over IPv4."""
UNKNOWN_TTL = 255
"""What a reflector writes that could not read the TTL (RFC 5357, section 4.2.1)."""

_HEAD = struct.Struct("!I8sH")
_SENDER = struct.Struct("!I8sHH28x")
_REQUEST = struct.Struct("!IQHH28x")  # the same, T1 as a number
_AUTHENTICATED_SENDER = struct.Struct("!I12x8sHH68x")
_AUTHENTICATED_REQUEST = struct.Struct("!I12xQHH68x")
_REFLECTOR = struct.Struct("!I8sHH8sI8sHxxB3x")
_REFLECTOR_UP_TO_T1 = struct.Struct("!I8sHH8sI8s")
_AUTHENTICATED_REFLECTOR = struct.Struct("!I12x8sHH4x8s8xI12x8sH6xB15x")
_SENDER_ERROR_ESTIMATE = slice(36, 38)
_SENDER_TTL = 40
_MAX_SEQUENCE = 0xFFFFFFFF
_MAX_SSID = 0xFFFF


class StampError(ValueError):
    """Octets that are no STAMP test packet, or values that fit in none."""


class NotAuthentic(StampError):  # noqa: N818  # the word of the standard; it is an error as its base says
    """The HMAC of a packet does not verify: it is discarded before anything of it is used (RFC 8762, section 4.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPacket:
    """A Session-Sender's test packet.

    ``timestamp`` is T1 as on the wire, 8 octets in the format that ``error_estimate`` names. ``ssid`` is ``None`` in
    the short packets of TWAMP-Light, whose ``trailing`` octets begin at offset 14; otherwise they begin behind the base
    packet.
    """

    sequence: int
    timestamp: bytes
    error_estimate: ErrorEstimate
    ssid: int | None = 0
    trailing: bytes = b""

    def __bytes__(self) -> bytes:
        if self.ssid is None:
            return _HEAD.pack(self.sequence, self.timestamp, int(self.error_estimate)) + self.trailing
        return _SENDER.pack(self.sequence, self.timestamp, int(self.error_estimate), self.ssid) + self.trailing

    def authenticated(self, key: Key) -> bytes:
        """Encode the packet in authenticated mode."""
        base = _AUTHENTICATED_SENDER.pack(self.sequence, self.timestamp, int(self.error_estimate), self.ssid or 0)
        return base + key.mac(base) + self.trailing

    def sent_ns(self, *, now_ns: int) -> int:
        """Return T1 as wall time."""
        return wall_from_timestamp(self.timestamp, ptp=self.error_estimate.ptp, now_ns=now_ns)


class ReflectorPacket(NamedTuple):
    """A Session-Reflector's answer.

    ``timestamp`` is T3 and ``received_timestamp`` T2, both by the reflector's clock in the format that
    ``error_estimate`` names; ``sender_timestamp`` is T1 as it came back, for comparison with what was sent: 8 octets
    each. ``sender_ttl`` and ``sender_error_estimate`` are ``None`` where the answer ends before them, as some
    TWAMP-Light reflectors' do.
    """

    # No dataclass: each answer makes one, a frozen one takes 2 µs for that, and this 0.4.

    sequence: int
    timestamp: bytes
    error_estimate: ErrorEstimate
    received_timestamp: bytes
    sender_sequence: int
    sender_timestamp: bytes
    sender_error_estimate: ErrorEstimate | None
    sender_ttl: int | None
    ssid: int = 0
    trailing: bytes = b""

    def sent_ns(self, *, now_ns: int) -> int:
        """Return T3 as wall time of the reflector."""
        return wall_from_timestamp(self.timestamp, ptp=self.error_estimate.ptp, now_ns=now_ns)

    def received_ns(self, *, now_ns: int) -> int:
        """Return T2 as wall time of the reflector."""
        return wall_from_timestamp(self.received_timestamp, ptp=self.error_estimate.ptp, now_ns=now_ns)

    def sender_sent_ns(self, *, now_ns: int) -> int:
        """Return T1 by the sender's clock, decoded with the sender's own Z bit."""
        ptp = self.sender_error_estimate is not None and self.sender_error_estimate.ptp
        return wall_from_timestamp(self.sender_timestamp, ptp=ptp, now_ns=now_ns)

    def __bytes__(self) -> bytes:
        """Encode all 44 octets and what follows them; an unknown error estimate becomes 0, an unknown TTL 255."""
        return _REFLECTOR.pack(*self._in_order()) + self.trailing

    def authenticated(self, key: Key) -> bytes:
        """Encode the packet in authenticated mode."""
        base = _AUTHENTICATED_REFLECTOR.pack(*self._in_order())
        return base + key.mac(base) + self.trailing

    def _in_order(self) -> tuple[int | bytes, ...]:
        """Return the fields in the order of both modes."""
        return (
            self.sequence,
            self.timestamp,
            int(self.error_estimate),
            self.ssid,
            self.received_timestamp,
            self.sender_sequence,
            self.sender_timestamp,
            int(self.sender_error_estimate or 0),
            UNKNOWN_TTL if self.sender_ttl is None else self.sender_ttl,
        )


def base_size(key: Key | None) -> int:
    """Return how many octets a packet has before its TLVs: with a key it is authenticated."""
    return BASE_SIZE if key is None else AUTHENTICATED_BASE_SIZE


class RequestForm:
    """A Session-Sender's packets, but for what differs in each: number, T1, and what authenticates them.

    A packet is authenticated where there is a key, and its T1 has the format of ``error_estimate``. It has ``size``
    octets, at least 44, or as many more as the authentication and the TLVs need; what is missing is Extra Padding
    (RFC 8972, section 4.1), padding to every kind of reflector. Raise :class:`StampError` for values out of range.
    """

    def __init__(
        self,
        *,
        error_estimate: ErrorEstimate,
        size: int,
        ssid: int = 0,
        key: Key | None = None,
        tlvs: Sequence[Tlv] = (),
    ) -> None:
        if not BASE_SIZE <= size <= MAX_SIZE:
            raise StampError(f"a STAMP packet has {BASE_SIZE} to {MAX_SIZE} octets, not {size}")
        if not 0 <= ssid <= _MAX_SSID:
            raise StampError(f"the SSID {ssid} must fit in 16 bits")
        if not error_estimate.multiplier:
            raise StampError("the error estimate must have a multiplier, which 0 is not")
        self._estimate_bits = int(error_estimate)
        self._ssid = ssid
        self._key = key
        self._timestamp_bits = ptp_bits if error_estimate.ptp else ntp_bits
        self._tlvs = RequestTlvs(tlvs, size=size - base_size(key), key=key)
        self._trailing = self._tlvs.octets(0) if key is None else b""

    def packet(self, sequence: int, wall_ns: int) -> bytes:
        """Encode the packet with this number, which leaves at ``wall_ns``."""
        if not 0 <= sequence <= _MAX_SEQUENCE:
            raise StampError(f"sequence number {sequence} must fit in 32 bits")
        timestamp = self._timestamp_bits(wall_ns)
        if self._key is None:
            return _REQUEST.pack(sequence, timestamp, self._estimate_bits, self._ssid) + self._trailing
        trailing = self._tlvs.octets(sequence)
        base = _AUTHENTICATED_REQUEST.pack(sequence, timestamp, self._estimate_bits, self._ssid)
        return base + self._key.mac(base) + trailing


def request(
    *,
    sequence: int,
    wall_ns: int,
    error_estimate: ErrorEstimate,
    size: int,
    ssid: int = 0,
    key: Key | None = None,
    tlvs: Sequence[Tlv] = (),
) -> bytes:
    """Encode one packet of a :class:`RequestForm`."""
    form = RequestForm(error_estimate=error_estimate, size=size, ssid=ssid, key=key, tlvs=tlvs)
    return form.packet(sequence, wall_ns)


def parse_sender_packet(data: bytes, *, key: Key | None = None) -> SenderPacket:
    """Decode a Session-Sender's packet, or without a key TWAMP-Light's from 14 octets on.

    Octets that must be zero are ignored when they are not. In a packet shorter than 44 octets offset 14 is padding,
    not an SSID. Raise :class:`StampError` for less, and where there is a key :class:`NotAuthentic`.
    """
    if key is not None:
        _verify(data, key)
        sequence, timestamp, error_bits, ssid = _AUTHENTICATED_SENDER.unpack_from(data)
        trailing = data[AUTHENTICATED_BASE_SIZE:]
    elif len(data) < TWAMP_MINIMUM_SIZE:
        raise StampError(f"a request has at least {TWAMP_MINIMUM_SIZE} octets, not {len(data)}")
    elif len(data) < BASE_SIZE:
        sequence, timestamp, error_bits = _HEAD.unpack_from(data)
        ssid, trailing = None, data[TWAMP_MINIMUM_SIZE:]
    else:
        sequence, timestamp, error_bits, ssid = _SENDER.unpack_from(data)
        trailing = data[BASE_SIZE:]
    return SenderPacket(
        sequence=sequence,
        timestamp=timestamp,
        error_estimate=ErrorEstimate.from_bits(error_bits),
        ssid=ssid,
        trailing=bytes(trailing),
    )


def parse_reflector_packet(data: bytes, *, key: Key | None = None) -> ReflectorPacket:
    """Decode a Session-Reflector's answer, or without a key TWAMP-Light's.

    Lenient from 36 octets on, since reflectors in the field end at 38 or 41 octets. Raise :class:`StampError` for less,
    and where there is a key :class:`NotAuthentic`.
    """
    if key is not None:
        return _parse_authenticated(data, key)
    if len(data) < BASE_SIZE:
        return _parse_short(data)
    number, t3, error_bits, ssid, t2, sender_number, t1, sender_error_bits, ttl = _REFLECTOR.unpack_from(data)
    # The order of the fields; their names would take as long as all the rest.
    estimate, sender_estimate = _error_estimate(error_bits), _error_estimate(sender_error_bits)
    return ReflectorPacket(number, t3, estimate, t2, sender_number, t1, sender_estimate, ttl, ssid, data[BASE_SIZE:])


def _parse_short(data: bytes) -> ReflectorPacket:
    if len(data) < _REFLECTOR_UP_TO_T1.size:
        raise StampError(f"an answer has at least {_REFLECTOR_UP_TO_T1.size} octets, not {len(data)}")
    sequence, timestamp, error_bits, ssid, received, sender_sequence, t1 = _REFLECTOR_UP_TO_T1.unpack_from(data)
    return ReflectorPacket(
        sequence=sequence,
        timestamp=timestamp,
        error_estimate=_error_estimate(error_bits),
        ssid=ssid,
        received_timestamp=received,
        sender_sequence=sender_sequence,
        sender_timestamp=t1,
        sender_error_estimate=_sender_error_estimate(data[_SENDER_ERROR_ESTIMATE]),
        sender_ttl=data[_SENDER_TTL] if len(data) > _SENDER_TTL else None,
    )


def _parse_authenticated(data: bytes, key: Key) -> ReflectorPacket:
    _verify(data, key)
    fields = _AUTHENTICATED_REFLECTOR.unpack_from(data)
    number, t3, error_bits, ssid, t2, sender_number, t1, sender_error_bits, ttl = fields
    estimate, sender_estimate = _error_estimate(error_bits), _error_estimate(sender_error_bits)
    trailing = data[AUTHENTICATED_BASE_SIZE:]
    return ReflectorPacket(number, t3, estimate, t2, sender_number, t1, sender_estimate, ttl, ssid, trailing)


def _verify(data: bytes, key: Key) -> None:
    """Raise :class:`StampError` for a packet that is too short, :class:`NotAuthentic` for one with a wrong HMAC."""
    if len(data) < AUTHENTICATED_BASE_SIZE:
        raise StampError(f"an authenticated packet has at least {AUTHENTICATED_BASE_SIZE} octets, not {len(data)}")
    if not key.verifies(data[:AUTHENTICATED_SIZE], data[AUTHENTICATED_SIZE:AUTHENTICATED_BASE_SIZE]):
        raise NotAuthentic("the HMAC does not verify: another key, or the packet was changed")


def _sender_error_estimate(octets: bytes) -> ErrorEstimate | None:
    return _error_estimate(int.from_bytes(octets, "big")) if len(octets) == 2 else None


# A peer repeats its estimate in every packet.
_error_estimate = functools.lru_cache(maxsize=64)(ErrorEstimate.from_bits)
