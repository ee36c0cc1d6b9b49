"""The test sessions of one control connection: which are accepted, and what the reflector is told. No I/O, no clock.

RFC 4656, section 6.5, asks for narrow limits: a server makes a host send packets because another host said so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from collectors.stamp.control.wire import Accept, SessionRequest
from collectors.stamp.wire import MAX_SIZE, TWAMP_MINIMUM_SIZE

MAX_SESSIONS = 64
"""How many sessions a connection can have at a time."""
MAX_TIMEOUT_NS = 60 * 1_000_000_000
"""How long a stopped session can be answered at most, whatever its client asked for."""

_MAX_PADDING = MAX_SIZE - TWAMP_MINIMUM_SIZE


class SessionRefusal(StrEnum):
    """Why a test session was not accepted."""

    ROLES = "roles"
    """It asks for one-way sessions, of OWAMP."""
    IP_VERSION = "ip_version"
    """Test packets would be of another IP version than the control connection."""
    THIRD_PARTY = "third_party"
    """Answers would go to another host than the one that asks."""
    RECEIVER_ADDRESS = "receiver_address"
    """Test packets would go to another address than the control connection."""
    SENDER_PORT = "sender_port"
    """Answers would go to port 0."""
    TYPE_P = "type_p"
    """The Type-P Descriptor names no DSCP."""
    PADDING_LENGTH = "padding_length"
    """Test packets would be larger than any datagram."""
    DUPLICATE = "duplicate"
    """The connection has a session of the same addresses and ports."""
    TOO_MANY = "too_many"
    """The connection has as many sessions as it may have."""
    NO_ROOM = "no_room"
    """The reflector takes no further session, or not this one."""

    @property
    def accept(self) -> Accept:
        """What the client is told."""
        return _ACCEPTS.get(self, Accept.FAILURE)


_ACCEPTS = {
    SessionRefusal.ROLES: Accept.UNSUPPORTED,
    SessionRefusal.IP_VERSION: Accept.UNSUPPORTED,
    SessionRefusal.TYPE_P: Accept.UNSUPPORTED,
    SessionRefusal.PADDING_LENGTH: Accept.UNSUPPORTED,
    SessionRefusal.TOO_MANY: Accept.TEMPORARY_LIMIT,
    SessionRefusal.NO_ROOM: Accept.TEMPORARY_LIMIT,
}


def refusal_of(request: SessionRequest, *, peer: bytes, local: bytes) -> SessionRefusal | None:
    """Say what is wrong with a request on the control connection between the addresses ``peer`` and ``local``."""
    if request.conf_sender or request.conf_receiver:  # section 3.5: to be refused, unlike other fields that must be 0
        return SessionRefusal.ROLES
    if request.ip_version != (4 if len(peer) == 4 else 6):
        return SessionRefusal.IP_VERSION
    if any(request.sender_address) and request.sender_address != peer:
        return SessionRefusal.THIRD_PARTY
    if any(request.receiver_address) and request.receiver_address != local:
        return SessionRefusal.RECEIVER_ADDRESS
    if not request.sender_port:
        return SessionRefusal.SENDER_PORT
    if request.dscp is None:
        return SessionRefusal.TYPE_P
    if request.padding_length > _MAX_PADDING:
        return SessionRefusal.PADDING_LENGTH
    return None


class ReflectorSessions(Protocol):
    """The reflector's side of test sessions. Times are monotonic.

    ``sender`` is the address (4 or 16 octets) and UDP port that test packets come from, ``receiver`` the address of
    this host that they go to, ``scope`` the number of the interface if these are link-local, else 0; together they name
    a session.
    """

    def open(self, *, sender: tuple[bytes, int], receiver: bytes, dscp: int, now_ns: int, scope: int = 0) -> int | None:
        """Make room for a session whose answers carry ``dscp``, and return the UDP port that will answer.

        ``None`` where there is no room, or there can be no such session, as while another connection has it open. One
        that was stopped can be opened again.
        """

    def start(self, *, sender: tuple[bytes, int], receiver: bytes, now_ns: int, scope: int = 0) -> None:
        """Answer an opened session's packets from now on, numbered from 0."""

    def stop(self, *, sender: tuple[bytes, int], receiver: bytes, until_ns: int, scope: int = 0) -> None:
        """Go on answering until then, and never again; for a session that was not started, forget it."""


@dataclass(slots=True)
class SessionCounts:
    """How many sessions were accepted, and how many refused for which reason, over all connections."""

    accepted: int = 0
    refused: Counter[SessionRefusal] = field(default_factory=Counter)


class Sessions:
    """The sessions of the control connection between the addresses ``peer`` and ``local``, 4 or 16 octets each.

    ``scope`` is the number of the interface if they are link-local.
    """

    def __init__(
        self, *, peer: bytes, local: bytes, scope: int = 0, reflector: ReflectorSessions, counts: SessionCounts
    ) -> None:
        self._peer = peer
        self._local = local
        self._scope = scope
        self._reflector = reflector
        self._counts = counts
        self._timeouts_ns: dict[int, int] = {}  # by the sender's port: all else is the same for all

    def __len__(self) -> int:
        """How many were accepted and have not been stopped."""
        return len(self._timeouts_ns)

    def open(self, request: SessionRequest, now_ns: int) -> int | SessionRefusal:
        """Accept a session and return the UDP port that will answer, or say why not."""
        opened = self._opened(request, now_ns)
        if isinstance(opened, SessionRefusal):
            self._counts.refused[opened] += 1
        else:
            self._counts.accepted += 1
            self._timeouts_ns[request.sender_port] = min(request.timeout_ns, MAX_TIMEOUT_NS)
        return opened

    def _opened(self, request: SessionRequest, now_ns: int) -> int | SessionRefusal:
        refusal = refusal_of(request, peer=self._peer, local=self._local)
        if refusal is not None:
            return refusal
        if request.sender_port in self._timeouts_ns:
            return SessionRefusal.DUPLICATE
        if len(self) >= MAX_SESSIONS:
            return SessionRefusal.TOO_MANY
        sender, dscp = (self._peer, request.sender_port), request.dscp or 0
        port = self._reflector.open(sender=sender, receiver=self._local, scope=self._scope, dscp=dscp, now_ns=now_ns)
        return SessionRefusal.NO_ROOM if port is None else port

    def start(self, now_ns: int) -> None:
        """Have all of them answered."""
        for port in self._timeouts_ns:
            self._reflector.start(sender=(self._peer, port), receiver=self._local, scope=self._scope, now_ns=now_ns)

    def stop(self, now_ns: int) -> None:
        """End all of them, each once the time is over that its client asked for (RFC 5357, section 3.8)."""
        for port, timeout_ns in self._timeouts_ns.items():
            self._stop(port, now_ns + timeout_ns)
        self._timeouts_ns.clear()

    def abort(self, now_ns: int) -> None:
        """End all of them at once."""
        for port in self._timeouts_ns:
            self._stop(port, now_ns)
        self._timeouts_ns.clear()

    def _stop(self, port: int, until_ns: int) -> None:
        sender = (self._peer, port)
        self._reflector.stop(sender=sender, receiver=self._local, scope=self._scope, until_ns=until_ns)
