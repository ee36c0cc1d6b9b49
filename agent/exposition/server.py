"""Serves over HTTP what the agent knows: metrics, health, probes on request, the summary of the most recent packets.

Whoever asks, and however slowly they read, packets leave in time: text is made and sent in steps of well under a
millisecond, and connections, scrapes and the time that each may take are bounded.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from json import JSONEncoder
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry

from agent.exposition.scrape import Scrapes, in_pieces, send
from agent.plan import SocketAddress

_log = logging.getLogger(__name__)

Ask = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _NoRequests(logging.Filter):
    """Leaves out what is no HTTP: its sender is told with a 400, and could crowd everything else out of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


_log.addFilter(_NoRequests())


class ListenError(Exception):
    """The address to serve on cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may take: connections and scrapes at once, and seconds: to read the metrics, and between requests.

    Without the first, connections that only wait would use up the descriptors that probes need for theirs; without the
    last, some whose clients are gone would keep everybody else out.
    """

    connections: int = 64
    scrapes: int = 8
    write_s: float = 10.0
    idle_s: float = 90.0


class Exposition:
    """The agent's HTTP endpoints; ``probe`` answers requests for ``/probe``, ``reload`` those to reload."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        summary: Callable[[], Awaitable[dict[str, Any]]],
        ready: Callable[[], bool],
        probe: Ask | None = None,
        reload: Ask | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._scrapes = Scrapes(registry, most=self._limits.scrapes, write_s=self._limits.write_s)
        self._summary = summary
        self._ready = ready
        self._probe = probe
        self._reload = reload

    @asynccontextmanager
    async def serving(self, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Serve on listening sockets while the context lasts."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/metrics", self._scrapes.answer),
                web.get("/summary", self._summarised),
                web.get("/-/healthy", self._healthy),
                web.get("/-/ready", self._readiness),
            ]
        )
        if self._probe is not None:
            application.router.add_get("/probe", self._probe, allow_head=False)  # an answer without text is no use
        if self._reload is not None:
            application.router.add_post("/-/reload", self._reload)
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=0.5,
            keepalive_timeout=self._limits.idle_s,
            logger=_log,
        )
        await runner.setup()
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(self._accepting(runner), sock=sock) for sock in sockets]
        try:
            yield
        finally:
            for server in servers:
                server.close()
            await runner.cleanup()

    def _accepting(self, runner: web.AppRunner) -> Callable[[], asyncio.BaseProtocol]:
        """Return what makes the protocol of each new connection."""
        server = runner.server
        assert server is not None, "the runner is set up"
        return lambda: server() if len(server.connections) < self._limits.connections else _TurnedAway()

    async def _index(self, _: web.Request) -> web.Response:
        links = ("/metrics", "/summary", "/-/healthy", "/-/ready")
        items = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
        return web.Response(text=f"<h1>eragent</h1><ul>{items}</ul>", content_type="text/html")

    async def _summarised(self, request: web.Request) -> web.StreamResponse:
        pieces = await in_pieces(JSONEncoder().iterencode(await self._summary()))
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return await send(request, pieces, headers, within_s=self._limits.write_s)

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def _readiness(self, _: web.Request) -> web.Response:
        if self._ready():
            return web.Response(text="ready\n")
        return web.Response(text="not probing\n", status=503)


class _TurnedAway(asyncio.Protocol):
    """A connection beyond those that may be open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        stream.write(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
            b"too many connections are open: close those that nobody needs\n"
        )
        stream.close()


_OTHER_ADVICE = "change `listen` in the configuration, or stop what uses the port (`ss -ltnp`)"
_ADVICE = {
    errno.EADDRNOTAVAIL: "write one of this host's addresses (`ip addr` lists them) to `listen` in the configuration",
    errno.EACCES: "write a port from 1024 on to `listen` in the configuration",
}


def listening_socket(address: SocketAddress) -> socket.socket:
    """Listen on ``address``; raise :class:`ListenError` that says what is in the way."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        if error.errno is not None and error.errno < 0:  # the resolver's number, not the kernel's
            why, advice = "the name does not resolve", _ADVICE[errno.EADDRNOTAVAIL]
        else:
            why = os.strerror(error.errno) if error.errno else str(error)
            advice = _ADVICE.get(error.errno or 0, _OTHER_ADVICE)
        raise ListenError(f"cannot listen on {address}: {why}: {advice}") from error
