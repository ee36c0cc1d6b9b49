"""Answers test packets on real sockets: the shell of :mod:`collectors.stamp.reflector`, in a blocking loop of its own.

It is a process apart, because its load is set by others. Residence time is taken off round-trip times, so what counts
is that T2 comes from the kernel: with a T2 of its own, taken when Python gets to run, a busy host's reflector adds
milliseconds to what its peers measure. T3 is taken right before ``sendmsg``.
"""

from __future__ import annotations

import errno
import functools
import select
import signal
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

from collectors import ancillary
from collectors.ancillary import Arrival, parse_arrival
from collectors.clock import Clock, ClockState
from collectors.errors import CollectorError, reason_of
from collectors.path import Address, IPAddress
from collectors.sockets import enlarge_receive_buffer
from collectors.stamp.reflector import Reflector, Refusal, Reply
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.wire import write_sent_time

_SO_RXQ_OVFL = 40
_RECEIVE_STAMPS = 1 << 3 | 1 << 4  # SO_TIMESTAMPING: RX_SOFTWARE, SOFTWARE; no transmit stamps, so no error queue
_RECEIVE_BUFFER = 4 << 20  # net.core.rmem_max limits it to less for all but root
_MAX_DATAGRAM = 65_536
_ANCILLARY_SPACE = 256
_ANSWER_AT_MOST = 64  # datagrams a wake-up: about a millisecond, so that a signal is seen even under a flood
_CLOCK_CHECK_NS = 10_000_000_000
_TTL = 255  # so that 255 minus the TTL of an answer is its hop count

_UINT = struct.Struct("@I")
_INT = struct.Struct("@i")
_PKTINFO = struct.Struct("@i4s4s")  # in_pktinfo: interface, local address, the header's destination
_PKTINFO6 = struct.Struct("@16si")  # in6_pktinfo: address, interface

_ADVICE = {
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE (README, Privileges); or choose a port from 1024 on",
    errno.EADDRINUSE: "another process listens there (`ss -ulpn` names it)",
    errno.EADDRNOTAVAIL: "it is not an address of this host (`ip addr` lists them)",
    errno.EAFNOSUPPORT: "this host has no IPv6: listen on an IPv4 address, or on 0.0.0.0 for all of them",
}


class Listener:
    """A bound UDP socket of one address family, with all that the kernel can tell beside a datagram.

    ``address`` is where it listens; ``dropped`` how many datagrams the kernel had no room for in its queue.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        host, self.port = sock.getsockname()[:2]
        self.host = ip_address(host)
        self.dropped = 0
        # Bound to one address, that is where every datagram was sent to and where answers come from; the kernel need
        # not say so each time.
        self._only_host = None if self.host.is_unspecified else self.host.packed

    def receive(self) -> tuple[bytes, Address, Arrival, bytes | None]:
        """Return a datagram, its source, what came beside it, and the address it was sent to.

        That address is ``None`` for a broadcast. Raise :class:`BlockingIOError` when there is nothing to receive.
        """
        data, items, _, source = self.socket.recvmsg(_MAX_DATAGRAM, _ANCILLARY_SPACE)
        destination = self._only_host
        for level, kind, value in items:
            if level == ancillary.SOL_SOCKET and kind == _SO_RXQ_OVFL:
                self.dropped = _UINT.unpack(value)[0]
            elif level == ancillary.SOL_IP and kind == ancillary.IP_PKTINFO:
                _, local, destination = _PKTINFO.unpack(value)
                if destination != local:
                    destination = None
            elif level == ancillary.SOL_IPV6 and kind == ancillary.IPV6_PKTINFO:
                destination, _ = _PKTINFO6.unpack(value)
        return data, source, parse_arrival(items), destination

    def send(self, answer: bytearray, to: Address, *, source: bytes, dscp: int, wall_ns: Callable[[], int]) -> None:
        """Send an answer from ``source``, an address of this socket; raise :class:`OSError` if the kernel refuses.

        T3 is written with nothing left to do but the system call: ten calls of Python in between were 11 µs of every
        round trip.
        """
        marks = _marks(None if self._only_host else source, dscp, self.host.version)
        buffers, sendmsg = [answer], self.socket.sendmsg
        write_sent_time(answer, wall_ns())
        sendmsg(buffers, marks, 0, to)


@functools.lru_cache(maxsize=4096)
def _marks(source: bytes | None, dscp: int, version: int) -> list[tuple[int, int, bytes]]:
    """Return the ancillary items that pin a datagram's source and set its DSCP, with ECN 0 (RFC 7750, section 2.2.1).

    Kept, so that nothing is put together between T3 and the sending.
    """
    items = []
    if version == 4:
        if source is not None:
            items.append((ancillary.SOL_IP, ancillary.IP_PKTINFO, _PKTINFO.pack(0, source, bytes(4))))
        if dscp:
            items.append((ancillary.SOL_IP, ancillary.IP_TOS, _INT.pack(dscp << 2)))
    else:
        if source is not None:
            items.append((ancillary.SOL_IPV6, ancillary.IPV6_PKTINFO, _PKTINFO6.pack(source, 0)))
        if dscp:
            items.append((ancillary.SOL_IPV6, ancillary.IPV6_TCLASS, _INT.pack(dscp << 2)))
    return items


def open_listeners(host: IPAddress, port: int) -> list[Listener]:
    """Open the sockets for an address and port; ``[::]`` means all of this host's addresses, IPv4's included.

    Each family has its own socket: on a shared one the kernel tells TTL and TOS differently for mapped addresses.
    Port 0 lets the kernel choose. Raise :class:`CollectorError` where the kernel refuses.
    """
    listeners: list[Listener] = []
    with ExitStack() as opened:
        for address in (host, IPv4Address(socket.INADDR_ANY)) if host == IPv6Address("::") else (host,):
            sock = opened.enter_context(_bound(address, listeners[0].port if listeners else port))
            listeners.append(Listener(sock))
        opened.pop_all()
    return listeners


def cannot_listen(where: str, error: OSError) -> CollectorError:
    """Say why the kernel refused to let us listen at ``where``, and what to do."""
    advice = _ADVICE.get(error.errno or 0, error.strerror)
    return CollectorError(f"cannot listen on {where}: {advice}", reason=reason_of(error))


def _bound(host: IPAddress, port: int) -> socket.socket:
    is_ipv6 = host.version == 6
    with ExitStack() as opened:
        try:
            sock = opened.enter_context(
                socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
            )
            _prepare(sock)
            # Looked up for the sake of a link-local address, whose zone becomes a number.
            sock.bind(socket.getaddrinfo(str(host), port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0][4])
        except OSError as error:
            raise cannot_listen(f"[{host}]:{port}" if is_ipv6 else f"{host}:{port}", error) from error
        opened.pop_all()
    return sock


def _prepare(sock: socket.socket) -> None:
    sock.setblocking(False)
    enlarge_receive_buffer(sock, _RECEIVE_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    sock.setsockopt(socket.SOL_SOCKET, ancillary.SO_TIMESTAMPING, _RECEIVE_STAMPS)
    if sock.family == socket.AF_INET6:
        level = ancillary.SOL_IPV6
        sock.setsockopt(level, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(level, ancillary.IPV6_UNICAST_HOPS, _TTL)
        sock.setsockopt(level, ancillary.IPV6_MTU_DISCOVER, ancillary.IP_PMTUDISC_DONT)
        wanted = (socket.IPV6_RECVPKTINFO, socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS)
    else:
        level = ancillary.SOL_IP
        sock.setsockopt(level, ancillary.IP_TTL, _TTL)
        # Routers may fragment answers: otherwise each new sender would lose the first large one to path MTU discovery.
        sock.setsockopt(level, ancillary.IP_MTU_DISCOVER, ancillary.IP_PMTUDISC_DONT)
        wanted = (ancillary.IP_PKTINFO, ancillary.IP_RECVTTL, ancillary.IP_RECVTOS)
    for option in wanted:
        sock.setsockopt(level, option, 1)


class Server:
    """Answers what arrives at ``listeners`` until told to stop. ``not_sent`` counts refused sends by reason."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        reflector: Reflector,
        *,
        clock: Clock,
        clock_state: Callable[[], ClockState],
    ) -> None:
        self.not_sent: Counter[str] = Counter()
        self._listeners = {listener.socket.fileno(): listener for listener in listeners}
        self._reflector = reflector
        self._clock = clock
        self._clock_state = clock_state
        self._clock_checked_ns: int | None = None

    @property
    def dropped(self) -> int:
        """How many datagrams found no room in the sockets' queues, as far as the kernel has told."""
        return sum(listener.dropped for listener in self._listeners.values())

    def run(self, stop: int) -> None:
        """Answer until the descriptor ``stop`` has something to read."""
        with select.epoll() as ready:
            for descriptor in (stop, *self._listeners):
                ready.register(descriptor, select.EPOLLIN)
            while True:
                descriptors = [descriptor for descriptor, _ in ready.poll()]
                if stop in descriptors:
                    return
                self._check_clock()
                for descriptor in descriptors:
                    self._answer_waiting(self._listeners[descriptor])

    def _check_clock(self) -> None:
        """Ask the kernel how good its clock is, at most every ten seconds, and only when there is somebody to tell."""
        now_ns = self._clock.monotonic_ns()
        if self._clock_checked_ns is not None and now_ns - self._clock_checked_ns < _CLOCK_CHECK_NS:
            return
        self._clock_checked_ns = now_ns
        self._reflector.set_error_estimate(_error_estimate(self._clock_state))

    def _answer_waiting(self, listener: Listener) -> None:
        for _ in range(_ANSWER_AT_MOST):
            try:
                data, source, arrival, destination = listener.receive()
            except BlockingIOError:
                return
            except OSError:  # a pending ICMP error, told once: it concerns an answer that is on its way already
                continue
            if destination is None:
                self._reflector.refuse(Refusal.NOT_UNICAST)
                continue
            reply = self._reflector.answer(
                data,
                source,
                destination,
                # The very first packets after stamping is switched on have none.
                arrival.stamp_ns or self._clock.wall_ns(),
                arrival.ttl,
                arrival.tos or 0,
                self._clock.monotonic_ns(),
            )
            if not isinstance(reply, Refusal):
                self._send(listener, reply, source, destination)

    def _send(self, listener: Listener, reply: Reply, to: Address, source: bytes) -> None:
        try:
            listener.send(reply.data, to, source=source, dscp=reply.dscp, wall_ns=self._clock.wall_ns)
        except OSError as error:
            self.not_sent[reason_of(error)] += 1
        else:
            self._reflector.sent(reply)


def _error_estimate(clock_state: Callable[[], ClockState]) -> ErrorEstimate:
    try:
        state = clock_state()
    except OSError:  # a sandbox without adjtimex
        return ErrorEstimate.UNKNOWN
    # The bound, as senders say it too: some clients of NTP never set the estimate.
    return ErrorEstimate.from_clock(synchronised=state.synchronised, error_ns=state.max_error_ns)


@contextmanager
def termination() -> Iterator[int]:
    """Yield a descriptor that has something to read once SIGTERM or SIGINT came; for the main thread alone."""
    read_end, write_end = socket.socketpair()
    with read_end, write_end:
        write_end.setblocking(False)
        # The descriptor is what wakes the loop up; a handler must be there all the same, or the process would die.
        previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
        previous_descriptor = signal.set_wakeup_fd(write_end.fileno())
        try:
            yield read_end.fileno()
        finally:
            signal.set_wakeup_fd(previous_descriptor)
            for number, action in previous.items():
                signal.signal(number, action)
