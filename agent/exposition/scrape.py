"""Answers scrapes of ``/metrics``: one rendering for all that ask at the same moment, sent as fast as each reads it."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from agent.metrics.rendering import Rendering

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TURN_NS = 300_000
"""After so long on the loop, others have their turn; the longest step comes on top."""
_PARTS = 10_000
"""Of a text that comes in words: so many make a piece."""
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")  # RFC 9110, section 12.4.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a client wants metrics: as OpenMetrics 1.0 or as Prometheus' older text, packed by gzip or plain."""

    openmetrics: bool = False
    packed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What an answer of this form says of itself."""
        packing = {"Content-Encoding": "gzip"} if self.packed else {}
        return {
            "Content-Type": _OPENMETRICS if self.openmetrics else _TEXT,
            "Vary": "Accept, Accept-Encoding",
            **packing,
        }


def form_of(accept: str, accept_encoding: str) -> Form:
    """Return the form that a client likes best, by what its headers accept (RFC 9110, section 12.5)."""
    formats = _weights(accept)
    openmetrics = max(
        formats.get("application/openmetrics-text", 0.0), formats.get("application/openmetrics-text;version=1.0.0", 0.0)
    )
    text = max((weight for name, weight in formats.items() if name.startswith(("text/", "*/*"))), default=0.0)
    return Form(
        openmetrics=openmetrics > 0 and openmetrics >= text, packed=_weights(accept_encoding).get("gzip", 0.0) > 0
    )


def _weights(header: str) -> dict[str, float]:
    """Return what a header lists and how much each is wanted; of parameters, only a version tells things apart."""
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        given = {key.strip(): value.strip(' "') for key, _, value in (part.partition("=") for part in parameters)}
        weight = given.get("q", "1")
        key = f"{name};version={given['version']}" if "version" in given else name
        weights[key] = float(weight) if _WEIGHT.fullmatch(weight) else 0.0
    return weights


class Scrapes:
    """Scrapes of one registry: ``most`` at once, each read by its client within ``write_s`` seconds."""

    def __init__(self, registry: CollectorRegistry, *, most: int, write_s: float) -> None:
        self._registry = registry
        self._most = most
        self._write_s = write_s
        self._running = 0
        self._rendering: dict[Form, asyncio.Task[Sequence[bytes]]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for the metrics."""
        if self._running >= self._most:
            return web.Response(status=503, text=f"{self._most} scrapes are being answered: ask again in a moment\n")
        form = form_of(request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", ""))
        self._running += 1
        try:
            return await send(request, [*await self._rendered(form)], form.headers, within_s=self._write_s)
        finally:
            self._running -= 1

    async def _rendered(self, form: Form) -> Sequence[bytes]:
        """Return the text in the making where there is one: it is some milliseconds old at most."""
        task = self._rendering.get(form)
        if task is None:
            task = self._rendering[form] = asyncio.create_task(render(self._registry.collect(), form))
            task.add_done_callback(lambda _: self._rendering.pop(form))
        return await asyncio.shield(task)  # others may wait for it, when this client has gone


async def render(metrics: Iterable[Metric], form: Form) -> Sequence[bytes]:
    """Return the text of metrics in pieces; every other millisecond or sooner, the loop has its turn."""
    turn = _Turn()
    rendering = Rendering(metrics, openmetrics=form.openmetrics)
    for _ in rendering.steps():
        await turn.ended()
    packing = zlib.compressobj(level=1, wbits=31) if form.packed else None  # 31: the format of gzip
    pieces = []
    for piece in rendering.pieces():
        await turn.ended()  # packing takes longer than writing
        pieces.append(packing.compress(piece) if packing else piece)
        await turn.ended()
    if packing:
        pieces.append(packing.flush())
    return [piece for piece in pieces if piece]


async def in_pieces(texts: Iterable[str]) -> Sequence[bytes]:
    """Return a text that comes in small parts in pieces; as with metrics, the loop has its turns in between."""
    turn = _Turn()
    pieces: list[bytes] = []
    gathered: list[str] = []
    for text in texts:
        gathered.append(text)
        if len(gathered) >= _PARTS:
            pieces.append("".join(gathered).encode())
            gathered.clear()
        await turn.ended()
    return [*pieces, "".join(gathered).encode()]


async def send(
    request: web.Request, pieces: Sequence[bytes], headers: Mapping[str, str], *, within_s: float
) -> web.StreamResponse:
    """Send pieces as fast as the client reads them; one that has not read all in time is cut off."""
    response = web.StreamResponse(headers=headers)
    response.content_length = sum(map(len, pieces))
    with suppress(ConnectionError):  # the client has gone
        try:
            async with asyncio.timeout(within_s):
                await response.prepare(request)
                unsent = [] if request.method == "HEAD" else list(reversed(pieces))
                del pieces  # to free 40 MB at once takes 4 ms
                while unsent:
                    await response.write(unsent.pop())
                    await asyncio.sleep(0)
                await response.write_eof()
        except TimeoutError:
            _reset(request.transport)
    return response


def _reset(transport: asyncio.Transport | None) -> None:
    """End a connection and drop what its client has not read: the kernel would keep that for minutes otherwise."""
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class _Turn:
    """How long this task has had the loop."""

    def __init__(self) -> None:
        self._ends_ns = time.monotonic_ns() + _TURN_NS

    async def ended(self) -> None:
        """Let others have their turn, where this one was long enough."""
        if time.monotonic_ns() >= self._ends_ns:
            await asyncio.sleep(0)
            self._ends_ns = time.monotonic_ns() + _TURN_NS
