"""Sockets that put packets on one path and know, from the kernel, when each left and came.

Non-blocking and read with ``recvmsg``: datagram transports spin or crash on a socket with an error queue.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import select
import socket
import struct
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator, Sequence

from collectors import ancillary
from collectors.ancillary import Datagram, IcmpError, TransmitStamp, parse_drops
from collectors.errors import CollectorError, reason_of
from collectors.intake import READ_AT_MOST, Intake
from collectors.path import Address, NetworkPath, PacketMarks
from collectors.pinning import is_on_path, new_socket, put_on_path

_RECEIVE_BUFFER = 1 << 20  # the error queue is charged to it too
_PENDING_ERRORS = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EMSGSIZE, errno.EPROTO)
_ID = struct.Struct("@I")
_SOL_SOCKET, _SCM_TS_OPT_ID = ancillary.SOL_SOCKET, ancillary.SCM_TS_OPT_ID


def family_of(address: Address) -> int:
    """Return the family of a socket address: Python's tuples have two members for IPv4, four for IPv6."""
    return socket.AF_INET if len(address) == 2 else socket.AF_INET6


class StampedSocket:
    """A datagram socket whose packets are stamped by the kernel on their way out and in.

    ``own_ids``: whether the kernel lets us name the stamps of packets, which it is asked unless told.
    """

    def __init__(self, sock: socket.socket, *, own_ids: bool | None = None) -> None:
        sock.setblocking(False)
        enlarge_receive_buffer(sock, _RECEIVE_BUFFER)
        sock.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, ancillary.SOFTWARE_STAMPS)
        self._socket = sock
        self._own_ids = kernel_takes_stamp_ids() if own_ids is None else own_ids
        self._counted_ids: dict[int, int] = {}
        self._sent = 0
        self._stamps_due = 0
        self._set_aside: list[TransmitStamp | IcmpError] = []
        self._intake = Intake(sock)
        self.is_raw = sock.type == socket.SOCK_RAW

    def fileno(self) -> int:
        """Return the descriptor, for ``epoll``."""
        return self._socket.fileno()

    @property
    def dropped(self) -> int:
        """How many datagrams for it the kernel dropped, since the receive buffer was full; 0 before Linux 4.12.

        Transmit stamps take room in that buffer too. Those that find none vanish uncounted: their packets' samples
        have this program's times then. Wraps at 2**32. Takes 0.8 µs; SO_RXQ_OVFL tells the same beside datagrams, but
        only with the next one that has room.
        """
        return datagrams_dropped(self._socket)

    def is_on(self, path: NetworkPath) -> bool:
        """Whether what pins it to this path is still there."""
        return is_on_path(self._socket, path)

    def close(self) -> None:
        """Close the descriptor; what is still in its queues is lost."""
        self._socket.close()

    def send(self, data: bytes, to: Address, stamp_id: int) -> None:
        """Send a datagram whose transmit stamp will carry ``stamp_id``; raise :class:`OSError` if the kernel refuses.

        An ICMP error that is still pending from an earlier packet is reported by the next call on the socket,
        whatever it is; the packet was not sent then, and is tried once more. What the error queue held by then, that
        error included, is :attr:`set_aside`.
        """
        try:
            self._send(data, to, stamp_id)
        except OSError as error:
            self._set_aside = self.drain_error_queue()
            self._restart_count()
            if error.errno not in _PENDING_ERRORS:
                raise
            self._send(data, to, stamp_id)

    @property
    def set_aside(self) -> bool:
        """Whether something was read already that :meth:`drain_error_queue` yields first."""
        return bool(self._set_aside)

    def _restart_count(self) -> None:
        """Have the kernel count stamps from 0 again: it may have counted a packet that did not leave."""
        if self._own_ids:
            return
        for flags in (ancillary.SOFTWARE_STAMPS & ~ancillary.OPT_ID, ancillary.SOFTWARE_STAMPS):
            self._socket.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, flags)
        self._counted_ids.clear()
        self._sent = 0

    def _send(self, data: bytes, to: Address, stamp_id: int) -> None:
        if self._own_ids:
            self._socket.sendmsg((data,), ((_SOL_SOCKET, _SCM_TS_OPT_ID, _ID.pack(stamp_id & 0xFFFFFFFF)),), 0, to)
            self._stamps_due += 1
            return
        self._socket.sendmsg([data], [], 0, to)
        self._stamps_due += 1
        # The kernel counts from 0, one for each datagram that it took.
        self._counted_ids[self._sent & 0xFFFFFFFF] = stamp_id
        self._sent += 1
        if len(self._counted_ids) > 4096:  # stamps that never came
            del self._counted_ids[next(iter(self._counted_ids))]

    def drain(self) -> Sequence[TransmitStamp | IcmpError | Datagram]:
        """Return what waits in the socket: transmit stamps that are due first, so that they precede their answers.

        What else the error queue holds is read last: it woke us, if no datagram did.
        """
        entries = self.drain_error_queue() if self._stamps_due > 0 or self._set_aside else []
        datagrams = self._datagrams()
        return [*entries, *(datagrams or self.drain_error_queue())]

    def _datagrams(self) -> list[Datagram]:
        """Return as many as are read in one go, so that no socket can starve the loop."""
        for _ in range(READ_AT_MOST):
            try:
                return self._intake.datagrams()
            except OSError:  # a pending ICMP error, told once; its details are in the error queue
                continue
        return []

    def drain_error_queue(self) -> list[TransmitStamp | IcmpError]:
        """Return transmit stamps and ICMP errors.

        The stamps of packets that were just sent are mostly there already: reading them now spares being woken for
        them.
        """
        entries, self._set_aside = self._set_aside, []
        while True:
            stamps, errors = self._intake.errors()
            self._stamps_due -= len(stamps)
            entries += stamps if self._own_ids else self._with_own_ids(stamps)
            entries += errors
            if len(stamps) + len(errors) < READ_AT_MOST:
                return entries

    def _with_own_ids(self, stamps: Iterable[TransmitStamp]) -> Iterator[TransmitStamp]:
        for counted, stamp_ns in stamps:
            if counted in self._counted_ids:
                yield TransmitStamp(self._counted_ids.pop(counted), stamp_ns)


class Watch:
    """Calls back whenever a socket has something to read, its error queue included.

    The socket sits in an epoll of its own and the loop watches that: uvloop's ``add_reader`` on the socket itself goes
    deaf after the first entry in the error queue. Raise :class:`CollectorError` where this process may not have one.
    """

    def __init__(self, loop: AbstractEventLoop, sock: StampedSocket, on_ready: Callable[[], None]) -> None:
        self._loop = loop
        try:
            self._epoll = select.epoll()
        except OSError as error:
            message = f"cannot watch a socket: {error.strerror}: raise LimitNOFILE, or probe less often"
            raise CollectorError(message, reason=reason_of(error)) from error
        self._epoll.register(sock.fileno(), select.EPOLLIN)  # EPOLLERR is always reported
        loop.add_reader(self._epoll.fileno(), on_ready)

    def close(self) -> None:
        """Stop calling back."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()


def datagrams_dropped(sock: socket.socket) -> int:
    """Return how many datagrams the kernel had no room for in a socket's queue, modulo 2**32; 0 before Linux 4.12."""
    try:
        return parse_drops(sock.getsockopt(socket.SOL_SOCKET, ancillary.SO_MEMINFO, ancillary.MEMINFO_SIZE))
    except OSError:
        return 0


def enlarge_receive_buffer(sock: socket.socket, octets: int) -> None:
    """Give the socket room for what waits while this program does not run.

    Beyond net.core.rmem_max for CAP_NET_ADMIN; others get that much.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)
    with contextlib.suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, ancillary.SO_RCVBUFFORCE, octets)


def open_udp(path: NetworkPath, family: int, marks: PacketMarks) -> StampedSocket:
    """Open a UDP socket on ``path``; raise :class:`CollectorError` where the path's pinning is refused."""
    return _prepared(new_socket(path, family, socket.SOCK_DGRAM), path, marks)


def open_echo(path: NetworkPath, family: int, marks: PacketMarks) -> StampedSocket:
    """Open a socket for ICMP echo on ``path``: the kernel's ping socket, else a raw socket.

    A ping socket needs no capability but a group within net.ipv4.ping_group_range, and sees only its own answers; a
    raw socket needs CAP_NET_RAW. Raise :class:`CollectorError` where neither is allowed.
    """
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            sock = new_socket(path, family, kind, protocol)
        except PermissionError:
            continue
        if kind == socket.SOCK_RAW:
            _accept_only_echo_replies(sock)
        return _prepared(sock, path, marks)
    raise CollectorError(
        "cannot open an ICMP socket: let net.ipv4.ping_group_range include this group, or grant CAP_NET_RAW"
        " (README, Privileges)",
        reason="permission",
    )


def _accept_only_echo_replies(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET:
        sock.setsockopt(ancillary.SOL_RAW, 1, struct.pack("@I", ~(1 << 0) & 0xFFFFFFFF))  # ICMP_FILTER: blocked types
    else:
        blocked = bytearray(b"\xff" * 32)  # ICMP6_FILTER, likewise; 129 is echo reply
        word, bit = divmod(129, 32)
        struct.pack_into("@I", blocked, word * 4, ~(1 << bit) & 0xFFFFFFFF)
        sock.setsockopt(socket.IPPROTO_ICMPV6, 1, bytes(blocked))


def _prepared(sock: socket.socket, path: NetworkPath, marks: PacketMarks) -> StampedSocket:
    try:
        put_on_path(sock, path, marks)
        return StampedSocket(sock)
    except BaseException:
        sock.close()
        raise


@functools.cache
def kernel_takes_stamp_ids() -> bool:
    """Whether a transmit stamp's id can be given with the packet (SCM_TS_OPT_ID, Linux 6.13).

    Otherwise the kernel counts, and errors while sending can put that count out of step.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, ancillary.SOFTWARE_STAMPS)
        try:
            sock.sendmsg([b""], [(ancillary.SOL_SOCKET, ancillary.SCM_TS_OPT_ID, _ID.pack(0))], 0, ("127.0.0.1", 9))
        except OSError as error:  # without loopback the route is what fails, after the id was taken
            return error.errno != errno.EINVAL
    return True
