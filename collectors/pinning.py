"""Puts sockets on a path: what pins their packets to it, and the marks that these carry. Sends nothing."""

from __future__ import annotations

import errno
import socket

from collectors import ancillary
from collectors.errors import CollectorError, reason_of
from collectors.path import NetworkPath, PacketMarks

_OTHER_FAMILY = "address_family"
_NO_FAMILY = "this host has no such IP version: give the target an address of the other"
_INTERFACE_NAME_SIZE = 16
_GONE = (errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL)
_TTL = 255  # so that 255 minus the TTL of a packet that arrives is its hop count


def open_tcp(path: NetworkPath, family: int, marks: PacketMarks) -> socket.socket:
    """Open a TCP socket on ``path``, not connected, non-blocking; raise :class:`CollectorError` where that is refused.

    ICMP errors go to its error queue too, with who sent them, and end a connection attempt at once; tcp(7) says that
    TCP has no such queue, and Linux has had one for attempts since 2.4 all the same.
    """
    sock = new_socket(path, family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # The port is chosen when connecting: it need not be free towards other hosts then.
        sock.setsockopt(ancillary.SOL_IP, ancillary.IP_BIND_ADDRESS_NO_PORT, 1)
        put_on_path(sock, path, marks)
    except BaseException:
        sock.close()
        raise
    return sock


def new_socket(path: NetworkPath, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """Open a socket that is to be put on ``path``; raise :class:`CollectorError` where this host has none to give.

    That this process may not have one is a :class:`PermissionError`: there may be another kind that does as well.
    """
    try:
        return socket.socket(family, kind, protocol)
    except PermissionError:
        raise
    except OSError as error:
        remedy = _NO_FAMILY if error.errno == errno.EAFNOSUPPORT else "raise LimitNOFILE, or probe less often"
        message = f"path {path.name}: cannot open a socket: {error.strerror}: {remedy}"
        raise CollectorError(message, reason=reason_of(error)) from error


def put_on_path(sock: socket.socket, path: NetworkPath, marks: PacketMarks) -> None:
    """Pin a new socket to ``path`` and mark its packets; raise :class:`CollectorError` where the pinning is refused."""
    _pin(sock, path)
    _mark(sock, marks)


def is_on_path(sock: socket.socket, path: NetworkPath) -> bool:
    """Whether the interface and the source address that a socket was pinned to are still there.

    The kernel does not tell: over IPv6 it sends from an address that this host has no longer, and of an interface that
    is gone, even if another one has its name since, it says that there is no route.
    """
    try:
        if path.interface is not None:
            name = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _INTERFACE_NAME_SIZE)
            if name.rstrip(b"\0") != path.interface.encode():
                return False
        if path.source is not None:
            with socket.socket(sock.family, socket.SOCK_DGRAM) as another:
                another.bind((str(path.source), 0))
    except OSError as error:
        return error.errno not in _GONE
    return True


def _pin(sock: socket.socket, path: NetworkPath) -> None:
    """Put the socket on the path; the interface comes first, since an address may exist on it alone."""
    if path.source is not None and (path.source.version == 4) != (sock.family == socket.AF_INET):
        message = f"path {path.name}: sends from {path.source}, which an address of the other family cannot answer"
        raise CollectorError(f"{message}: give the target an address of IPv{path.source.version}", reason=_OTHER_FAMILY)
    if path.interface is not None:
        _set(
            sock,
            (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, path.interface.encode() + b"\0"),
            f"path {path.name}: cannot use interface {path.interface}: check `ip link`; changing it needs CAP_NET_RAW",
        )
    if path.fwmark is not None:
        _set(
            sock,
            (socket.SOL_SOCKET, socket.SO_MARK, path.fwmark),
            f"path {path.name}: cannot set fwmark {path.fwmark:#x}: grant CAP_NET_ADMIN, or CAP_NET_RAW on Linux 5.17+",
        )
    if path.source is not None:
        try:
            sock.bind((str(path.source), 0))
        except OSError as error:
            message = f"path {path.name}: cannot send from {path.source}: it is not an address of this host (`ip addr`)"
            raise CollectorError(f"{message}: {error.strerror}", reason=reason_of(error)) from error


def _set(sock: socket.socket, option: tuple[int, int, int | bytes], message: str) -> None:
    try:
        sock.setsockopt(*option)
    except OSError as error:
        raise CollectorError(f"{message}: {error.strerror}", reason=reason_of(error)) from error


def _mark(sock: socket.socket, marks: PacketMarks) -> None:
    """Mark what leaves, and ask for ICMP errors; of datagrams also for the marks that they arrive with.

    TCP finds the largest packet of a path by itself, so there is nothing to say of fragments.
    """
    traffic_class = marks.dscp << 2
    discover = ancillary.IP_PMTUDISC_DO if marks.dont_fragment else ancillary.IP_PMTUDISC_DONT
    if sock.family == socket.AF_INET:
        level = ancillary.SOL_IP
        options = [(ancillary.IP_TOS, traffic_class), (ancillary.IP_TTL, _TTL), (ancillary.IP_RECVERR, 1)]
        of_datagrams = [
            (ancillary.IP_MTU_DISCOVER, discover),
            (ancillary.IP_RECVTTL, 1),
            (ancillary.IP_RECVTOS, 1),
        ]
    else:
        level = ancillary.SOL_IPV6
        options = [
            (ancillary.IPV6_TCLASS, traffic_class),
            (ancillary.IPV6_UNICAST_HOPS, _TTL),
            (ancillary.IPV6_RECVERR, 1),
        ]
        of_datagrams = [
            (ancillary.IPV6_MTU_DISCOVER, discover),
            (socket.IPV6_RECVHOPLIMIT, 1),
            (socket.IPV6_RECVTCLASS, 1),
        ]
    for option, value in options if sock.type == socket.SOCK_STREAM else options + of_datagrams:
        sock.setsockopt(level, option, value)
