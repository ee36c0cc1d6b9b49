"""Connects, and closes what it connected: sockets, and the kernel's word on each.

Times are this program's: from right before connect() to the moment at which it learns that the connection is there. The
kernel stamps no SYN and no SYN-ACK (seen on Linux 6.18: SO_TIMESTAMPING, with SCHED, SND and ACK asked for before
connect(), gives nothing until data is sent), but measures the handshake by itself: :mod:`collectors.handshake`.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from asyncio import AbstractEventLoop

from collectors.ancillary import IcmpError, parse_error_queue
from collectors.attempts import Ended
from collectors.clock import Clock
from collectors.errors import CollectorError, reason_of
from collectors.handshake import TCP_INFO_SIZE, parse_tcp_info
from collectors.path import Address, NetworkPath
from collectors.pinning import open_tcp
from collectors.sockets import family_of
from collectors.tcp.ending import ending_of
from collectors.tcp.options import TcpOptions

_ANCILLARY_SPACE = 512
# Closing at once with RST instead of FIN: neither end keeps the connection for a minute (TIME-WAIT, RFC 9293, section
# 3.6.1), nor do the translators and filters between, and ports do not run out.
_RESET_ON_CLOSE = struct.pack("@ii", 1, 0)


class TcpClient:
    """Makes the connections of one stream."""

    def __init__(self, options: TcpOptions, *, timeout_ns: int, clock: Clock, loop: AbstractEventLoop) -> None:
        self.port = options.port
        self._marks = options.marks
        self._timeout_ns = timeout_ns
        self._clock = clock
        self._connecting = _Connecting(loop, clock)

    def open(self, path: NetworkPath, to: Address) -> TcpAttempt:
        """Open the socket of an attempt; raise :class:`CollectorError` where the path's pinning is refused."""
        sock = open_tcp(path, family_of(to), self._marks)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return TcpAttempt(sock, path, to, self._connecting, timeout_ns=self._timeout_ns, clock=self._clock)

    def collect(self) -> None:
        """Settle the attempts that have ended."""
        self._connecting.collect()

    def close(self) -> None:
        """Settle no more of them."""
        self._connecting.close()


class TcpAttempt:
    """One connection: begun, and then either ended by itself or abandoned, its socket closed in both cases."""

    def __init__(
        self,
        sock: socket.socket,
        path: NetworkPath,
        to: Address,
        connecting: _Connecting,
        *,
        timeout_ns: int,
        clock: Clock,
    ) -> None:
        self._socket = sock
        self._path = path
        self._to = to
        self._connecting = connecting
        self._timeout_ns = timeout_ns
        self._clock = clock
        self._begun_ns = 0
        self._ended: Ended | None = None

    def fileno(self) -> int:
        """Return the descriptor, for ``epoll``; -1 once it is closed."""
        return self._socket.fileno()

    def begin(self, ended: Ended) -> None:
        """Send the SYN; raise :class:`CollectorError` where this host refuses to."""
        self._ended = ended
        self._begun_ns = self._clock.monotonic_ns()
        error = self._socket.connect_ex(self._to)
        if error not in (0, errno.EINPROGRESS):
            self.abandon()
            raise self._refused(OSError(error, os.strerror(error)))
        self._connecting.add(self)

    def abandon(self) -> None:
        """Let go of the connection, wherever it is; an answer to its SYN that is still to come gets a reset."""
        self._connecting.remove(self)
        self._socket.close()

    def finish(self, now_ns: int) -> None:
        """Close the connection that has come about by now, or not, and say what became of it."""
        with self._socket as sock:
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            handshake = parse_tcp_info(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE))
            icmp = _icmp_error(sock) if error else None
        ending = ending_of(
            error,
            handshake,
            icmp,
            elapsed_ns=now_ns - self._begun_ns,
            timeout_ns=self._timeout_ns,
            version=4 if sock.family == socket.AF_INET else 6,
        )
        assert self._ended is not None
        self._ended(ending)

    def _refused(self, error: OSError) -> CollectorError:
        host, port = self._to[:2]
        message = f"path {self._path.name}: this host does not connect to {host} port {port}: {error.strerror}"
        # Whether the source exists was found out before: what is not available is a port.
        remedy = (
            "its ports are used up (net.ipv4.ip_local_port_range), or it has no address for this"
            if error.errno == errno.EADDRNOTAVAIL
            else f"see its routes (`ip route get {host}`)"
        )
        return CollectorError(f"{message}: {remedy}", reason=reason_of(error))


class _Connecting:
    """The sockets that are connecting, in one epoll of their own, which the loop watches.

    That is one registration for all of them; and uvloop's own watching ends with the first error on a socket.
    """

    def __init__(self, loop: AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._epoll: select.epoll | None = None
        self._attempts: dict[int, TcpAttempt] = {}

    def add(self, attempt: TcpAttempt) -> None:
        """Have an attempt finished as soon as its socket is writable or has an error."""
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self.collect)
        self._epoll.register(attempt, select.EPOLLOUT)  # EPOLLERR and EPOLLHUP are always reported
        self._attempts[attempt.fileno()] = attempt

    def remove(self, attempt: TcpAttempt) -> None:
        """Leave an attempt alone; closing its socket takes it out of the epoll."""
        self._attempts.pop(attempt.fileno(), None)

    def collect(self) -> None:
        """Finish the attempts that are ready."""
        if self._epoll is None:
            return
        ready = self._epoll.poll(0)
        now_ns = self._clock.monotonic_ns()
        for descriptor, _ in ready:
            self._attempts.pop(descriptor).finish(now_ns)

    def close(self) -> None:
        """Finish no more of them."""
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None


def _icmp_error(sock: socket.socket) -> IcmpError | None:
    """Return the ICMP error that ended an attempt, where one did."""
    try:
        _, items, _, _ = sock.recvmsg(0, _ANCILLARY_SPACE, socket.MSG_ERRQUEUE)
    except BlockingIOError:
        return None
    entry = parse_error_queue(items)
    return entry if isinstance(entry, IcmpError) else None
