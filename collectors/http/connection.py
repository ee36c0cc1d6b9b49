"""One TCP connection of an attempt, plain or under TLS: octets with the time at which they came, errors by their names.

It speaks no HTTP. No transports: those tell neither the kernel's times nor connecting and TLS apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import socket
from typing import NamedTuple, Protocol

from collectors import ancillary
from collectors.ancillary import IcmpError, parse_arrival, parse_error_queue
from collectors.clock import Clock
from collectors.errors import CollectorError, reason_of
from collectors.exchange import HttpFailure
from collectors.failure import failure_of
from collectors.handshake import TCP_INFO_SIZE, Handshake, parse_tcp_info
from collectors.http.failing import AttemptError
from collectors.http.tls import TlsChannel
from collectors.path import NetworkPath

_READ = 65_536
_ANCILLARY_SPACE = 512
_RECEIVE_STAMPS = 1 << 3 | 1 << 4  # SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE
_CLOSED = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)


class Received(NamedTuple):
    """Octets that came, none once there will be no more, and when: monotonic, from the kernel where ``stamped``."""

    data: bytes
    at_ns: int
    stamped: bool


class Stream(Protocol):
    """Octets both ways."""

    async def send(self, data: bytes) -> None:
        """Send all of it; raise :class:`AttemptError`."""

    async def receive(self, most: int = _READ) -> Received:
        """Wait for something to come; raise :class:`AttemptError`."""


class TcpConnection:
    """A connection over a socket that is on its path already, and closed with it.

    The socket sits in an epoll of its own and the loop watches that, since it can have an error queue.
    """

    def __init__(
        self, sock: socket.socket, path: NetworkPath, *, loop: asyncio.AbstractEventLoop, clock: Clock
    ) -> None:
        sock.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, _RECEIVE_STAMPS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._path = path
        self._loop = loop
        self._clock = clock
        self._epoll = _epoll_for(sock)
        self._connected_ns = 0

    def close(self) -> None:
        """Close the socket; what is on its way is of no interest."""
        self._epoll.close()
        self._socket.close()

    async def connect(self, host: str, port: int) -> int:
        """Connect, and return when that was done (monotonic).

        Raise :class:`CollectorError` where this host sends no SYN, :class:`AttemptError` where it leads to nothing.
        """
        try:
            self._socket.connect((host, port))
        except BlockingIOError:
            pass
        except ConnectionRefusedError as error:  # a reset that came at once, over loopback
            raise self._failure(error) from error
        except OSError as error:
            raise self._refused(host, port, error) from error
        self._epoll.register(self._socket.fileno(), select.EPOLLOUT)
        self._connected_ns = await self._ready(select.EPOLLOUT)
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number and number not in _CLOSED:  # a server may be gone before we look; that shows when it is asked
            raise self._failure(OSError(number, os.strerror(number)))
        return self._connected_ns

    def handshake(self) -> Handshake:
        """Ask the kernel how TCP's handshake went; later than right after it, it would tell of other packets too."""
        return parse_tcp_info(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE))

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await self._ready(select.EPOLLOUT)
            except OSError as error:
                raise self._failure(error) from error

    async def receive(self, most: int = _READ) -> Received:
        """Wait for something to come, also where it is there already: a fast server does not keep others waiting."""
        while True:
            await self._ready(select.EPOLLIN)
            try:
                data, items, _, _ = self._socket.recvmsg(most, _ANCILLARY_SPACE)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._failure(error) from error
            return self._received(data, parse_arrival(items).stamp_ns)

    def _received(self, data: bytes, stamp_ns: int | None) -> Received:
        """Put the kernel's wall time on the monotonic clock, by the age it has now.

        An age that cannot be is that of a clock which was just set: our own time stands in for it.
        """
        now_ns = self._clock.monotonic_ns()
        if stamp_ns is not None:
            age_ns = self._clock.wall_ns() - stamp_ns
            if 0 <= age_ns <= now_ns - self._connected_ns:
                return Received(data, now_ns - age_ns, stamped=True)
        return Received(data, now_ns, stamped=False)

    async def _ready(self, events: int) -> int:
        """Wait until the socket is ready for this or has an error, and return when the loop learnt of it."""
        ready: asyncio.Future[int] = self._loop.create_future()

        def on_ready() -> None:
            if not ready.done():
                ready.set_result(self._clock.monotonic_ns())

        self._epoll.modify(self._socket.fileno(), events)
        self._loop.add_reader(self._epoll.fileno(), on_ready)
        try:
            return await ready
        finally:
            self._loop.remove_reader(self._epoll.fileno())

    def _refused(self, host: str, port: int, error: OSError) -> CollectorError:
        message = f"path {self._path.name}: this host does not connect to {host} port {port}: {error.strerror}"
        return CollectorError(f"{message}: see its routes (`ip route get {host}`)", reason=reason_of(error))

    def _failure(self, error: OSError) -> AttemptError:
        if error.errno in _CLOSED:
            return AttemptError(HttpFailure.CLOSED, "the server reset the connection")
        if error.errno == errno.ETIMEDOUT:
            return AttemptError(HttpFailure.TIMED_OUT, "the kernel gave the connection up")
        icmp = self._icmp_error()
        failure = failure_of(error.errno or 0, icmp, version=4 if self._socket.family == socket.AF_INET else 6)
        who = f", says {icmp.offender}" if icmp is not None and icmp.offender is not None else ""
        return AttemptError(failure, f"{os.strerror(error.errno or 0)}{who}", icmp)

    def _icmp_error(self) -> IcmpError | None:
        """Return the ICMP error that is in the error queue."""
        with contextlib.suppress(OSError):
            entry = parse_error_queue(self._socket.recvmsg(0, _ANCILLARY_SPACE, socket.MSG_ERRQUEUE)[1])
            return entry if isinstance(entry, IcmpError) else None
        return None


def _epoll_for(sock: socket.socket) -> select.epoll:
    try:
        return select.epoll()
    except OSError as error:
        sock.close()
        message = f"cannot watch a socket: {error.strerror}: raise LimitNOFILE, or probe less often"
        raise CollectorError(message, reason=reason_of(error)) from error


class TlsStream:
    """A connection under TLS.

    The first octets of an answer come when the record that they are in is whole: what precedes them, such as session
    tickets, is none of the answer.
    """

    def __init__(self, connection: TcpConnection, tls: TlsChannel) -> None:
        self._connection = connection
        self._tls = tls

    async def shake_hands(self) -> None:
        """Do the handshake; raise :class:`AttemptError`, after the server was told why."""
        try:
            while not self._tls.shake_hands():
                await self._connection.send(self._tls.outgoing())
                self._tls.received((await self._connection.receive()).data)
        except AttemptError:
            with contextlib.suppress(AttemptError):
                await self._connection.send(self._tls.outgoing())
            raise
        await self._connection.send(self._tls.outgoing())

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        self._tls.encrypt(data)
        await self._connection.send(self._tls.outgoing())

    async def receive(self, most: int = _READ) -> Received:
        """Wait for something to come."""
        while True:
            received = await self._connection.receive(most)
            self._tls.received(received.data)
            plain = self._tls.decrypt()
            await self._connection.send(self._tls.outgoing())  # an update of keys is answered
            if plain or plain is None:
                return received._replace(data=plain or b"")
