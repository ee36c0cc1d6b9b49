"""iperf3's server is kept running, for allowed peers alone, and nothing of it outlives the agent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from agent.iperf3_server.beside import supervised
from agent.iperf3_server.supervise import Iperf3Server, server_arguments
from agent.plan import Iperf3ServerPlan, SocketAddress
from collectors.iperf3.options import Authentication, Direction, Protocol
from collectors.iperf3.program import find_program
from collectors.iperf3.run import run_test
from collectors.path import NetworkPath
from tests.collectors.iperf3.servers import SHORT, children, free_port, no_child_left, until
from tests.collectors.iperf3.test_run import alive, waited_for

pytestmark = pytest.mark.root  # newer kernels want CAP_NET_ADMIN for a filter of a TCP socket

NEIGHBOURS = (ip_network("127.0.0.0/30"),)

PARENT = """
import asyncio, sys
from ipaddress import ip_network
from agent.iperf3_server.supervise import Iperf3Server
from agent.plan import Iperf3ServerPlan, SocketAddress
listen = SocketAddress(host="127.0.0.1", port=int(sys.argv[1]))
asyncio.run(Iperf3Server(Iperf3ServerPlan(listen=listen, allow=(ip_network("127.0.0.0/8"),))).run())
"""


def planned(port: int) -> Iperf3ServerPlan:
    return Iperf3ServerPlan(listen=SocketAddress(host="127.0.0.1", port=port), allow=NEIGHBOURS)


@asynccontextmanager
async def running(plan: Iperf3ServerPlan) -> AsyncIterator[Iperf3Server]:
    server = Iperf3Server(plan, restart_s=0.01)
    async with no_child_left():
        task = asyncio.create_task(server.run())
        try:
            yield server
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def failure_from(source: str, port: int, **changes: object) -> str | None:
    options = replace(SHORT, port=port, connect_timeout_s=0.4, bits_per_second=10_000_000, **changes)  # type: ignore[arg-type]  # each test names fields that there are
    path = NetworkPath(name="path", source=ip_address(source))
    result = await run_test(options, "127.0.0.1", path, program=await find_program())
    return None if result.trouble is None else result.trouble.failure.value


async def test_allowed_peers_test_and_strangers_hear_nothing() -> None:
    port = free_port()
    async with running(planned(port)) as server:
        assert not server.listening
        await until(lambda: server.listening)
        assert await failure_from("127.0.0.9", port) == "timed_out"
        assert server.refused >= 1
        assert server.tests == 0
        assert await failure_from("127.0.0.2", port, window_bytes=100_000) is None
        datagrams = {"protocol": Protocol.UDP, "direction": Direction.BOTH}
        assert await failure_from("127.0.0.2", port, **datagrams) is None
        await until(lambda: server.tests == 2)
        assert server.refused >= 1
        assert server.restarts == 0
    assert not server.listening


async def test_a_server_that_ends_is_started_again() -> None:
    port, before = free_port(), children()  # fixtures of other tests may run programs, too
    async with running(planned(port)) as server:
        await until(lambda: server.listening)
        (child,) = children() - before
        os.kill(child, signal.SIGKILL)
        await until(lambda: server.restarts >= 1 and server.listening)
        assert await failure_from("127.0.0.1", port) is None


async def test_a_port_in_use_is_told_with_the_address_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running(planned(port)) as server:
            await until(lambda: server.restarts >= 1)
            assert not server.listening
            assert server.trouble is not None
            assert f"127.0.0.1:{port}: it ended with code 1 and said" in server.trouble
            assert "Address already in use" in server.trouble
            assert any("Address already in use" in message for message in caplog.messages)
            taken.close()
            await until(lambda: server.listening)
            assert server.trouble is None


async def test_where_there_is_no_iperf3_it_says_what_to_install() -> None:
    server = Iperf3Server(planned(1), program="iperf3-that-is-not-there", restart_s=0.01)
    task = asyncio.create_task(server.run())
    await until(lambda: server.restarts >= 1)
    task.cancel()
    assert server.trouble is not None
    assert "apt install iperf3" in server.trouble


async def test_users_are_asked_who_they_are(tmp_path: Path) -> None:
    private, public, users = tmp_path / "private.pem", tmp_path / "public.pem", tmp_path / "users.csv"
    make_keys(private, public)
    users.write_text(f"eragent,{hashlib.sha256(b'{eragent}right').hexdigest()}\n")
    port = free_port()
    plan = replace(planned(port), private_key_file=private, users_file=users)
    async with running(plan) as server:
        await until(lambda: server.listening)
        outcomes = {}
        for password in ("right", "wrong"):
            (tmp_path / password).write_text(password)
            credentials = Authentication(user="eragent", password_file=tmp_path / password, public_key_file=public)
            outcomes[password] = await failure_from("127.0.0.1", port, authentication=credentials)
        assert outcomes == {"right": None, "wrong": "authentication"}
        assert await failure_from("127.0.0.1", port) == "authentication"


def make_keys(private: Path, public: Path) -> None:
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)


def test_it_runs_beside_a_program_without_a_loop() -> None:
    before = children()
    server = Iperf3Server(planned(free_port()))
    with supervised(server):
        waited_for(lambda: server.listening or None)
        assert children() - before
    assert not server.listening
    assert children() <= before


def test_no_server_outlives_an_agent_that_is_killed() -> None:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", PARENT, str(port)]) as parent:
        try:
            child = waited_for(lambda: next(iter(children(parent.pid)), None))
            waited_for(lambda: listens(port) or None)
        finally:
            parent.kill()
        waited_for(lambda: not alive(child) or None)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def test_arguments_name_files_and_hold_no_secret() -> None:
    plan = Iperf3ServerPlan(
        listen=SocketAddress(host="10.1.0.4", port=5201),
        allow=NEIGHBOURS,
        private_key_file=Path("/k.pem"),
        users_file=Path("/u.csv"),
    )
    assert " ".join(server_arguments(plan)) == (
        "--server --port 5201 --forceflush --bind 10.1.0.4 --rsa-private-key-path /k.pem --authorized-users-path /u.csv"
    )
    everywhere = replace(plan, listen=SocketAddress(host="::", port=1), private_key_file=None)
    assert server_arguments(everywhere) == ["--server", "--port", "1", "--forceflush"]
