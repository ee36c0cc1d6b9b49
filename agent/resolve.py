"""Finds the address of a target's host, again and again: names move, and one bad name stops nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from collectors.errors import CollectorError
from collectors.path import NetworkPath

AGAIN_S = 60.0
AGAIN_AFTER_FAILURE_S = 5.0
_LONGEST_S = 5.0  # a resolver whose servers are silent may take half a minute


def literal(host: str) -> str | None:
    """Return the host where it is an address already."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None


async def resolve(host: str, path: NetworkPath) -> str:
    """Return the first address of ``host`` that has the family of the path's source address.

    Raise :class:`CollectorError` (reason ``unresolved``) where there is none, or none within five seconds.
    """
    family = socket.AF_UNSPEC
    if path.source is not None:
        family = socket.AF_INET if path.source.version == 4 else socket.AF_INET6
    try:
        async with asyncio.timeout(_LONGEST_S):
            return await _first_address(host, family)
    except OSError as error:  # TimeoutError is one too
        why = error.strerror or f"no answer within {_LONGEST_S:.0f} s"
        message = f"{host} does not resolve: {why}: check the name and this host's DNS"
        raise CollectorError(message, reason="unresolved") from error


async def _first_address(host: str, family: int) -> str:
    """Look up in a daemon thread: a loop's own look-ups would have to be waited for when the program ends."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def settle(address: str | None, error: OSError | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(str(address))

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
            outcome: tuple[str | None, OSError | None] = (str(found[0][4][0]), None)
        except OSError as error:
            outcome = (None, error)
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    return await answer


async def keep_resolving(
    host: str,
    path: NetworkPath,
    on_address: Callable[[str], None],
    on_failure: Callable[[CollectorError], None],
    *,
    resolve: Callable[[str, NetworkPath], Awaitable[str]] = resolve,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Resolve at once and then every minute, sooner after a failure; report each outcome. Runs until cancelled."""
    while True:
        try:
            on_address(await resolve(host, path))
            delay_s = AGAIN_S
        except CollectorError as error:
            on_failure(error)
            delay_s = AGAIN_AFTER_FAILURE_S
        await sleep(delay_s)
