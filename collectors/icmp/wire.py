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
_REQUEST = struct.Struct(f"!BBHHH{TOKEN_SIZE}sI")
_WORDS = struct.Struct("!8H")
_REPLY = struct.Struct(f"!BB6x{TOKEN_SIZE}sI")
_TYPES = {4: (8, 0), 6: (128, 129)}  # request, reply
_MIN_IPV4_HEADER = 20


class EchoError(ValueError):
    """The octets are not an echo reply."""


class RequestForm:
    """A session's requests, but for what differs in each.

    They have ``size`` data octets (12 or more) and are for IP ``version`` 4 or 6.
    """

    def __init__(self, *, version: int, identifier: int, token: bytes, size: int) -> None:
        self._type, _ = _TYPES[version]
        self._identifier = identifier
        self._token = token
        self._rest = bytes(size - MIN_DATA_SIZE)
        # What all requests have in common is summed up once (RFC 1071, section 2); numbers are words of their own.
        self._sum = None if version == 6 else _sum_of_words(_HEADER.pack(self._type, 0, 0, identifier, 0) + token)

    def packet(self, sequence: int) -> bytes:
        """Encode the request with this number."""
        low = sequence & 0xFFFF
        checksum = 0 if self._sum is None else _folded(self._sum + 2 * low + (sequence >> 16 & 0xFFFF)) ^ 0xFFFF
        head = _REQUEST.pack(self._type, 0, checksum, self._identifier, low, self._token, sequence & 0xFFFFFFFF)
        return head + self._rest


def echo_request(*, version: int, identifier: int, sequence: int, token: bytes, size: int) -> bytes:
    """Encode one request of a :class:`RequestForm`."""
    return RequestForm(version=version, identifier=identifier, token=token, size=size).packet(sequence)


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
    reply_type, code, found, sequence = _REPLY.unpack_from(message, start)
    if reply_type != _TYPES[version][1] or code:
        raise EchoError(f"type {reply_type}, code {code} is not an echo reply")
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


def _sum_of_words(octets: bytes) -> int:
    return sum(_WORDS.unpack(octets))


def _folded(total: int) -> int:
    """Return a sum of words in ones' complement (RFC 1071)."""
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total
