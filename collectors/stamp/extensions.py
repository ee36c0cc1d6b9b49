"""What both ends do with the TLVs of STAMP test packets (RFC 8972, section 4). No I/O, no clock.

A sender asks with values that a reflector fills in; the answer is as long as the question. The HMAC TLV vouches for
all TLVs before it and for the base packet's sequence number. What fails it, or lacks it where it must be, is neither
acted upon nor believed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from collectors.stamp.answers import ANSWERS, Reception
from collectors.stamp.authentication import MAC_SIZE, Key
from collectors.stamp.chain import (
    CLASS_OF_SERVICE,
    EXTRA_PADDING,
    FOLLOW_UP_TELEMETRY,
    HEADER_SIZE,
    HMAC,
    INTEGRITY,
    MALFORMED,
    TLV_NAMES,
    UNRECOGNISED,
    Layout,
    Tlv,
    TlvError,
    TlvType,
    extra_padding,
    header,
    is_padding_alone,
    layout,
)
from collectors.stamp.sealing import seal, sequence_octets, vouched_for
from collectors.stamp.tlv import (
    ADDRESS_SIZE,
    FOLLOW_UP_SIZE,
    ClassOfService,
    DirectMeasurement,
    FollowUp,
    Location,
    SubTlvType,
    TimestampInformation,
)

__all__ = [
    "ASK_FOLLOW_UP",
    "ASK_LOCATION",
    "ASK_TIMESTAMP_INFORMATION",
    "Reception",
    "Reflected",
    "Telemetry",
    "ask_class_of_service",
    "ask_direct_measurement",
    "read_tlvs",
    "reflect_tlvs",
    "request_tlvs",
]

ASK_FOLLOW_UP: Final = Tlv(UNRECOGNISED, TlvType.FOLLOW_UP_TELEMETRY, bytes(FOLLOW_UP_SIZE))
ASK_TIMESTAMP_INFORMATION: Final = Tlv(UNRECOGNISED, TlvType.TIMESTAMP_INFORMATION, bytes(TimestampInformation()))
_ASK_ADDRESSES = tuple(
    Tlv(UNRECOGNISED, kind, bytes(ADDRESS_SIZE)) for kind in (SubTlvType.DESTINATION_ADDRESS, SubTlvType.SOURCE_ADDRESS)
)
ASK_LOCATION: Final = Tlv(UNRECOGNISED, TlvType.LOCATION, bytes(Location(sub_tlvs=_ASK_ADDRESSES)))

_U32 = 0xFFFFFFFF
_NO_TIME = bytes(8)


def ask_class_of_service(dscp: int) -> Tlv:
    """Ask for a reply with ``dscp``, and for the marks that arrive; raise :class:`TlvError` if it is not 0 to 63."""
    return Tlv(UNRECOGNISED, TlvType.CLASS_OF_SERVICE, bytes(ClassOfService(dscp1=dscp)))


def ask_direct_measurement(sent: int) -> Tlv:
    """Ask how many packets arrived and were answered, telling that ``sent`` were sent, this one included."""
    return Tlv(UNRECOGNISED, TlvType.DIRECT_MEASUREMENT, bytes(DirectMeasurement(sent=sent & _U32)))


class RequestTlvs:
    """What follows a request's base packet: ``size`` octets, or more where the TLVs need more.

    With a key the HMAC TLV follows what it vouches for; it alone differs from packet to packet. Padding comes last and
    needs no HMAC TLV (section 4.8).
    """

    def __init__(self, asked: Sequence[Tlv], *, size: int, key: Key | None) -> None:
        self._asked = b"".join([header(UNRECOGNISED, tlv.type, len(tlv.value)) + tlv.value for tlv in asked])
        self._key = key if any(tlv.type != EXTRA_PADDING for tlv in asked) else None
        missing = size - len(self._asked) - (0 if self._key is None else _SEAL_SIZE)
        self._padding = extra_padding(missing) if missing > 0 else b""

    def octets(self, sequence: int) -> bytes:
        """Return them for the packet of this number."""
        if self._key is None:
            return self._asked + self._padding
        return self._asked + _ASK_SEAL + seal(self._asked, sequence, self._key) + self._padding


def request_tlvs(asked: Sequence[Tlv], *, sequence: int, size: int, key: Key | None) -> bytes:
    """Encode the :class:`RequestTlvs` of one packet."""
    return RequestTlvs(asked, size=size, key=key).octets(sequence)


class Reflected(NamedTuple):
    """A reply's trailing octets, and what they oblige the reflector to.

    The reply has to be sent with ``dscp`` where that is not ``None``. ``wants_follow_up``: the sender wants to be told
    with the next reply when this one left.
    """

    trailing: bytes
    dscp: int | None
    wants_follow_up: bool


def reflect_tlvs(
    trailing: bytes, *, sender_sequence: bytes, reception: Reception, key: Key | None, authenticated: bool
) -> Reflected:
    """Answer a request's TLVs, whatever their octets; the answer is exactly as long.

    ``sender_sequence`` is the request's Sequence Number, 4 octets. Every DSCP that is asked for is granted. From a
    malformed TLV on, octets are copied. In authenticated mode TLVs need an HMAC TLV; without a key, it is not known.
    """
    if is_padding_alone(trailing):
        return Reflected(b"\0" + trailing[1:], None, False)
    chain = layout(trailing)
    if (authenticated or key is not None) and not vouched_for(
        trailing, chain, sender_sequence, key, required=authenticated
    ):
        return Reflected(_refused(trailing, chain), None, False)
    octets = bytearray(trailing)
    dscp: int | None = None
    wants_follow_up = False
    for _, kind, at, end in chain.spans:
        try:
            octets[at] = _answer(octets, kind, at, end, reception, key)
        except TlvError:
            octets[at] = MALFORMED
            return Reflected(bytes(octets), dscp, wants_follow_up)
        if kind == CLASS_OF_SERVICE:
            dscp = octets[at + HEADER_SIZE] >> 2
        elif kind == FOLLOW_UP_TELEMETRY:
            wants_follow_up = True
    if chain.overruns:
        octets[chain.end] = MALFORMED
    return Reflected(bytes(octets), dscp, wants_follow_up)


def _answer(octets: bytearray, kind: int, at: int, end: int, reception: Reception, key: Key | None) -> int:
    """Fill in one value, all TLVs before it being final, and return the TLV's flags."""
    value = slice(at + HEADER_SIZE, end)
    fill = ANSWERS.get(kind)
    if fill is not None:
        octets[value] = fill(bytes(octets[value]), reception)
    elif kind == HMAC and key is not None:
        octets[value] = seal(bytes(octets[:at]), reception.reply_sequence, key)
    elif kind != EXTRA_PADDING:
        return UNRECOGNISED
    return 0


def _refused(trailing: bytes, chain: Layout) -> bytes:
    """Mark every TLV as failed; of one that overruns the packet, also say so."""
    octets = bytearray(trailing)
    for _, _, at, _ in chain.spans:
        octets[at] = INTEGRITY
    if chain.overruns:
        octets[chain.end] = INTEGRITY | MALFORMED
    return bytes(octets)


class Telemetry(NamedTuple):
    """What a reply's TLVs say; ``None`` is what they do not.

    ``understood`` are the types that the reflector knows, its own word. ``malformed``: it called a TLV of ours so, or
    the reply's are, and what follows that TLV is ignored. ``not_authentic``: the reflector could not verify our TLVs,
    or nothing verifies what it says in its own; all of it is ignored.
    """

    understood: frozenset[TlvType] = frozenset()
    class_of_service: ClassOfService | None = None
    direct_measurement: DirectMeasurement | None = None
    follow_up: FollowUp | None = None
    location: Location | None = None
    timestamp_information: TimestampInformation | None = None
    malformed: bool = False
    not_authentic: bool = False


def read_tlvs(trailing: bytes, *, sequence: int, key: Key | None) -> Telemetry:
    """Read the TLVs of a reply whose own Sequence Number is ``sequence``, whatever their octets.

    With a key, what the reflector understood needs a valid HMAC TLV. Where it understood nothing, as one without TLVs
    that copies what it gets, there is nothing to be believed, hence nothing to be verified.
    """
    if trailing.startswith(_FOLLOW_UP_HEADER):
        usual = _read_usual(trailing, sequence, key)
        if usual is not None:
            return usual
    if is_padding_alone(trailing) and trailing[0] in _PADDING_ALONE:
        return _PADDING_ALONE[trailing[0]]
    chain = layout(trailing)
    if chain.flags & INTEGRITY:
        return _NOT_AUTHENTIC
    telemetry = _read(trailing, chain)
    if key is None or telemetry.understood <= _PADDING_ONLY:
        return telemetry
    if vouched_for(trailing, chain, sequence_octets(sequence), key, required=True):
        return telemetry
    return Telemetry(malformed=telemetry.malformed, not_authentic=True)


def _read_usual(trailing: bytes, sequence: int, key: Key | None) -> Telemetry | None:
    """Read what most replies of a reflector like ours carry, in 2 µs instead of 5; ``None`` for anything else.

    That is Follow-Up Telemetry, with a key the HMAC TLV, and then padding or nothing.
    """
    end, understood = _FOLLOW_UP_END, _USUAL
    if key is not None:
        seal_at, end, understood = end + HEADER_SIZE, end + _SEAL_SIZE, _USUAL_SEALED
        if trailing[_FOLLOW_UP_END:seal_at] != _SEAL_HEADER:
            return None
        if not key.verifies(sequence_octets(sequence) + trailing[:_FOLLOW_UP_END], trailing[seal_at:end]):
            return None
    padding = trailing[end:]
    if len(trailing) < end or (padding and (padding[0] or not is_padding_alone(padding))):
        return None
    return Telemetry(understood[bool(padding)], follow_up=_follow_up(trailing[HEADER_SIZE:_FOLLOW_UP_END]))


def _read(trailing: bytes, chain: Layout) -> Telemetry:
    understood: list[TlvType] = []
    values: dict[str, Any] = {}
    malformed = chain.overruns
    for flags, kind, at, end in chain.spans:
        if flags & MALFORMED:
            malformed = True
            break
        if flags & UNRECOGNISED or kind not in _READERS:
            continue
        known, name, parse = _READERS[kind]
        if parse is not None:
            try:
                values[name] = parse(trailing[at + HEADER_SIZE : end])
            except TlvError:
                malformed = True
                break
        understood.append(known)
    return Telemetry(understood=frozenset(understood), malformed=malformed, **values)


def _follow_up(value: bytes) -> FollowUp | None:
    """Read when the previous reply left; a reflector that does not know writes zeros."""
    follow_up = FollowUp.parse(value)
    return None if follow_up.timestamp == _NO_TIME else follow_up


_remembering = functools.lru_cache(maxsize=16)  # a reflector says the same in nearly every reply

_READERS: Mapping[int, tuple[TlvType, str, Callable[[bytes], object] | None]] = {
    kind: (kind, TLV_NAMES[kind], parse)
    for kind, parse in {
        TlvType.EXTRA_PADDING: None,
        TlvType.LOCATION: _remembering(Location.parse),
        TlvType.TIMESTAMP_INFORMATION: _remembering(TimestampInformation.parse),
        TlvType.CLASS_OF_SERVICE: _remembering(ClassOfService.parse),
        TlvType.DIRECT_MEASUREMENT: DirectMeasurement.parse,
        TlvType.ACCESS_REPORT: None,
        TlvType.FOLLOW_UP_TELEMETRY: _follow_up,
        TlvType.HMAC: None,
    }.items()
}
"""The fields of :class:`Telemetry` have the names that users know the TLVs by."""

_NOT_AUTHENTIC = Telemetry(not_authentic=True)
_PADDING_ONLY = frozenset((TlvType.EXTRA_PADDING,))
_USUAL = (frozenset((TlvType.FOLLOW_UP_TELEMETRY,)), frozenset((TlvType.FOLLOW_UP_TELEMETRY, *_PADDING_ONLY)))
_USUAL_SEALED = (_USUAL[0] | {TlvType.HMAC}, _USUAL[1] | {TlvType.HMAC})
_SEAL_HEADER, _ASK_SEAL = header(0, HMAC, MAC_SIZE), header(UNRECOGNISED, HMAC, MAC_SIZE)
_SEAL_SIZE = HEADER_SIZE + MAC_SIZE
_FOLLOW_UP_HEADER = header(0, FOLLOW_UP_TELEMETRY, FOLLOW_UP_SIZE)
_FOLLOW_UP_END = HEADER_SIZE + FOLLOW_UP_SIZE
_PADDING_ALONE = {0: Telemetry(understood=_PADDING_ONLY), UNRECOGNISED: Telemetry()}
