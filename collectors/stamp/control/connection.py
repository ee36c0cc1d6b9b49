"""One control connection of a TWAMP server: what it answers to its client (RFC 5357, section 3). No I/O, no clock.

A client is greeted, chooses a mode, requests test sessions one by one, starts them all and stops them all; then it may
request again. Test packets are not seen here: the reflector answers them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum, auto
from typing import assert_never

from collectors.stamp.control import wire
from collectors.stamp.control.admission import Pace
from collectors.stamp.control.sessions import SessionRefusal, Sessions
from collectors.stamp.control.wire import Accept, Command, SessionRequest, StartSessions, StopSessions
from collectors.stamp.timestamp import ntp_from_wall

_NS = 1_000_000_000
SETUP_WAIT_NS = 30 * _NS
"""How long a client may take to choose a mode: no key has to be derived first."""
SERVWAIT_NS = 900 * _NS
"""How long a client may be silent while no session runs (RFC 5357, section 3.1)."""
LIFETIME_NS = 86_400 * _NS
"""How long a connection lasts at most, and with it sessions that nobody stops."""
COMMANDS_PER_SECOND = 10
"""What a client may ask for in the long run; ten times as many at once."""

_SIZES: dict[int, int] = {
    Command.REQUEST_TW_SESSION: wire.REQUEST_SIZE,
    Command.START_SESSIONS: wire.START_SIZE,
    Command.STOP_SESSIONS: wire.STOP_SIZE,
}
_BLOCK_SIZE = 16  # every message from the third on is a multiple of it
_FORBIDDEN = (1, 4)  # OWAMP's requests for one-way sessions and their results (RFC 5357, section 3.5)


class CloseReason(StrEnum):
    """Why a connection ended."""

    PEER = "peer"
    """The client closed it, or was no longer there."""
    MODE = "mode"
    """The client wants none of the modes offered."""
    FORBIDDEN_COMMAND = "forbidden_command"
    """A command of OWAMP that no TWAMP client may send."""
    UNKNOWN_COMMAND = "unknown_command"
    """What follows it cannot be read, for its length is as unknown as its meaning."""
    OUT_OF_ORDER = "out_of_order"
    """While sessions run they can only be stopped, and only then."""
    SESSION_COUNT = "session_count"
    """The client stopped another number of sessions than there were (RFC 4656, section 3.8)."""
    IDLE = "idle"
    """The client was silent for too long."""
    LIFETIME = "lifetime"
    """It lasted as long as a connection may."""
    FLOOD = "flood"
    """The client asked for too much at once."""
    NOT_READING = "not_reading"
    """The client does not take what it is sent."""
    SHUTDOWN = "shutdown"
    """The server ended."""


class _State(Enum):
    SETUP = auto()
    COMMANDS = auto()
    RUNNING = auto()
    CLOSED = auto()


class ControlConnection:
    """A control connection from its greeting on. ``local`` is its address on this host, 4 or 16 octets.

    ``random_octets`` returns as many as it is asked for. ``opened_ns`` (monotonic) and ``opened_wall_ns`` are the same
    moment; ``server_started_wall_ns`` is since when the server runs. Once :attr:`close_reason` is set the connection is
    to be closed, after what was returned last has been sent.
    """

    def __init__(
        self,
        *,
        local: bytes,
        sessions: Sessions,
        random_octets: Callable[[int], bytes],
        opened_ns: int,
        opened_wall_ns: int,
        server_started_wall_ns: int,
    ) -> None:
        self.close_reason: CloseReason | None = None
        self._local = local
        self._sessions = sessions
        self._random_octets = random_octets
        self._opened_ns = opened_ns
        self._opened_wall_ns = opened_wall_ns
        self._server_start_time = ntp_from_wall(server_started_wall_ns)
        self._state = _State.SETUP
        self._heard_ns = opened_ns
        self._pace = Pace(_NS // COMMANDS_PER_SECOND, burst=10 * COMMANDS_PER_SECOND)
        self._buffer = bytearray()  # the beginning of one message

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken or said."""
        return self._state is _State.CLOSED

    @property
    def sessions(self) -> int:
        """How many sessions were accepted and not stopped yet."""
        return len(self._sessions)

    @property
    def next_deadline_ns(self) -> int | None:
        """When to call :meth:`expire`, monotonic; ``None`` once closed."""
        ends_ns = self._opened_ns + LIFETIME_NS
        match self._state:
            case _State.SETUP:
                return self._opened_ns + SETUP_WAIT_NS
            case _State.COMMANDS:
                return min(self._heard_ns + SERVWAIT_NS, ends_ns)
            case _State.RUNNING:
                return ends_ns
            case _State.CLOSED:
                return None
            case state:
                assert_never(state)

    def greeting(self) -> bytes:
        """Return what the server says first: it offers the unauthenticated mode alone."""
        return bytes(wire.Greeting(challenge=self._random_octets(16), salt=self._random_octets(16)))

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """Take what a client sent, in pieces of any size, and return what to send back; nothing is ever raised."""
        self._buffer += data
        replies = bytearray()
        while message := self._next_message():
            replies += self._answer(message, now_ns)
        return bytes(replies)

    def expire(self, now_ns: int) -> None:
        """Close the connection if its time is over."""
        deadline_ns = self.next_deadline_ns
        if deadline_ns is not None and now_ns >= deadline_ns:
            is_old = now_ns >= self._opened_ns + LIFETIME_NS
            self.end(CloseReason.LIFETIME if is_old else CloseReason.IDLE, now_ns)

    def lost(self, now_ns: int) -> None:
        """Take notice that the client has closed the connection or is gone: that ends its sessions."""
        self.end(CloseReason.PEER, now_ns)

    def end(self, reason: CloseReason, now_ns: int) -> None:
        """Close the connection; sessions that were not stopped end at once. The first reason stays."""
        if self.closed:
            return
        self._state = _State.CLOSED
        self.close_reason = reason
        self._buffer.clear()
        self._sessions.abort(now_ns)

    def _next_message(self) -> bytes:
        """Take a whole message off the buffer; of an unknown command, the first octets. Empty if there is none yet."""
        if self.closed:
            self._buffer.clear()
        if not self._buffer:
            return b""
        is_setup = self._state is _State.SETUP
        size = wire.SETUP_RESPONSE_SIZE if is_setup else _SIZES.get(self._buffer[0], _BLOCK_SIZE)
        if len(self._buffer) < size:
            return b""
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        return message

    def _answer(self, message: bytes, now_ns: int) -> bytes:
        self._heard_ns = now_ns
        if self._state is _State.SETUP:
            return self._set_up(message, now_ns)
        if not self._pace.take(now_ns):
            return self._fail(CloseReason.FLOOD, now_ns)
        if message[0] in _FORBIDDEN:
            return self._fail(CloseReason.FORBIDDEN_COMMAND, now_ns)
        if message[0] not in _SIZES:
            self.end(CloseReason.UNKNOWN_COMMAND, now_ns)
            return bytes(wire.AcceptSession(accept=Accept.UNSUPPORTED))
        command = wire.parse_command(message)
        if isinstance(command, StopSessions) is not (self._state is _State.RUNNING):
            return self._fail(CloseReason.OUT_OF_ORDER, now_ns)
        match command:
            case SessionRequest():
                return self._request(command, now_ns)
            case StartSessions():
                return self._start(now_ns)
            case StopSessions():
                return self._stop(command, now_ns)
            case _:
                assert_never(command)

    def _fail(self, reason: CloseReason, now_ns: int) -> bytes:
        self.end(reason, now_ns)
        return b""

    def _set_up(self, message: bytes, now_ns: int) -> bytes:
        mode = wire.parse_setup_response(message).mode
        if mode == wire.UNAUTHENTICATED:
            self._state = _State.COMMANDS
            return bytes(wire.ServerStart(accept=Accept.OK, start_time=self._server_start_time))
        self.end(CloseReason.MODE, now_ns)
        # Mode 0 is a client's own refusal, which needs no answer (RFC 4656, section 3.1).
        return bytes(wire.ServerStart(accept=Accept.UNSUPPORTED)) if mode else b""

    def _request(self, request: SessionRequest, now_ns: int) -> bytes:
        opened = self._sessions.open(request, now_ns)
        if isinstance(opened, SessionRefusal):
            return bytes(wire.AcceptSession(accept=opened.accept))
        return bytes(wire.AcceptSession(accept=Accept.OK, port=opened, sid=self._sid(now_ns)))

    def _sid(self, now_ns: int) -> bytes:
        """Name a session: an address of the server, the time, and chance (RFC 4656, section 3.5)."""
        wall_ns = self._opened_wall_ns + now_ns - self._opened_ns
        return self._local[-4:] + ntp_from_wall(wall_ns) + self._random_octets(4)

    def _start(self, now_ns: int) -> bytes:
        if not self._sessions:
            return bytes(wire.StartAck(accept=Accept.FAILURE))
        self._sessions.start(now_ns)
        self._state = _State.RUNNING
        return bytes(wire.StartAck(accept=Accept.OK))

    def _stop(self, command: StopSessions, now_ns: int) -> bytes:
        if command.sessions != len(self._sessions):
            return self._fail(CloseReason.SESSION_COUNT, now_ns)
        self._sessions.stop(now_ns)
        self._state = _State.COMMANDS
        return b""
