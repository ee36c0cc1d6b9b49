"""A running stream of attempts at web servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from collectors.clock import SystemClock
from collectors.errors import CollectorError
from collectors.exchange import Exchange, HttpFailure, Phase
from collectors.http.client import HttpClient
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.path import NetworkPath
from collectors.sample import Outcome
from tests.collectors.attempting import MS, Attempting
from tests.collectors.http.servers import CA_FILE, answering, fall_silent, response, serving


class Names:
    """Finds 127.0.0.1 until it is told to find nothing."""

    def __init__(self) -> None:
        self.asked = 0
        self.gone = False

    async def __call__(self, host: str, path: NetworkPath) -> str:
        self.asked += 1
        if self.gone:
            raise CollectorError(f"{host} does not resolve", reason="unresolved")
        return "127.0.0.1"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(answering(response())) as number:
        yield number


def http(
    url: str,
    host: str = "127.0.0.1",
    *,
    aim: str = "127.0.0.1",
    names: Names | None = None,
    timeout_ns: int = 5000 * MS,
) -> Attempting:
    client = HttpClient(
        HttpOptions(url=Url.parse(url), ca_file=CA_FILE),
        host,
        resolve=names or Names(),
        timeout_ns=timeout_ns,
        clock=SystemClock(),
        loop=asyncio.get_running_loop(),
    )
    return Attempting(client, aim, timeout_ns=timeout_ns)


def exchange_of(running: Attempting) -> Exchange:
    exchange = running.samples()[-1].exchange
    assert exchange is not None
    return exchange


async def test_an_answer_is_a_sample_with_all_that_is_known_of_it(port: int) -> None:
    running = http(f"http://127.0.0.1:{port}/")
    running.send(0)
    await running.settle()
    [sample] = running.samples()
    assert (sample.outcome, sample.sequence, sample.rtt_ns) == (Outcome.ANSWERED, 0, exchange_of(running).total_ns)
    assert exchange_of(running).status == 200
    assert sample.handshake_ns is not None


async def test_a_name_is_looked_up_in_each_attempt(port: int) -> None:
    names = Names()
    running = http(f"http://portal.example:{port}/", "portal.example", names=names)
    running.send(0, 1)
    await running.settle()
    names.gone = True
    running.send(2)
    await running.settle()
    assert names.asked == 3
    assert running.outcomes() == [(Outcome.ANSWERED, None)] * 2 + [(Outcome.FAILED, "unresolved")]


async def test_what_this_host_does_not_send_is_not_sent_and_takes_no_number() -> None:
    running = http("http://224.0.0.1/", "224.0.0.1", aim="224.0.0.1")
    running.send(0)
    await running.settle()
    [sample] = running.samples()
    assert (sample.outcome, sample.reason, sample.sequence) == (Outcome.NOT_SENT, "network_unreachable", None)
    assert "ip route get 224.0.0.1" in str(running.stream.trouble)


async def test_authorities_that_cannot_be_read_keep_it_from_sending() -> None:
    client = HttpClient(
        HttpOptions(url=Url.parse("https://localhost/"), ca_file=CA_FILE.with_name("absent.pem")),
        "127.0.0.1",
        resolve=Names(),
        timeout_ns=MS,
        clock=SystemClock(),
        loop=asyncio.get_running_loop(),
    )
    running = Attempting(client, "127.0.0.1")
    running.stream.prepare()
    assert "absent.pem" in str(running.stream.trouble)
    running.send(0)
    assert running.outcomes() == [(Outcome.NOT_SENT, "invalid")]


async def test_one_that_is_not_answered_in_time_is_lost_and_tells_where_it_was() -> None:
    async with serving(fall_silent) as port:
        running = http(f"http://127.0.0.1:{port}/", timeout_ns=100 * MS)
        running.send(0)
        await running.settle()
    assert running.outcomes() == [(Outcome.LOST, None)]
    assert (exchange_of(running).failure, exchange_of(running).phase) == (HttpFailure.TIMED_OUT, Phase.FIRST_BYTE)


async def test_one_that_never_ends_is_a_failure_and_no_loss() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read()

    async with serving(drip) as port:
        running = http(f"http://127.0.0.1:{port}/", timeout_ns=100 * MS)
        running.send(0)
        await running.settle()
    assert running.outcomes() == [(Outcome.FAILED, "never_ends")]


async def test_closing_lets_go_of_what_is_under_way() -> None:
    gone = asyncio.Event()

    async def until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        gone.set()

    asked = asyncio.Event()
    async with serving(until_gone) as port:
        running = http(f"http://127.0.0.1:{port}/")
        running.send(0)
        await asked.wait()
        running.stream.close()
        await asyncio.wait_for(gone.wait(), 5)
    assert running.samples() == []


async def test_a_bug_of_an_attempt_reaches_the_loop_and_is_no_result() -> None:
    class Broken(Names):
        async def __call__(self, host: str, path: NetworkPath) -> str:
            raise ZeroDivisionError

    found: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def on_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        found.set_result(context["exception"])

    asyncio.get_running_loop().set_exception_handler(on_exception)
    running = http("http://portal.example/", "portal.example", names=Broken())
    running.send(0)
    assert isinstance(await asyncio.wait_for(found, 5), ZeroDivisionError)
    running.stream.close()
    assert running.samples() == []
