"""The ICMP echo packet (RFC 792, RFC 4443). No I/O.

==  ====  =====================================================================
at  size  field
==  ====  =====================================================================
0   1     type: 8 request, 0 reply; ICMPv6 128 and 129
1   1     code: 0
2   2     checksum (over the message; ICMPv6's, over a pseudo header too, is the kernel's work)
4   2     identifier (a ping socket's is set by the kernel)
6   2     sequence number, low 16 bits
8   8     token of the session
16  4     sequence number, 32 bits
20  n     zeros
==  ====  =====================================================================
"""

from __future__ import annotations

import struct

from collectors.roundtrip import Quote

HEADER_SIZE = 8
MIN_DATA_SIZE = 12
TOKEN_SIZE = 8

_HEADER = struct.Struct("!BBHHH")
_DATA = struct.Struct(f"!{TOKEN_SIZE}sI")
_TYPES = {4: (8, 0), 6: (128, 129)}  # request, reply
_MIN_IPV4_HEADER = 20


class EchoError(ValueError):
    """The octets are not an echo reply."""


def echo_request(*, version: int, identifier: int, sequence: int, token: bytes, size: int) -> bytes:
    """Build a request with ``size`` data octets (12 or more) for IP ``version`` 4 or 6."""
    data = _DATA.pack(token, sequence & 0xFFFFFFFF).ljust(size, b"\0")
    request_type, _ = _TYPES[version]
    message = _HEADER.pack(request_type, 0, 0, identifier, sequence & 0xFFFF) + data
    if version == 6:
        return message
    return message[:2] + _checksum(message).to_bytes(2, "big") + message[4:]


def parse_echo_reply(message: bytes, *, version: int, token: bytes, with_ip_header: bool) -> int:
    """Return the 32-bit sequence number of a reply that carries ``token``.

    ``with_ip_header``: the octets begin with the IPv4 header, as raw sockets deliver them. Raise :class:`EchoError`
    for anything else than a reply with this token, and never another error.
    """
    start = (message[0] & 15) * 4 if with_ip_header and message else 0
    if with_ip_header and start < _MIN_IPV4_HEADER:
        raise EchoError("no IPv4 header")
    if len(message) < start + HEADER_SIZE + MIN_DATA_SIZE:
        raise EchoError("too short for an echo reply")
    reply_type, code, *_ = _HEADER.unpack_from(message, start)
    if (reply_type, code) != (_TYPES[version][1], 0):
        raise EchoError(f"type {reply_type}, code {code} is not an echo reply")
    found, sequence = _DATA.unpack_from(message, start + HEADER_SIZE)
    if found != token:
        raise EchoError("the reply to another session")
    return int(sequence)


def parse_quoted_request(message: bytes, *, version: int, token: bytes, identifier: int | None) -> Quote:
    """Read from an echo request, or its beginning, that an ICMP error quotes which packet of the session it was.

    ``identifier``: the session's, where the kernel has not compared it already. Raise :class:`EchoError` for anything
    else than a request of this session, and never another error.
    """
    if len(message) < HEADER_SIZE:
        raise EchoError("too short for an echo request")
    request_type, _, _, its_identifier, low_16_bits = _HEADER.unpack_from(message)
    if request_type != _TYPES[version][0] or identifier not in (None, its_identifier):
        raise EchoError("not an echo request of this session")
    data = message[HEADER_SIZE:]
    if not data.startswith(token[: len(data)]):
        raise EchoError("the request of another session")
    if len(data) < MIN_DATA_SIZE:
        return Quote(low_16_bits, 16)
    return Quote(_DATA.unpack_from(data)[1], 32)


def _checksum(message: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = message + b"\0" * (len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
