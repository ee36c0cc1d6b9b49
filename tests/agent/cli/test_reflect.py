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
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.reflect import command
from agent.reflector.counts import SharedCounts
from collectors.stamp.authentication import Key
from collectors.stamp.refusal import Refusal
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


def asked(size: int = 44, *, ssid: int = 0, key: Key | None = None) -> bytes:
    estimate = ErrorEstimate.from_error_ns(50_000, synchronised=True)
    least = 44 if key is None else 112
    return request(
        sequence=5, wall_ns=time.time_ns(), error_estimate=estimate, size=max(size, least), ssid=ssid, key=key
    )[: max(size, 0 if key is None else least)]


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
        "refused": dict.fromkeys(Refusal, 0),
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


def test_with_a_key_only_what_it_authenticates_is_answered(tmp_path: Path) -> None:
    file, key = tmp_path / "stamp.key", Key(b"0123456789abcdef")
    file.write_text("0123456789abcdef\n")
    file.chmod(0o600)
    arguments = ("reflect", "--listen", "127.0.0.1:0", "--key-file", str(file))
    with started(*PROGRAM, *arguments) as (process, (port,)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in (asked(), asked(key=Key(b"another key of 24 octets"))):
                sock.sendto(data, ("127.0.0.1", port))
        (answer,) = answers(port, asked(key=key))
        assert parse_reflector_packet(answer, key=key).sender_sequence == 5
        process.terminate()
        stdout, stderr = process.communicate(timeout=10)
    assert (stdout, "0123456789abcdef" in stderr) == ("", False)
    assert "1 answered; refused: 2 not_authentic; " in stderr


def test_with_ssids_only_these_are_answered() -> None:
    arguments = ("reflect", "--listen", "127.0.0.1:0", "--ssid", "7", "--ssid", "8")
    with started(*PROGRAM, *arguments) as (process, (port,)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in (asked(), asked(ssid=9)):
                sock.sendto(data, ("127.0.0.1", port))
        assert [parse_reflector_packet(data).ssid for data in answers(port, asked(ssid=7), asked(ssid=8))] == [7, 8]
        process.terminate()
        _, stderr = process.communicate(timeout=10)
    assert "2 answered; refused: 2 wrong_ssid; " in stderr


def test_no_more_sessions_are_kept_than_were_granted() -> None:
    with started(*PROGRAM, "reflect", "--listen", "127.0.0.1:0", "--max-sessions", "1") as (process, (port,)):
        answers(port, asked())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.sendto(asked(), ("127.0.0.1", port))
            with pytest.raises(TimeoutError):
                sock.recv(2048)
        process.terminate()
        _, stderr = process.communicate(timeout=10)
    assert "1 answered; refused: 1 table_full; " in stderr


def test_its_parent_can_read_what_was_counted_so_far() -> None:
    shared = SharedCounts()
    command = [*PROGRAM, "reflect", "--listen", "127.0.0.1:0", "--counts-fd", str(shared.descriptor)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, pass_fds=(shared.descriptor,)) as process:
        shared.close()
        (port,) = listening_ports(process)
        answers(port, asked(), asked())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(asked(10), ("127.0.0.1", port))
            sock.settimeout(10)
            sock.sendto(asked(), ("127.0.0.1", port))
            sock.recv(2048)
        process.terminate()
        process.communicate(timeout=10)
    counts = shared.read()
    assert shared.answering
    assert (counts.replies, counts.sessions, counts.refused[Refusal.MALFORMED]) == (3, 2, 1)


def test_counters_that_nobody_passed_are_exit_code_3() -> None:
    result = CliRunner().invoke(command, ["--listen", "127.0.0.1:0", "--counts-fd", "999"])
    assert result.exit_code == 3
    assert "999 is no open descriptor" in result.stderr


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
        (["--listen", "vm.example:862"], "is a name: write the address to listen on, for example [::]:862"),
        (["--allow", "10.1.0.1/16"], "10.1.0.1/16 has host bits set: write for example 10.1.0.0/16"),
        (["--allow", "anyone"], "write for example 10.1.0.0/16"),
        (["--packets-per-second", "0"], "0 is not in the range"),
        (["--max-sessions", "0"], "0 is not in the range"),
        (["--ssid", "0"], "0 is not in the range"),
        (["--key-file", "/nonexistent/stamp.key"], "/nonexistent/stamp.key is not there: correct the name"),
        (["--twamp-control", "862"], "no address and port"),
        (["everyone"], "unexpected extra argument"),
    ],
)
def test_usage_errors_are_exit_code_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
