"""The TCP sockets of a TWAMP server: where it listens, and what each of its connections is set to."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address

from collectors.path import IPAddress
from collectors.stamp.listener import cannot_listen

_BACKLOG = 64
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
_TCP_SAVE_SYN = 27
_TCP_SAVED_SYN = 28
_SYN_SPACE = 128  # an IPv6 header and a TCP header with all its options
_DSCP_BITS = 0xFC


def open_control_listeners(host: IPAddress, port: int) -> list[socket.socket]:
    """Open the TCP sockets for an address and port; ``[::]`` means all of this host's addresses, IPv4's included.

    Port 0 lets the kernel choose. Raise :class:`collectors.errors.CollectorError` where the kernel refuses.
    """
    listeners: list[socket.socket] = []
    with ExitStack() as opened:
        for address in (host, IPv4Address(socket.INADDR_ANY)) if host == IPv6Address("::") else (host,):
            chosen = listeners[0].getsockname()[1] if listeners else port
            listeners.append(opened.enter_context(_listening(address, chosen)))
        opened.pop_all()
    return listeners


def _listening(host: IPAddress, port: int) -> socket.socket:
    is_ipv6 = host.version == 6
    with ExitStack() as opened:
        try:
            sock = opened.enter_context(
                socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
            )
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a restart waits for the last connection
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_SAVE_SYN, 1)
            if is_ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Looked up for the sake of a link-local address, whose zone becomes a number.
            sock.bind(socket.getaddrinfo(str(host), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4])
            sock.listen(_BACKLOG)
        except OSError as error:
            where = f"[{host}]:{port}" if is_ipv6 else f"{host}:{port}"
            raise cannot_listen(f"TCP {where}", error) from error
        opened.pop_all()
    return sock


def prepare(sock: socket.socket) -> None:
    """Set what a control connection needs that was just accepted; raise :class:`OSError` if it is gone already.

    A client that vanished without a word is found out after two minutes. Control packets carry the DSCP of the
    client's SYN (RFC 5357, section 3.2); the kernel has not kept it where it sent SYN cookies.
    """
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    if header := sock.getsockopt(socket.IPPROTO_TCP, _TCP_SAVED_SYN, _SYN_SPACE):
        _set_dscp(sock, header)


def _set_dscp(sock: socket.socket, header: bytes) -> None:
    if sock.family == socket.AF_INET6:
        traffic_class = int.from_bytes(header[:2], "big") >> 4
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, traffic_class & _DSCP_BITS)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, header[1] & _DSCP_BITS)
