"""Finds the address of a target's host, again and again: names move, and one bad name stops nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address

from collectors.errors import CollectorError
from collectors.path import NetworkPath

AGAIN_S = 60.0
AGAIN_AFTER_FAILURE_S = 5.0


def literal(host: str) -> str | None:
    """Return the host where it is an address already."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None


async def resolve(host: str, path: NetworkPath) -> str:
    """Return the first address of ``host`` that can be reached from the path's source address.

    Raise :class:`CollectorError` (reason ``unresolved``) where there is none.
    """
    family = socket.AF_UNSPEC
    if path.source is not None:
        family = socket.AF_INET if path.source.version == 4 else socket.AF_INET6
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
    except OSError as error:
        message = f"{host} does not resolve: {error.strerror or error}: check the name and this host's DNS"
        raise CollectorError(message, reason="unresolved") from error
    return str(found[0][4][0])


async def keep_resolving(
    host: str,
    path: NetworkPath,
    on_address: Callable[[str], None],
    on_failure: Callable[[CollectorError], None],
) -> None:
    """Resolve at once and then every minute, sooner after a failure; report each outcome. Runs until cancelled."""
    while True:
        try:
            on_address(await resolve(host, path))
            delay_s = AGAIN_S
        except CollectorError as error:
            on_failure(error)
            delay_s = AGAIN_AFTER_FAILURE_S
        await asyncio.sleep(delay_s)
