"""What a plan wants of its host and this one does not have at present: asked by ``eragent check``.

That may run elsewhere, and addresses and links come and go: these are no mistakes of the file.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator

from agent.config.document import Document
from agent.config.hosts import literal_address
from agent.config.problems import Key, Problem
from agent.plan import Plan, SocketAddress
from collectors.path import IPAddress


def has_address(address: IPAddress) -> bool:
    """Whether this host has an address: whether a socket can be bound to it, which sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((str(address), 0))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def has_interface(name: str) -> bool:
    """Whether this host has an interface."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def missing_here(
    plan: Plan,
    document: Document,
    *,
    address: Callable[[IPAddress], bool] = has_address,
    interface: Callable[[str], bool] = has_interface,
) -> list[Problem]:
    """Return a line for each source, interface and address to listen on that this host lacks."""
    return [*_of_paths(plan, document, address, interface), *_of_listeners(plan, document, address)]


def _of_paths(
    plan: Plan, document: Document, address: Callable[[IPAddress], bool], interface: Callable[[str], bool]
) -> Iterator[Problem]:
    for path in plan.paths.values():
        if path.source is not None and not address(path.source):
            message = f"this host has no address {path.source} now (`ip addr`): nothing is sent on this path"
            yield document.problem(("paths", path.name, "source"), message)
        if path.interface is not None and not interface(path.interface):
            message = f"this host has no interface {path.interface} now (`ip link`): nothing is sent on this path"
            yield document.problem(("paths", path.name, "interface"), message)


def _of_listeners(plan: Plan, document: Document, address: Callable[[IPAddress], bool]) -> Iterator[Problem]:
    for key, listen in _listeners(plan):
        literal = literal_address(listen.host)
        if literal is not None and not address(literal):
            message = f"this host has no address {literal} now (`ip addr`): nobody is answered there"
            yield document.problem(key, message)


def _listeners(plan: Plan) -> Iterator[tuple[Key, SocketAddress]]:
    yield ("listen",), plan.listen
    if plan.reflector is not None:
        yield ("reflector", "stamp", "listen"), plan.reflector.listen
        if plan.reflector.twamp is not None:
            yield ("reflector", "twamp", "listen"), plan.reflector.twamp
    if plan.iperf3_server is not None:
        yield ("reflector", "iperf3", "listen"), plan.iperf3_server.listen
