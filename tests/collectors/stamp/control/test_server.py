import errno
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network

import pytest

from collectors.clock import SystemClock
from collectors.path import IPNetwork
from collectors.stamp.control import wire
from collectors.stamp.control.admission import CONNECTIONS_PER_SECOND, MAX_CONNECTIONS_OF_PEER, ConnectionRefusal
from collectors.stamp.control.connection import SETUP_WAIT_NS, CloseReason
from collectors.stamp.control.server import ControlServer
from collectors.stamp.control.sessions import SessionRefusal
from collectors.stamp.control.sockets import open_control_listeners
from collectors.stamp.control.wire import Accept
from tests.collectors.stamp.control.fakes import (
    SECOND,
    SET_UP,
    START,
    UDP_PORT,
    FakeReflector,
    request,
    requested,
    stop,
)

V4, V6 = "127.0.0.1", "::1"
LOOPBACK: tuple[IPNetwork, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HERE = bytes([127, 0, 0, 1])
GREETING_SIZE, SERVER_START_SIZE, ACCEPT_SIZE, START_ACK_SIZE = 64, 48, 48, 32


class Exhausted(socket.socket):
    """A listening socket of a process that has no descriptor left."""

    def accept(self) -> tuple[socket.socket, object]:
        raise OSError(errno.EMFILE, "Too many open files")


class TestBed:
    """A server whose loop goes on only while a client waits; its clock is set by hand."""

    __test__ = False

    def __init__(self, listeners: list[socket.socket], allow: tuple[IPNetwork, ...]) -> None:
        self.now_ns = 0
        self.epoll = select.epoll()
        self.reflector = FakeReflector()
        self.address = listeners[0].getsockname()
        self.server = ControlServer(listeners, self.epoll, self.reflector, allow=allow, clock=SystemClock())

    def turn(self, timeout_s: float = 5) -> int:
        """Wait for events and pass them on; return how many there were."""
        events = self.epoll.poll(timeout_s)
        for descriptor, _ in events:
            assert self.server.handles(descriptor)
            self.server.ready(descriptor, self.now_ns)
        return len(events)

    def client(self) -> socket.socket:
        """Connect, and have the connection accepted or refused."""
        before = self._looked_at
        client = socket.create_connection(self.address[:2], timeout=5)
        while self._looked_at == before:
            assert self.turn()
        return client

    @property
    def _looked_at(self) -> int:
        counts = self.server.counts
        return counts.accepted + sum(counts.connections_refused.values())

    def told(self, client: socket.socket, size: int) -> bytes:
        """Return what a client is told; less than ``size`` octets if it is closed before."""
        octets = b""
        while len(octets) < size:
            ready, _, _ = select.select([client.fileno(), self.epoll.fileno()], [], [], 5)
            assert ready, "the server has nothing to do and the client waits"
            if self.epoll.fileno() in ready:
                self.turn()
            if client.fileno() in ready:
                more = client.recv(size - len(octets))
                if not more:
                    break
                octets += more
        return octets

    def says(self, client: socket.socket, octets: bytes, size: int) -> bytes:
        """Return what a client is told after it has said something."""
        client.sendall(octets)
        return self.told(client, size)


@contextmanager
def serving(
    host: str = V4, allow: tuple[IPNetwork, ...] = LOOPBACK, listeners: list[socket.socket] | None = None
) -> Iterator[TestBed]:
    bed = TestBed(open_control_listeners(ip_address(host), 0) if listeners is None else listeners, allow)
    with bed.epoll:
        try:
            yield bed
        finally:
            bed.server.close(bed.now_ns)


def test_a_client_has_its_session_set_up_started_and_stopped() -> None:
    with serving() as bed, bed.client() as client:
        assert bed.told(client, GREETING_SIZE)[12:16] == b"\0\0\0\x01"
        assert bed.says(client, SET_UP, SERVER_START_SIZE)[15] == Accept.OK
        accept = bed.says(client, request(), ACCEPT_SIZE)
        assert accept[0] == Accept.OK
        assert accept[2:4] == UDP_PORT.to_bytes(2, "big")
        assert accept[4:8] == HERE
        assert bed.says(client, START, START_ACK_SIZE) == bytes(32)
        assert bed.server.counts.sessions == 1
        bed.now_ns = 10 * SECOND
        client.sendall(stop())
        client.close()
        while bed.server.counts.connections:
            bed.turn()
        assert bed.reflector.stopped == {9_575: 12 * SECOND}
        counts = bed.server.counts
        assert (counts.accepted, counts.sessions, counts.sessions_accepted) == (1, 0, 1)
        assert counts.connections_closed[CloseReason.PEER] == 1


def test_ipv6_clients_have_ipv6_sessions() -> None:
    with serving(V6) as bed, bed.client() as client:
        bed.says(client, SET_UP, GREETING_SIZE + SERVER_START_SIZE)
        asked = requested(ip_version=6, sender_address=bytes(16), receiver_address=IPv6Address(V6).packed)
        assert bed.says(client, bytes(asked), ACCEPT_SIZE)[0] == Accept.OK
        ((peer, _), local) = next(iter(bed.reflector.opened))
        assert peer == local == IPv6Address(V6).packed


def test_a_stranger_is_closed_without_a_greeting() -> None:
    with serving(allow=(ip_network("10.0.0.0/8"),)) as bed, bed.client() as client:
        assert client.recv(1) == b""
        assert bed.server.counts.connections_refused[ConnectionRefusal.NOT_ALLOWED] == 1
        assert bed.server.counts.connections == 0


def test_a_peer_has_only_so_many_connections() -> None:
    with serving() as bed:
        clients = [bed.client() for _ in range(MAX_CONNECTIONS_OF_PEER + 1)]
        assert clients[-1].recv(1) == b""
        assert bed.server.counts.connections == MAX_CONNECTIONS_OF_PEER
        assert bed.server.counts.connections_refused[ConnectionRefusal.TOO_MANY_OF_PEER] == 1
        for client in clients:
            client.close()
        while bed.server.counts.connections:
            bed.turn()
        bed.client().close()
        assert bed.server.counts.accepted == MAX_CONNECTIONS_OF_PEER + 1


def test_connections_that_come_too_fast_are_closed() -> None:
    with serving() as bed:
        for _ in range(3 * CONNECTIONS_PER_SECOND):
            bed.client().close()
            bed.turn(0)
        assert bed.server.counts.connections_refused[ConnectionRefusal.RATE] == CONNECTIONS_PER_SECOND


def test_a_half_open_client_is_closed_when_its_time_is_over() -> None:
    with serving() as bed, bed.client() as client:
        client.sendall(SET_UP[:10])
        bed.turn()
        assert bed.server.next_deadline_ns == SETUP_WAIT_NS
        bed.now_ns = SETUP_WAIT_NS
        bed.server.expire(bed.now_ns)
        assert bed.server.next_deadline_ns is None
        assert bed.server.counts.connections_closed[CloseReason.IDLE] == 1
        assert len(bed.told(client, GREETING_SIZE + 1)) == GREETING_SIZE


def test_a_client_that_does_not_read_is_closed() -> None:
    with serving() as bed, bed.client() as client:
        client.sendall(SET_UP)
        while not bed.server.counts.connections_closed[CloseReason.NOT_READING]:
            bed.now_ns += 10 * SECOND
            client.sendall(bytes(requested(conf_sender=1)) * 30)
            bed.turn()
        assert bed.server.counts.connections == 0


def test_garbage_closes_its_connection_and_no_other() -> None:
    with serving() as bed, bed.client() as hostile, bed.client() as client:
        hostile.sendall(b"\xff" * 4096)
        bed.turn()
        assert bed.server.counts.connections_closed[CloseReason.MODE] == 1
        assert bed.says(client, SET_UP, GREETING_SIZE + SERVER_START_SIZE)[64 + 15] == Accept.OK


def test_a_reset_ends_sessions_at_once() -> None:
    with serving() as bed, bed.client() as client:
        bed.says(client, SET_UP + request() + START, GREETING_SIZE + SERVER_START_SIZE + ACCEPT_SIZE + START_ACK_SIZE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        bed.turn()
        assert bed.reflector.stopped == {9_575: 0}
        assert bed.server.counts.connections_closed[CloseReason.PEER] == 1


def test_refused_sessions_are_counted_by_reason() -> None:
    with serving() as bed, bed.client() as client:
        bed.says(client, SET_UP, GREETING_SIZE + SERVER_START_SIZE)
        reply = bed.says(client, bytes(requested(sender_address=bytes([192, 0, 2, 1]))), ACCEPT_SIZE)
        assert reply == bytes(wire.AcceptSession(accept=Accept.FAILURE))
        assert bed.server.counts.sessions_refused[SessionRefusal.THIRD_PARTY] == 1


def test_the_end_of_the_server_ends_sessions_and_closes_everything() -> None:
    with serving() as bed, bed.client() as client:
        bed.says(client, SET_UP + request() + START, GREETING_SIZE + SERVER_START_SIZE + ACCEPT_SIZE + START_ACK_SIZE)
        bed.server.close(SECOND)
        assert bed.reflector.stopped == {9_575: SECOND}
        assert bed.told(client, 1) == b""
        assert bed.server.counts.connections_closed[CloseReason.SHUTDOWN] == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(bed.address, timeout=5)


def test_without_descriptors_the_server_pauses_instead_of_spinning() -> None:
    listener = Exhausted(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((V4, 0))
    listener.listen()
    with serving(listeners=[listener]) as bed, socket.create_connection(bed.address):
        assert bed.turn() == 1
        assert bed.turn(0) == 0
        assert bed.server.next_deadline_ns == SECOND
        bed.server.expire(SECOND)
        assert bed.turn(0) == 1
