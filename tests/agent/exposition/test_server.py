"""What the agent answers over HTTP, to clients of all manners; real sockets on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from agent.exposition.scrape import Form, form_of
from agent.exposition.server import Exposition, Limits, ListenError, listening_socket
from agent.metrics.series import STREAM, Family, counter, shown
from agent.plan import SocketAddress

PATIENCE_S = 20.0
SENT: tuple[Family[int], ...] = (counter("packets_sent", "Packets that left.", lambda number: number),)


class Streams(Collector):
    """So many streams, and how often somebody looked."""

    def __init__(self, count: int) -> None:
        self._rows = [(("dc1", "stamp", "stamp", f"target-{number}", "vpn"), number) for number in range(count)]
        self.looked = 0

    def collect(self) -> Iterator[Metric]:
        self.looked += 1
        return shown(SENT, STREAM, self._rows)


TCP_CLOSE = 7  # include/net/tcp_states.h
FEW, MANY = 3, 200_000
"""Streams whose text fits into the buffers of a connection, and such whose does not by far (16 MB)."""


class Served:
    """An exposition that serves, and clients of it."""

    def __init__(self, streams: Streams, port: int) -> None:
        self.streams = streams
        self.port = port

    async def asked(self, *headers: str, path: str = "/metrics") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Ask, and read nothing yet."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            "\r\n".join([f"GET {path} HTTP/1.1", "Host: agent", "Connection: close", *headers, "", ""]).encode()
        )
        await writer.drain()
        return reader, writer

    async def get(self, *headers: str, path: str = "/metrics") -> tuple[str, bytes]:
        """Ask, and return the head and the body of the answer."""
        reader, writer = await self.asked(*headers, path=path)
        async with asyncio.timeout(PATIENCE_S):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return head.decode(), body


def tcp_state(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(BlockingIOError):
                if condition():
                    return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def served(count: int, **limits: Any) -> AsyncIterator[Served]:
    async def summary() -> dict[str, Any]:
        return {"schema": "eragent.probe/1", "streams": [{"path": "vpn", "sent": None}] * count}

    streams, registry = Streams(count), CollectorRegistry()
    registry.register(streams)
    exposition = Exposition(registry, summary=summary, ready=lambda: True, limits=Limits(**limits))
    with socket.create_server(("127.0.0.1", 0)) as sock:
        async with exposition.serving([sock]):
            yield Served(streams, sock.getsockname()[1])


async def test_prometheus_reads_its_older_text_unless_it_asks_for_openmetrics() -> None:
    async with served(FEW) as agent:
        head, body = await agent.get()
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    (family,) = text_string_to_metric_families(body.decode())
    assert [sample.value for sample in family.samples] == [0, 1, 2]


async def test_openmetrics_is_served_on_request() -> None:
    async with served(FEW) as agent:
        head, body = await agent.get("Accept: application/openmetrics-text; version=1.0.0")
    assert "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8" in head
    parse = openmetrics_parser.text_string_to_metric_families
    (family,) = parse(body.decode())  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
    assert (family.name, [sample.value for sample in family.samples]) == ("eragent_packets_sent", [0, 1, 2])


async def test_a_text_is_packed_for_who_can_unpack_it() -> None:
    async with served(FEW) as agent:
        _, plain = await agent.get()
        head, packed = await agent.get("Accept-Encoding: gzip")
    assert "Content-Encoding: gzip" in head
    assert gzip.decompress(packed) == plain


async def test_a_text_of_many_streams_arrives_whole() -> None:
    async with served(20_000) as agent:
        head, body = await agent.get()
        _, packed = await agent.get("Accept-Encoding: gzip")
    assert f"Content-Length: {len(body)}" in head
    assert body.count(b"\n") == 20_002
    assert gzip.decompress(packed) == body


async def test_scrapes_of_the_same_moment_share_one_rendering() -> None:
    async with served(20_000) as agent:
        bodies = {body for _, body in await asyncio.gather(*(agent.get() for _ in range(4)))}
        assert len(bodies) == 1
        assert agent.streams.looked == 1
        await agent.get()
        assert agent.streams.looked == 2


async def test_the_summary_is_json_however_long_it_is() -> None:
    async with served(5_000) as agent:
        head, body = await agent.get(path="/summary")
    assert "Content-Type: application/json" in head
    assert len(json.loads(body)["streams"]) == 5_000


async def test_a_client_that_went_away_takes_the_text_of_no_other() -> None:
    async with served(20_000) as agent:
        _, writer = await agent.asked()
        other = asyncio.create_task(agent.get())
        writer.transport.abort()
        _, body = await other
    assert body.count(b"\n") == 20_002


async def test_a_client_that_stops_reading_holds_nobody_up_and_is_cut_off() -> None:
    async with served(MANY, write_s=0.5) as agent:
        with socket.create_connection(("127.0.0.1", agent.port)) as silent:
            silent.sendall(b"GET /metrics HTTP/1.1\r\nHost: agent\r\n\r\n")
            await wait_until(lambda: silent.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"H")
            head, _ = await agent.get(path="/-/healthy")
            assert head.startswith("HTTP/1.1 200")
            await wait_until(lambda: tcp_state(silent) == TCP_CLOSE)


async def test_a_client_that_reads_slowly_gets_all_while_others_are_answered() -> None:
    async with served(MANY) as agent:
        reader, writer = await agent.asked()
        head = await reader.readuntil(b"\r\n\r\n")
        _, quick = await agent.get()
        slow = await reader.read()
        writer.close()
    assert len(slow) == len(quick) == int(head.partition(b"Content-Length: ")[2].split()[0])


async def test_scrapes_beyond_the_bound_are_told_to_come_again() -> None:
    async with served(MANY, scrapes=2) as agent:
        waiting = [await agent.asked() for _ in range(2)]
        for reader, _ in waiting:
            await reader.readline()
        head, body = await agent.get()
        for _, writer in waiting:
            writer.transport.abort()
        assert head.startswith("HTTP/1.1 503")
        assert body == b"2 scrapes are being answered: ask again in a moment\n"


async def test_the_head_of_an_answer_comes_without_its_text() -> None:
    async with served(FEW) as agent:
        for path in ("/metrics", "/summary"):
            _, text = await agent.get(path=path)
            reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
            writer.write(f"HEAD {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n".encode())
            head, _, nothing = (await reader.read()).partition(b"\r\n\r\n")
            assert f"Content-Length: {len(text)}" in head.decode()
            assert nothing == b""
            writer.close()


async def test_what_is_no_request_is_answered_and_takes_no_room_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with served(FEW) as agent:
        for header in ("X: " + "a" * 10_000, "no header"):
            head, _ = await agent.get(header)
            assert " 400 Bad Request" in head
    assert caplog.messages == []


async def test_a_mistake_of_this_program_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def ready() -> bool:
        raise ZeroDivisionError

    exposition = Exposition(CollectorRegistry(), summary=nothing_to_tell, ready=ready)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        async with exposition.serving([sock]):
            head, _ = await Served(Streams(0), sock.getsockname()[1]).get(path="/-/ready")
    assert " 500 " in head
    assert "ZeroDivisionError" in caplog.text


async def nothing_to_tell() -> dict[str, Any]:
    return {}


async def test_connections_that_ask_nothing_keep_nobody_out_for_long() -> None:
    async with served(FEW, connections=2, idle_s=0.1) as agent:
        waiting = [await asyncio.open_connection("127.0.0.1", agent.port) for _ in range(2)]
        waiting[1][1].write(b"GET /metrics HTTP/1.1\r\nHost:")
        async with asyncio.timeout(PATIENCE_S):
            for reader, writer in waiting:
                assert await reader.read() == b""
                writer.close()
        head, _ = await agent.get()
        assert head.startswith("HTTP/1.1 200")


async def test_connections_beyond_the_bound_are_turned_away() -> None:
    async with served(FEW, connections=1) as agent:
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: agent\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        further, beyond = await asyncio.open_connection("127.0.0.1", agent.port)
        assert (await further.readline()).startswith(b"HTTP/1.1 503")
        for stream in (writer, beyond):
            stream.close()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; q=0", False),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", False),
        ("application/openmetrics-text;q=nonsense", False),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            True,
        ),
    ],
)
def test_the_format_is_the_one_that_a_client_likes_best(accept: str, wanted: bool) -> None:
    assert form_of(accept, "") == Form(openmetrics=wanted)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ('application/openmetrics-text;q=1;profile="a"b";v1=2; =x;;', True),
        ("application/openmetrics-text;q=nan", False),
        ("application/openmetrics-text;q=inf", False),
    ],
)
def test_headers_that_no_standard_knows_are_read_as_far_as_they_can_be(accept: str, wanted: bool) -> None:
    assert form_of(accept, accept) == Form(openmetrics=wanted)


@given(st.text("gzip*/;=,q.01 \"'-\t", max_size=40), st.text(max_size=20))
def test_no_header_is_an_error(header: str, another: str) -> None:
    assert isinstance(form_of(f"text/plain;{header},{another}", f"gzip;{header};{another}"), Form)


@pytest.mark.parametrize(
    ("accept_encoding", "packed"), [("", False), ("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False)]
)
def test_nothing_is_packed_unless_a_client_says_that_it_can_unpack(accept_encoding: str, packed: bool) -> None:
    assert form_of("", accept_encoding) == Form(packed=packed)


def test_a_name_that_does_not_resolve_is_no_address_to_listen_on() -> None:
    address = SocketAddress(host="no-such-host.invalid", port=9469)
    with pytest.raises(ListenError, match="the name does not resolve: write one of this host's addresses"):
        listening_socket(address)
