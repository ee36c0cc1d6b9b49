"""Messages of TWAMP-Control in unauthenticated mode (RFC 5357, section 3; RFC 4656, section 3). No I/O, no clock.

Server-Greeting, server to client         Set-Up-Response, client to server
     0 12  unused                               0  4  Mode, the one chosen; 0: none will do
    12  4  Modes, bits of what is offered       4 80  KeyID
    16 16  Challenge                           84 64  Token
    32 16  Salt                               148 16  Client-IV
    48  4  Count                              164
    52 12  zero                           Server-Start, server to client
    64                                          0 15  zero
Request-TW-Session, client to server           15  1  Accept
     0  1  5                                   16 16  Server-IV
     1  1  zero (4 bits), IP version (4)       32  8  Start-Time, the server's, NTP
     2  1  Conf-Sender, 0                      40  8  zero
     3  1  Conf-Receiver, 0                    48
     4  4  Number of Schedule Slots, 0    Accept-Session, server to client
     8  4  Number of Packets, 0                 0  1  Accept
    12  2  Sender Port                          1  1  zero
    14  2  Receiver Port                        2  2  Port that test packets go to
    16 16  Sender Address, 0: this peer         4 16  SID
    32 16  Receiver Address, likewise          20 12  zero
    48 16  SID, 0                              32 16  HMAC
    64  4  Padding Length                      48
    68  8  Start Time, NTP                Start-Sessions, client to server, and Start-Ack
    76  8  Timeout, an NTP interval             0  1  2; in Start-Ack, Accept
    84  4  Type-P Descriptor                    1 15  zero
    88  8  zero                                16 16  HMAC
    96 16  HMAC                                32
   112                                    Stop-Sessions, client to server
                                                0  1  3
An IPv4 address stands in the first 4           1  1  Accept
octets of its field. All numbers are            2  2  zero
big-endian. Without keys, KeyID, Token,         4  4  Number of Sessions
IVs and HMACs are zeros, and nobody             8  8  zero
looks at them.                                 16 16  HMAC
                                               32

The parsers' invariant: a message or :class:`ControlError`, whatever the octets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PORT = 862
"""Where TWAMP servers listen unless told otherwise (RFC 5357, section 8.1)."""

UNAUTHENTICATED = 1
"""The bit of Modes for no authentication and no encryption."""

COUNT = 1024
"""The least that a greeting may name: how often a key is derived, where there are keys (RFC 4656, section 3.1)."""

SETUP_RESPONSE_SIZE = 164
REQUEST_SIZE = 112
START_SIZE = STOP_SIZE = 32

_GREETING = struct.Struct("!12xI16s16sI12x")
_SETUP_RESPONSE = struct.Struct("!I160x")
_SERVER_START = struct.Struct("!15xB16x8s8x")
_REQUEST = struct.Struct("!BBBB8xHH16s16s16xI8s8sI24x")
_ACCEPT = struct.Struct("!BxH16s28x")
_START = struct.Struct("!B31x")
_STOP = struct.Struct("!BBxxI24x")

_NS = 1_000_000_000
_DSCP_BITS = 0x3F00_0000


class ControlError(ValueError):
    """Octets that are not the message that they were taken for."""


class Command(IntEnum):
    """What a client can ask for once the connection is set up; its number is the message's first octet."""

    START_SESSIONS = 2
    STOP_SESSIONS = 3
    REQUEST_TW_SESSION = 5


class Accept(IntEnum):
    """How a request was taken (RFC 4656, section 3.3)."""

    OK = 0
    FAILURE = 1
    INTERNAL_ERROR = 2
    UNSUPPORTED = 3
    PERMANENT_LIMIT = 4
    TEMPORARY_LIMIT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """A server's first message. ``challenge`` and ``salt`` are 16 random octets each."""

    modes: int = UNAUTHENTICATED
    challenge: bytes
    salt: bytes
    count: int = COUNT

    def __bytes__(self) -> bytes:
        return _GREETING.pack(self.modes, self.challenge, self.salt, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpResponse:
    """A client's answer to the greeting: the mode that it wants."""

    mode: int

    def __bytes__(self) -> bytes:
        return _SETUP_RESPONSE.pack(self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStart:
    """Whether the connection is set up, and since when the server runs: 8 octets, an NTP timestamp."""

    accept: Accept
    start_time: bytes = bytes(8)

    def __bytes__(self) -> bytes:
        return _SERVER_START.pack(self.accept, self.start_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What a client wants of a test session (Request-TW-Session; RFC 5357, section 3.5).

    Addresses are 4 octets for IP version 4, else 16; all zeros mean the address of the control connection.
    ``start_time`` is an NTP timestamp as on the wire, ``timeout`` an interval in the same format. ``padding_length``
    is what each test packet has beyond 14 octets.
    """

    ip_version: int
    conf_sender: int = 0
    conf_receiver: int = 0
    sender_port: int
    receiver_port: int
    sender_address: bytes
    receiver_address: bytes
    padding_length: int
    start_time: bytes = bytes(8)
    timeout: bytes = bytes(8)
    type_p: int = 0

    @property
    def timeout_ns(self) -> int:
        """How long to go on answering after the end, in nanoseconds."""
        return int.from_bytes(self.timeout, "big") * _NS >> 32

    @property
    def dscp(self) -> int | None:
        """The DSCP that the Type-P Descriptor names, ``None`` for a descriptor of another kind."""
        return None if self.type_p & ~_DSCP_BITS else self.type_p >> 24

    def __bytes__(self) -> bytes:
        return _REQUEST.pack(
            Command.REQUEST_TW_SESSION,
            self.ip_version,
            self.conf_sender,
            self.conf_receiver,
            self.sender_port,
            self.receiver_port,
            self.sender_address,
            self.receiver_address,
            self.padding_length,
            self.start_time,
            self.timeout,
            self.type_p,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptSession:
    """The answer to a request: the UDP port and the identifier (16 octets) of its session, both 0 if refused."""

    accept: Accept
    port: int = 0
    sid: bytes = bytes(16)

    def __bytes__(self) -> bytes:
        return _ACCEPT.pack(self.accept, self.port, self.sid)


@dataclass(frozen=True, slots=True)
class StartSessions:
    """Begin all sessions that were requested."""

    def __bytes__(self) -> bytes:
        return _START.pack(Command.START_SESSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAck:
    """Whether the sessions have begun."""

    accept: Accept

    def __bytes__(self) -> bytes:
        return _START.pack(self.accept)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSessions:
    """End all sessions; there is no answer. ``accept`` is other than 0 if something went wrong at the client."""

    accept: int = 0
    sessions: int

    def __bytes__(self) -> bytes:
        return _STOP.pack(Command.STOP_SESSIONS, self.accept, self.sessions)


def parse_setup_response(data: bytes) -> SetUpResponse:
    """Decode a Set-Up-Response; raise :class:`ControlError` unless there are 164 octets."""
    (mode,) = _unpack(_SETUP_RESPONSE, data)
    return SetUpResponse(mode=mode)


def parse_command(data: bytes) -> SessionRequest | StartSessions | StopSessions:
    """Decode what a client sends once the connection is set up; raise :class:`ControlError` for anything else.

    What must be zero and is not is ignored, except where a field has a name.
    """
    match data[0] if data else None:
        case Command.REQUEST_TW_SESSION:
            return _parse_request(data)
        case Command.START_SESSIONS:
            _unpack(_START, data)
            return StartSessions()
        case Command.STOP_SESSIONS:
            _, accept, sessions = _unpack(_STOP, data)
            return StopSessions(accept=accept, sessions=sessions)
        case number:
            raise ControlError(f"{number} is no command of TWAMP-Control")


def _parse_request(data: bytes) -> SessionRequest:
    _, version, conf_sender, conf_receiver, sender_port, receiver_port, sender, receiver, *rest = _unpack(
        _REQUEST, data
    )
    padding_length, start_time, timeout, type_p = rest
    ip_version = version & 0x0F
    address_size = 4 if ip_version == 4 else 16
    return SessionRequest(
        ip_version=ip_version,
        conf_sender=conf_sender,
        conf_receiver=conf_receiver,
        sender_port=sender_port,
        receiver_port=receiver_port,
        sender_address=sender[:address_size],
        receiver_address=receiver[:address_size],
        padding_length=padding_length,
        start_time=start_time,
        timeout=timeout,
        type_p=type_p,
    )


def _unpack(layout: struct.Struct, data: bytes) -> tuple[Any, ...]:
    if len(data) != layout.size:
        raise ControlError(f"a message of {layout.size} octets was expected, not {len(data)}")
    return layout.unpack(data)
