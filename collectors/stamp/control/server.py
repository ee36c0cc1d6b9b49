"""Control connections on real sockets: the shell of :mod:`collectors.stamp.control.connection`, inside another's loop.

Nothing here ever waits. A client that does not read is not waited for either: it is closed as soon as the kernel has
no room for an answer, so that all a client can take up is its connection and the beginning of one message.
"""

from __future__ import annotations

import os
import select
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType

from collectors.clock import Clock
from collectors.path import IPAddress, IPNetwork
from collectors.stamp.control.admission import ConnectionRefusal, Door
from collectors.stamp.control.connection import CloseReason, ControlConnection
from collectors.stamp.control.sessions import ReflectorSessions, SessionCounts, SessionRefusal, Sessions
from collectors.stamp.control.sockets import prepare

_ACCEPT_AT_MOST = 16  # connections a wake-up, so that test packets do not wait for a flood of them
_READ_AT_MOST = 4096
_PAUSE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCounts:
    """What became of control connections and of the test sessions that were requested on them, so far."""

    connections: int
    """How many are open."""
    accepted: int
    connections_refused: Mapping[ConnectionRefusal, int]
    connections_closed: Mapping[CloseReason, int]
    sessions: int
    """How many were accepted and have not been stopped."""
    sessions_accepted: int
    sessions_refused: Mapping[SessionRefusal, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    socket: socket.socket
    peer: IPAddress
    connection: ControlConnection


class ControlServer:
    """Serves control connections of the networks in ``allow`` to ``listeners``, which it closes at its end.

    It registers its descriptors with ``epoll``; whoever polls that passes events on to :meth:`ready`, and calls
    :meth:`expire` at :attr:`next_deadline_ns`. ``reflector`` answers the test packets. All ``now_ns`` are monotonic.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        epoll: select.epoll,
        reflector: ReflectorSessions,
        *,
        allow: Sequence[IPNetwork],
        clock: Clock,
    ) -> None:
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._epoll = epoll
        self._reflector = reflector
        self._clock = clock
        self._started_wall_ns = clock.wall_ns()
        self._door = Door(allow)
        self._clients: dict[int, _Client] = {}
        self._accepted = 0
        self._refused: Counter[ConnectionRefusal] = Counter()
        self._closed: Counter[CloseReason] = Counter()
        self._sessions = SessionCounts()
        self._paused_until_ns: int | None = None
        self._next_deadline_ns: int | None = None
        for descriptor in self._listeners:
            epoll.register(descriptor, select.EPOLLIN)

    @property
    def counts(self) -> ControlCounts:
        """What was counted so far, every reason included."""
        return ControlCounts(
            connections=len(self._clients),
            accepted=self._accepted,
            connections_refused=MappingProxyType({reason: self._refused[reason] for reason in ConnectionRefusal}),
            connections_closed=MappingProxyType({reason: self._closed[reason] for reason in CloseReason}),
            sessions=sum(client.connection.sessions for client in self._clients.values()),
            sessions_accepted=self._sessions.accepted,
            sessions_refused=MappingProxyType({reason: self._sessions.refused[reason] for reason in SessionRefusal}),
        )

    @property
    def next_deadline_ns(self) -> int | None:
        """When to call :meth:`expire` next, monotonic; ``None`` while there is nothing to wait for."""
        return self._next_deadline_ns

    def handles(self, descriptor: int) -> bool:
        """Whether a descriptor is one of this server's."""
        return descriptor in self._clients or descriptor in self._listeners

    def ready(self, descriptor: int, now_ns: int) -> None:
        """Do what can be done without waiting on a descriptor that has something to read, or an error."""
        if descriptor in self._listeners:
            self._accept(self._listeners[descriptor], now_ns)
        elif descriptor in self._clients:
            self._read(descriptor, now_ns)
        self._look_ahead()

    def expire(self, now_ns: int) -> None:
        """Close what has been open or silent for too long."""
        if self._paused_until_ns is not None and now_ns >= self._paused_until_ns:
            self._paused_until_ns = None
            for descriptor in self._listeners:
                self._epoll.modify(descriptor, select.EPOLLIN)
        for descriptor, client in list(self._clients.items()):
            client.connection.expire(now_ns)
            self._forget_if_closed(descriptor)
        self._look_ahead()

    def close(self, now_ns: int) -> None:
        """End all sessions and close all sockets."""
        for descriptor, client in list(self._clients.items()):
            client.connection.end(CloseReason.SHUTDOWN, now_ns)
            self._forget_if_closed(descriptor)
        for descriptor, listener in self._listeners.items():
            self._epoll.unregister(descriptor)
            listener.close()
        self._listeners.clear()
        self._paused_until_ns = self._next_deadline_ns = None

    def _look_ahead(self) -> None:
        deadlines = [client.connection.next_deadline_ns for client in self._clients.values()]
        self._next_deadline_ns = min(
            (deadline for deadline in (*deadlines, self._paused_until_ns) if deadline is not None), default=None
        )

    def _accept(self, listener: socket.socket, now_ns: int) -> None:
        for _ in range(_ACCEPT_AT_MOST):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no descriptors or no memory left: the connection waits, and epoll would call at once
                self._pause(now_ns)
                return
            peer = ip_address(address[0])
            refusal = self._door.enter(peer, now_ns)
            if refusal is None:
                self._accepted += 1
                self._greet(sock, peer, address[3] if peer.is_link_local and peer.version == 6 else 0, now_ns)
            else:
                self._refused[refusal] += 1
                sock.close()

    def _pause(self, now_ns: int) -> None:
        self._paused_until_ns = now_ns + _PAUSE_NS
        for descriptor in self._listeners:
            self._epoll.modify(descriptor, 0)

    def _greet(self, sock: socket.socket, peer: IPAddress, scope: int, now_ns: int) -> None:
        local = ip_address(sock.getsockname()[0]).packed
        sessions = Sessions(
            peer=peer.packed, local=local, scope=scope, reflector=self._reflector, counts=self._sessions
        )
        connection = ControlConnection(
            local=local,
            sessions=sessions,
            random_octets=os.urandom,
            opened_ns=now_ns,
            opened_wall_ns=self._clock.wall_ns(),
            server_started_wall_ns=self._started_wall_ns,
        )
        descriptor = sock.fileno()
        self._clients[descriptor] = _Client(socket=sock, peer=peer, connection=connection)
        self._epoll.register(descriptor, select.EPOLLIN)
        try:
            prepare(sock)
        except OSError:  # it is gone already
            connection.lost(now_ns)
        else:
            self._send(self._clients[descriptor], connection.greeting(), now_ns)
        self._forget_if_closed(descriptor)

    def _read(self, descriptor: int, now_ns: int) -> None:
        client = self._clients[descriptor]
        try:
            data = client.socket.recv(_READ_AT_MOST)
        except BlockingIOError:
            return
        except OSError:  # reset, or silent to keep-alive probes
            data = b""
        if data:
            self._send(client, client.connection.receive(data, now_ns), now_ns)
        else:
            client.connection.lost(now_ns)
        self._forget_if_closed(descriptor)

    def _send(self, client: _Client, data: bytes, now_ns: int) -> None:
        try:
            if data and client.socket.send(data) < len(data):
                client.connection.end(CloseReason.NOT_READING, now_ns)
        except BlockingIOError:
            client.connection.end(CloseReason.NOT_READING, now_ns)
        except OSError:
            client.connection.lost(now_ns)

    def _forget_if_closed(self, descriptor: int) -> None:
        client = self._clients[descriptor]
        if client.connection.close_reason is None:
            return
        self._closed[client.connection.close_reason] += 1
        del self._clients[descriptor]
        self._door.leave(client.peer)
        self._epoll.unregister(descriptor)
        client.socket.close()
