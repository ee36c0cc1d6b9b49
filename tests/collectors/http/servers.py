"""Web servers on loopback that do what they are told, octet by octet, in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

TLS_DATA = Path(__file__).parents[2] / "data" / "tls"
CA_FILE = TLS_DATA / "ca.pem"

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What to do with a connection."""


def answering(*parts: bytes) -> Behaviour:
    """Answer with these octets and close."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


def response(body: bytes = b"hello", *, status: str = "200 OK", fields: tuple[str, ...] = ()) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", "")
    return "\r\n".join(lines).encode() + body


async def fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client goes away."""
    await reader.read()


def server_context(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_DATA / f"{certificate}.pem", TLS_DATA / "key.pem")
    return context


@contextlib.asynccontextmanager
async def serving(
    behaviour: Behaviour,
    *,
    certificate: str | None = None,
    host: str = "127.0.0.1",
    requests: list[bytes] | None = None,
) -> AsyncIterator[int]:
    """Do this once the head of a request was read, which is put into ``requests``; yield the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(head)
        await behaviour(reader, writer)

    async with listening(serve, host=host, context=server_context(certificate) if certificate else None) as port:
        yield port


@contextlib.asynccontextmanager
async def listening(
    behaviour: Behaviour, *, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Do this with each connection without waiting for a request; yield the port."""
    connections: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await behaviour(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, host, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            assert connection is not None
            await connection
