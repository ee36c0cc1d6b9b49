import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from agent.cli.reflect import command
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.wire import parse_reflector_packet, request

PROGRAM = (sys.executable, "-m", "agent")

# Starts the program, says its process number, and waits to be killed.
PARENT = """
import os, subprocess, sys, time
subprocess.Popen([*sys.argv[1:], "--with-parent", str(os.getpid())])
time.sleep(60)
"""


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Run the program, and yield it with the ports on which it says that it listens."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, listening_ports(process)
        finally:
            process.kill()


def listening_ports(process: subprocess.Popen[str]) -> list[int]:
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Answering on "), line
    return [int(port) for port in re.findall(r":(\d+)[, ]", line)]


def asked(size: int = 44) -> bytes:
    estimate = ErrorEstimate.from_error_ns(50_000, synchronised=True)
    return request(sequence=5, wall_ns=time.time_ns(), error_estimate=estimate, size=44)[:size]


def answers(port: int, *requests: bytes) -> list[bytes]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        for data in requests:
            sock.sendto(data, ("127.0.0.1", port))
        return [sock.recv(2048) for _ in requests]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_a_signal_and_then_says_what_it_did(number: signal.Signals) -> None:
    with started(*PROGRAM, "reflect", "--listen", "127.0.0.1:0", "--json") as (process, (port,)):
        first, second = answers(port, asked(), asked())
        assert [parse_reflector_packet(data).sequence for data in (first, second)] == [0, 1]
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 0
    assert stderr == "2 answered; refused: none; not sent: none; dropped by the kernel for want of room: 0.\n"
    report = json.loads(stdout)
    assert report == {
        "schema": "eragent.reflect/1",
        "listen": [f"127.0.0.1:{port}"],
        "allow": ["127.0.0.0/8", "::1/128"],
        "replies": 2,
        "refused": {
            "not_allowed": 0,
            "not_unicast": 0,
            "malformed": 0,
            "too_short": 0,
            "loop": 0,
            "rate": 0,
            "table_full": 0,
        },
        "not_sent": {},
        "dropped": 0,
    }


def test_networks_that_are_named_replace_loopback_and_get_answers_to_short_packets() -> None:
    arguments = ("reflect", "--listen", "[::]:0", "--allow", "127.0.0.1", "--allow", "10.0.0.0/8")
    with started(*PROGRAM, *arguments) as (process, ports):
        assert len(ports) == 2
        assert len(set(ports)) == 1
        assert [len(data) for data in answers(ports[0], asked(14))] == [44]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.2", 0))
            sock.sendto(asked(), ("127.0.0.1", ports[0]))
        for _ in range(9):  # by then it has been refused, though it may be overtaken
            answers(ports[0], asked())
        process.terminate()
        stdout, stderr = process.communicate(timeout=10)
    assert stdout == ""
    assert stderr.startswith("10 answered; refused: 1 not_allowed; ")


def test_it_ends_when_its_parent_has_been_killed() -> None:
    with started(sys.executable, "-c", PARENT, *PROGRAM, "reflect", "--listen", "127.0.0.1:0") as (parent, (port,)):
        assert len(answers(port, asked())) == 1
        parent.kill()
        assert parent.stderr is not None
        assert parent.stderr.read().startswith("1 answered; ")  # to the end: nobody holds the pipe any more


def test_it_does_not_begin_when_its_parent_has_ended_already() -> None:
    arguments = [*PROGRAM, "reflect", "--listen", "127.0.0.1:0", "--with-parent", str(os.getppid())]
    process = subprocess.run(arguments, capture_output=True, timeout=60, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")


def test_an_address_that_cannot_be_listened_on_is_exit_code_3() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        result = CliRunner().invoke(command, ["--listen", f"127.0.0.1:{port}"])
    assert result.exit_code == 3
    assert f"cannot listen on 127.0.0.1:{port}: another process listens there" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "862"], "no address and port"),
        (["--listen", "::1:862"], "put an IPv6 address in brackets"),
        (["--listen", "vm.example:862"], "does not appear to be an IPv4 or IPv6 address"),
        (["--allow", "10.1.0.1/16"], "10.1.0.1/16 has host bits set: write for example 10.1.0.0/16"),
        (["--allow", "anyone"], "write for example 10.1.0.0/16"),
        (["--packets-per-second", "0"], "0 is not in the range"),
        (["everyone"], "unexpected extra argument"),
    ],
)
def test_usage_errors_are_exit_code_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
