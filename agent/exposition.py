"""Serves over HTTP what the agent knows: metrics, health, and the summary of the most recent packets."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from agent.plan import SocketAddress


class ListenError(Exception):
    """The address to serve on cannot be had."""


class Exposition:
    """The agent's HTTP endpoints."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        summary: Callable[[], Awaitable[dict[str, Any]]],
        ready: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._summary = summary
        self._ready = ready

    @asynccontextmanager
    async def serving(self, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Serve on listening sockets while the context lasts."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/metrics", self._metrics),
                web.get("/summary", self._summarised),
                web.get("/-/healthy", self._healthy),
                web.get("/-/ready", self._readiness),
            ]
        )
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        try:
            for sock in sockets:
                await web.SockSite(runner, sock).start()
            yield
        finally:
            await runner.cleanup()

    async def _index(self, _: web.Request) -> web.Response:
        links = ("/metrics", "/summary", "/-/healthy", "/-/ready")
        items = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
        return web.Response(text=f"<h1>eragent</h1><ul>{items}</ul>", content_type="text/html")

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _summarised(self, _: web.Request) -> web.Response:
        return web.json_response(await self._summary())

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def _readiness(self, _: web.Request) -> web.Response:
        if self._ready():
            return web.Response(text="ready\n")
        return web.Response(text="not probing\n", status=503)


def listening_socket(address: SocketAddress) -> socket.socket:
    """Listen on ``address``; raise :class:`ListenError` that says what is in the way."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ListenError(
            f"cannot listen on {address}: {why}: change `listen` in the configuration,"
            " or stop what uses the port (`ss -ltnp`)"
        ) from error
