"""``eragent reflect --twamp-control`` serves TWAMP clients, within its limits."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from click.testing import CliRunner

from agent.cli.reflect import command
from agent.reflector.counts import SharedCounts
from collectors.stamp.control.admission import ConnectionRefusal
from collectors.stamp.control.sessions import SessionRefusal
from collectors.stamp.control.wire import Accept
from tests.agent.cli.twamp import TEST_PACKET, TwampClient
from tests.agent.conftest import ERAGENT


@contextmanager
def serving(*options: str, pass_fds: Sequence[int] = ()) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Run the program, and yield it with its UDP and its TCP port."""
    arguments = [*ERAGENT, "reflect", "--listen", "127.0.0.1:0", "--twamp-control", "127.0.0.1:0", *options]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=pass_fds
    ) as process:
        try:
            assert process.stderr is not None
            udp = re.match(r"Answering on 127\.0\.0\.1:(\d+) ", process.stderr.readline())
            tcp = re.match(r"TWAMP-Control on 127\.0\.0\.1:(\d+) \(TCP\) ", process.stderr.readline())
            assert udp is not None
            assert tcp is not None
            yield process, int(udp[1]), int(tcp[1])
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Have the program end, and return what it said since it began to answer."""
    process.terminate()
    said = process.communicate(timeout=10)
    assert process.returncode == 0
    return said


def ask_until_silence(client: TwampClient, port: int) -> None:
    client.test.settimeout(0.5)
    while True:
        try:
            client.ask(port)
        except TimeoutError:
            return
        time.sleep(0.02)  # far from the rate at which nobody is answered any more


def wait_until_seen(port: int) -> None:
    """Return once the reflector has looked at all that came before: this comes last, and is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.sendto(bytes(44), ("127.0.0.1", port))
        assert len(sock.recv(2048)) == 44


def test_a_session_is_answered_from_its_start_until_its_timeout_with_the_dscp_asked_for() -> None:
    with serving("--json") as (process, udp_port, control_port), TwampClient(control_port) as client:
        client.set_up()
        assert client.request(dscp=46, timeout_s=1) == (Accept.OK, udp_port)
        client.send(udp_port)  # before the start nobody answers
        wait_until_seen(udp_port)
        client.start()
        for number in range(3):
            answer, tos = client.ask(udp_port)
            assert len(answer) == 41
            assert int.from_bytes(answer[:4], "big") == number
            assert answer[13] != 0  # the multiplier, without which clients give up
            assert answer[24:38] == TEST_PACKET
            assert tos == 46 << 2
        stopped_s = time.monotonic()
        client.stop()
        assert len(client.ask(udp_port)[0]) == 41
        ask_until_silence(client, udp_port)
        assert time.monotonic() - stopped_s >= 1
        stdout, stderr = ended(process)
    assert "refused: 1 too_short, 1 ended; " in stderr
    assert stderr.endswith("\nTWAMP-Control: connections: 1; refused: none; sessions: 1; refused: none.\n")
    assert json.loads(stdout)["twamp"] == {
        "listen": [f"127.0.0.1:{control_port}"],
        "connections": 1,
        "connections_refused": dict.fromkeys(ConnectionRefusal, 0),
        "sessions": 1,
        "sessions_refused": dict.fromkeys(SessionRefusal, 0),
    }


def test_the_end_of_the_connection_ends_its_session_at_once() -> None:
    with serving() as (process, udp_port, control_port), TwampClient(control_port) as client:
        client.set_up()
        client.request(timeout_s=60)
        client.start()
        client.ask(udp_port)
        client.control.close()
        ask_until_silence(client, udp_port)
        _, stderr = ended(process)
    assert "refused: 1 ended; " in stderr


def test_no_more_sessions_are_open_than_were_granted() -> None:
    with (
        serving("--twamp-max-sessions", "1") as (process, udp_port, control_port),
        TwampClient(control_port) as first,
        TwampClient(control_port) as second,
    ):
        for client in (first, second):
            client.set_up()
        assert first.request() == (Accept.OK, udp_port)
        assert second.request() == (Accept.TEMPORARY_LIMIT, 0)
        first.start()
        first.ask(udp_port)
        first.control.close()
        while second.request() != (Accept.OK, udp_port):
            time.sleep(0.2)  # ten commands a second are allowed
        _, stderr = ended(process)
    assert re.search(r"connections: 2; refused: none; sessions: 2; refused: [1-9]\d* no_room\.$", stderr)


def test_whoever_is_not_allowed_is_closed_without_a_greeting() -> None:
    with serving("--allow", "10.1.0.0/16") as (process, _, control_port), TwampClient(control_port) as client:
        assert client.told(1) == b""
        _, stderr = ended(process)
    assert "TWAMP-Control: connections: 0; refused: 1 not_allowed; sessions: 0; refused: none." in stderr


def test_its_parent_can_read_what_twamp_control_counted() -> None:
    shared = SharedCounts()
    options = ("--twamp-max-sessions", "1", "--counts-fd", str(shared.descriptor))
    with (
        serving(*options, pass_fds=(shared.descriptor,)) as (process, _, control_port),
        TwampClient(control_port) as first,
        TwampClient(control_port) as second,
    ):
        shared.close()
        for client in (first, second):
            client.set_up()
            client.request()
        ended(process)
    twamp = shared.read().twamp
    assert (twamp.connections, twamp.sessions, twamp.sessions_refused[SessionRefusal.NO_ROOM]) == (2, 1, 1)


def test_a_tcp_port_in_use_is_exit_code_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(command, ["--listen", "127.0.0.1:0", "--twamp-control", f"127.0.0.1:{port}"])
    assert result.exit_code == 3
    assert f"cannot listen on TCP 127.0.0.1:{port}: another process listens there" in result.stderr
