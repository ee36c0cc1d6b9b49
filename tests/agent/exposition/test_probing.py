"""Probes on request as a scrape asks for them: a real server, real packets, on loopback."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from agent.exposition.probing import Probing, Resolve
from agent.exposition.server import Exposition
from agent.plan import ANY_URL, Module, OnRequestPlan, Plan, ProbeOptions, SocketAddress
from agent.resolve import resolve
from collectors.errors import CollectorError
from collectors.http.options import HttpOptions
from collectors.path import NetworkPath, Target
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions
from tests.agent.following import KEPT, own
from tests.agent.set_clock import SetClock, reflecting

MS = 1_000_000
PATIENCE_S = 20.0
LOOPBACK = ip_network("127.0.0.0/8")
DEFAULT = NetworkPath(name="default")


def module(name: str, options: ProbeOptions, *, count: int = 3, timeout_ms: int = 500) -> Module:
    return Module(
        name=name, options=options, count=count, interval_ns=10 * MS, timeout_ns=timeout_ms * MS, paths=(DEFAULT,)
    )


MODULES = {
    "stamp": module("stamp", StampOptions()),
    "one-way": module("one-way", StampOptions(), count=20),
    "closer": module("closer", StampOptions(one_way_limit_ns=150_000), count=20),
    "tcp": module("tcp", TcpOptions()),
    "http": module("http", HttpOptions(url=ANY_URL, expected=((200, 299),)), count=1),
    "patient": module("patient", StampOptions(), count=1000, timeout_ms=30_000),
}


class Served:
    """A server that probes on request."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def get(self, *headers: str, **query: str) -> tuple[int, str]:
        """Ask for a probe, and return the status and the body of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        request = f"GET /probe?{urlencode(query)} HTTP/1.1"
        writer.write("\r\n".join([request, "Host: agent", "Connection: close", *headers, "", ""]).encode())
        async with asyncio.timeout(PATIENCE_S):
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body

    async def metrics(self, *headers: str, **query: str) -> Mapping[str, float]:
        """Ask for a probe, and return the values that it shows by name, those with further labels left out."""
        status, body = await self.get(*headers, **query)
        assert status == 200, body
        return {
            sample.name: sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
            if set(sample.labels) <= {"agent", "probe", "kind", "target", "path"}
        }


@asynccontextmanager
async def served(
    allow: bool = True, at_once: int = 8, resolve: Resolve = resolve, **targets: str
) -> AsyncIterator[Served]:
    async def summary() -> dict[str, Any]:
        return {}

    plan = Plan(
        agent="dc1",
        listen=SocketAddress(host="127.0.0.1", port=9469),
        targets={name: Target(name=name, host=host) for name, host in targets.items()},
        on_request=OnRequestPlan(modules=MODULES, allow=(LOOPBACK,) if allow else (), at_once=at_once),
    )
    probe = Probing(plan, own(KEPT), resolve=resolve).answer
    exposition = Exposition(CollectorRegistry(), summary=summary, ready=lambda: True, probe=probe)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        async with exposition.serving([sock]):
            yield Served(sock.getsockname()[1])


async def test_a_probe_shows_its_success_its_duration_and_the_series_of_its_streams(reflector_port: int) -> None:
    async with served() as agent:
        status, body = await agent.get(module="stamp", target=f"127.0.0.1:{reflector_port}")
        shown = await agent.metrics(module="stamp", target=f"127.0.0.1:{reflector_port}")
    assert status == 200
    assert (
        f'eragent_packets_sent_total{{agent="dc1",probe="stamp",kind="stamp",target="127.0.0.1:{reflector_port}"'
        in body
    )
    assert (shown["probe_success"], shown["probe_ip_protocol"]) == (1, 4)
    assert 0 < shown["eragent_rtt_seconds_sum"] < shown["probe_duration_seconds"]
    assert shown["eragent_packets_sent_total"] == shown["eragent_packets_received_total"] == 3


async def test_a_probe_has_one_way_delays_while_clocks_are_within_its_modules_limit() -> None:
    with reflecting(SetClock(), KEPT) as port:
        async with served() as agent:
            within = await agent.metrics(module="one-way", target=f"127.0.0.1:{port}")
            beyond = await agent.metrics(module="closer", target=f"127.0.0.1:{port}")
    assert (within["eragent_one_way_valid"], beyond["eragent_one_way_valid"]) == (1, 0)


async def test_openmetrics_of_a_probe_is_readable(reflector_port: int) -> None:
    async with served() as agent:
        target = f"127.0.0.1:{reflector_port}"
        _, body = await agent.get("Accept: application/openmetrics-text", module="stamp", target=target)
    parse = openmetrics_parser.text_string_to_metric_families
    families = parse(body)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
    assert {"probe_success", "eragent_rtt_seconds"} <= {family.name for family in families}


async def test_connections_and_web_servers_are_probed_too() -> None:
    async with served() as agent:
        connected = await agent.metrics(module="tcp", target=f"127.0.0.1:{agent.port}")
        asked = await agent.metrics(module="http", target=f"http://127.0.0.1:{agent.port}/-/healthy")
        wrong = await agent.metrics(module="http", target=f"127.0.0.1:{agent.port}/nothing/there")
    assert (connected["probe_success"], connected["eragent_packets_received_total"]) == (1, 3)
    assert (asked["probe_success"], asked["eragent_http_received_bytes_total"]) == (1, len("healthy\n"))
    assert (wrong["probe_success"], wrong["eragent_packets_received_total"]) == (0, 0)


async def test_a_target_that_does_not_answer_is_a_failure_and_no_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with served() as agent:
            shown = await agent.metrics(module="stamp", target=f"127.0.0.1:{silent.getsockname()[1]}")
    assert (shown["probe_success"], shown["eragent_packets_lost_total"]) == (0, 3)


async def test_a_name_that_does_not_resolve_is_a_failure_that_debugging_explains() -> None:
    async with served() as agent:
        shown = await agent.metrics(module="tcp", target="no-such-host.invalid")
        _, text = await agent.get(module="tcp", target="no-such-host.invalid", debug="true")
    assert (shown["probe_success"], shown["probe_ip_protocol"]) == (0, 0)
    assert "trouble: no-such-host.invalid does not resolve" in text


async def test_debugging_tells_what_became_of_every_packet(reflector_port: int) -> None:
    async with served() as agent:
        _, text = await agent.get(module="stamp", target=f"127.0.0.1:{reflector_port}", debug="true")
        _, refused = await agent.get(module="tcp", target="127.0.0.1:1", debug="true")
    assert (
        len(re.findall(r"^path default, packet \d: answered, \d+\.\d+ ms, times of the \w+$", text, re.MULTILINE)) == 3
    )
    assert re.search(r"^success after \d\.\d{3} s$", text, re.MULTILINE)
    assert "\nprobe_success 1.0\n" in text
    assert "path default, packet 0: failed, refused" in refused
    assert re.search(r"^failure after", refused, re.MULTILINE)


async def test_only_targets_of_the_configuration_are_probed_unless_a_network_is_allowed(reflector_port: int) -> None:
    async with served(allow=False, hub="127.0.0.1") as agent:
        for target in (f"hub:{reflector_port}", f"127.0.0.1:{reflector_port}"):
            assert (await agent.metrics(module="stamp", target=target))["probe_success"] == 1
        for target in (f"127.0.0.2:{reflector_port}", "localhost:862", "[::1]:862"):
            status, sentence = await agent.get(module="stamp", target=target)
            assert status == 403
            assert "is no target of the configuration, and in no network of on_request.allow there" in sentence


async def test_requests_that_ask_for_nothing_are_told_so() -> None:
    async with served() as agent:
        assert await agent.get(target="127.0.0.1") == (
            400,
            "the parameter module is missing: there are stamp, one-way, closer, tcp, http, patient\n",
        )
        status, sentence = await agent.get(
            "X-Prometheus-Scrape-Timeout-Seconds: soon", module="tcp", target="127.0.0.1"
        )
    assert (status, sentence) == (400, "X-Prometheus-Scrape-Timeout-Seconds: 'soon' is no number of seconds\n")


async def test_a_probe_ends_in_time_for_the_scrape(reflector_port: int) -> None:
    async with served() as agent:
        timeout = "X-Prometheus-Scrape-Timeout-Seconds: 1"
        answered = await agent.metrics(timeout, module="patient", target=f"127.0.0.1:{reflector_port}")
    assert answered["probe_success"] == 1
    assert answered["probe_duration_seconds"] < 1


async def test_more_probes_than_are_allowed_at_once_are_told_to_come_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        async with served(at_once=1) as agent:
            timeout = "X-Prometheus-Scrape-Timeout-Seconds: 3"
            running = asyncio.create_task(agent.metrics(timeout, module="patient", target=target))
            await asyncio.get_running_loop().run_in_executor(None, silent.recv, 1)  # its first packet
            status, sentence = await agent.get(module="tcp", target="127.0.0.1")
            assert (status, (await running)["probe_success"]) == (503, 0)
            assert sentence == "1 probes are running: ask again in a moment, or raise on_request.at_once\n"
            assert (await agent.metrics(module="tcp", target=f"127.0.0.1:{agent.port}"))["probe_success"] == 1


async def test_a_look_up_that_outlives_its_request_takes_a_place_until_it_ends() -> None:
    ended = asyncio.Event()

    async def slow(host: str, path: NetworkPath) -> str:
        await ended.wait()
        raise CollectorError(f"{host} does not resolve", reason="unresolved")

    async with served(at_once=1, resolve=slow) as agent:
        shown = await agent.metrics("X-Prometheus-Scrape-Timeout-Seconds: 0.02", module="tcp", target="a.example")
        assert (shown["probe_success"], shown["probe_ip_protocol"]) == (0, 0)
        status, _ = await agent.get(module="tcp", target="b.example")
        assert status == 503
        ended.set()
        await asyncio.sleep(0)
        assert (await agent.metrics(module="tcp", target="c.example"))["probe_success"] == 0


async def test_probes_on_request_leave_the_watch_over_callbacks_to_the_run_that_never_ends(reflector_port: int) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    async with served() as agent:
        target = f"127.0.0.1:{reflector_port}"
        probing = [asyncio.create_task(agent.get(module="stamp", target=target)) for _ in range(3)]
        while not all(task.done() for task in probing):
            assert loop.get_exception_handler() is before
            await asyncio.wait(probing, timeout=0.005)
