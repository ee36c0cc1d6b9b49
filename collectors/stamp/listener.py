"""A reflector's UDP sockets: bound, and asking the kernel for all it can tell beside a datagram."""

from __future__ import annotations

import errno
import functools
import socket
import struct
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address, ip_address

from collectors import ancillary
from collectors.ancillary import control_items, control_message, control_spans, parse_arrival
from collectors.errors import CollectorError, reason_of
from collectors.messages import CONTROL_SIZE
from collectors.path import IPAddress
from collectors.sockets import datagrams_dropped, enlarge_receive_buffer
from collectors.stamp.batch import knows_bundles
from collectors.stamp.departures import Departures
from collectors.stamp.reply import Arrival

_RECEIVE_BUFFER = 4 << 20  # net.core.rmem_max limits it to less for all but root
_WORD_SIZE = 8  # octets: the layouts of what is passed to the kernel are those of 64-bit Linux
_ANY, _ANY_IPV4 = IPv6Address("::"), IPv4Address(socket.INADDR_ANY)
_TTL = 255  # so that 255 minus the TTL of an answer is its hop count

_INT = struct.Struct("@i")
_PKTINFO = struct.Struct("@i4s4s")  # in_pktinfo: interface, local address, the header's destination
_PKTINFO6 = struct.Struct("@16si")  # in6_pktinfo: address, interface

_ADVICE = {
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE (README, Privileges); or choose a port from 1024 on",
    errno.EADDRINUSE: "another process listens there (`ss -tulpn` names it)",
    errno.EADDRNOTAVAIL: "it is not an address of this host (`ip addr` lists them)",
    errno.EAFNOSUPPORT: "this host has no IPv6: listen on an IPv4 address, or on 0.0.0.0 for all of them",
}


class Listener:
    """A bound UDP socket of one address family.

    ``departures`` are the stamps of its replies. ``layout`` is how to read at once what the kernel tells beside a
    datagram, into an :data:`Arrival`, and how many octets that has then, as it mostly has. ``bundles`` is whether the
    kernel takes several answers to one sender at once.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        host, self.port = sock.getsockname()[:2]
        self.host = ip_address(host)
        self.departures = Departures(sock)
        self.bundles = knows_bundles(sock)
        self._version = self.host.version
        self._pins_source = self.host.is_unspecified
        self.layout = (struct.Struct(f"{CONTROL_SIZE}x"), -1)  # none is known yet

    @property
    def dropped(self) -> int:
        """How many datagrams the kernel had no room for in the socket's queue; 0 before Linux 4.12 told it."""
        return datagrams_dropped(self.socket)

    def arrival(self, control: bytes, now_ns: int) -> Arrival:
        """Read what the kernel told in any layout, and learn this one if it is complete.

        The very first packets after stamping is switched on have no stamp: they are taken to have come at ``now_ns``
        (wall).
        """
        layout = _layout(control)
        if layout is not None:
            self.layout = (layout, len(control))
        items = control_items(control)
        arrival = parse_arrival(items)
        seconds, nanoseconds = divmod(arrival.stamp_ns or now_ns, 1_000_000_000)
        ttl = 255 if arrival.ttl is None else arrival.ttl
        return seconds, nanoseconds, _destination(items), ttl, arrival.tos or 0

    def control(self, destination: bytes, dscp: int) -> bytes:
        """Return the control messages of a reply: from the address that was asked, with this DSCP and ECN 0."""
        return _control(destination if self._pins_source else None, dscp, self._version)


def _layout(control: bytes) -> struct.Struct | None:
    """Return how to read a control area like this one at once; ``None`` where an item is missing or out of order."""
    spans = {(level, kind): (at, end) for level, kind, at, end in control_spans(control)}
    stamp = spans.get((ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING))
    info = spans.get((ancillary.SOL_IP, ancillary.IP_PKTINFO), spans.get((ancillary.SOL_IPV6, ancillary.IPV6_PKTINFO)))
    ttl = spans.get((ancillary.SOL_IP, ancillary.IP_TTL), spans.get((ancillary.SOL_IPV6, ancillary.IPV6_HOPLIMIT)))
    tos = spans.get((ancillary.SOL_IP, ancillary.IP_TOS), spans.get((ancillary.SOL_IPV6, ancillary.IPV6_TCLASS)))
    if stamp is None or info is None or ttl is None or tos is None:
        return None
    info_at, info_size = (info[0] + 4, 8) if info[1] - info[0] == _PKTINFO.size else (info[0], 16)
    layout = ""
    end = 0
    for at, size, form in (
        (stamp[0], 16, "qq"),
        (info_at, info_size, f"{info_size}s"),
        (ttl[0], 4, "i"),
        (tos[0], tos[1] - tos[0], "B" if tos[1] - tos[0] == 1 else "i"),  # an octet of IPv4, an int of IPv6
    ):
        if at < end:
            return None
        layout += f"{at - end}x{form}"
        end = at + size
    return struct.Struct(f"={layout}{CONTROL_SIZE - end}x")


def _destination(items: list[tuple[int, int, bytes]]) -> bytes:
    for level, kind, value in items:
        if (level, kind) == (ancillary.SOL_IP, ancillary.IP_PKTINFO):
            return value[4:12]
        if (level, kind) == (ancillary.SOL_IPV6, ancillary.IPV6_PKTINFO):
            return value[:16]
    return b"\xff" * 4  # never seen: taken for a broadcast, which gets no answer


@functools.lru_cache(maxsize=4096)
def _control(source: bytes | None, dscp: int, version: int) -> bytes:
    """Pin a datagram's source and set its DSCP, with ECN 0 (RFC 7750, section 2.2.1).

    Kept, so that a batch need not write again what its slots hold already.
    """
    control = b""
    if version == 4:
        if source is not None:
            control += control_message(ancillary.SOL_IP, ancillary.IP_PKTINFO, _PKTINFO.pack(0, source[:4], bytes(4)))
        if dscp:
            control += control_message(ancillary.SOL_IP, ancillary.IP_TOS, _INT.pack(dscp << 2))
    else:
        if source is not None:
            control += control_message(ancillary.SOL_IPV6, ancillary.IPV6_PKTINFO, _PKTINFO6.pack(source, 0))
        if dscp:
            control += control_message(ancillary.SOL_IPV6, ancillary.IPV6_TCLASS, _INT.pack(dscp << 2))
    return control


def open_listeners(host: IPAddress, port: int) -> list[Listener]:
    """Open the sockets for an address and port; ``[::]`` means all of this host's addresses, IPv4's included.

    Each family has its own socket: on a shared one the kernel tells TTL and TOS differently for mapped addresses.
    Port 0 lets the kernel choose, for both families the same. Raise :class:`CollectorError` where the kernel refuses.
    """
    if struct.calcsize("@P") != _WORD_SIZE:
        raise CollectorError("cannot answer test packets on 32-bit Linux: use a 64-bit system", reason="other")
    return _both_families(port) if host == _ANY else [Listener(_bound(host, port))]


def cannot_listen(where: str, error: OSError) -> CollectorError:
    """Say why the kernel refused to let us listen at ``where``, and what to do."""
    advice = _ADVICE.get(error.errno or 0, error.strerror)
    return CollectorError(f"cannot listen on {where}: {advice}", reason=reason_of(error))


def _both_families(port: int) -> list[Listener]:
    with ExitStack() as alone:
        while True:
            listener = Listener(_bound(_ANY, port))
            try:
                return [listener, Listener(_bound(_ANY_IPV4, listener.port))]
            except CollectorError as error:
                alone.enter_context(listener.socket)  # open until the end, so that the kernel chooses another port
                if port or error.reason != "address_in_use":
                    raise


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
