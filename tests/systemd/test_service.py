"""What the agent and its service manager say to each other: the test plays the manager."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.dashboards.programs import agent_command, agent_configuration, fetch, free_port, running

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 2.0

# sd_listen_fds(3): the sockets begin at descriptor 3, and LISTEN_PID is the process itself, whose number exec keeps.
_PASS_ONE_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
"""


@pytest.fixture
def configuration(tmp_path: Path) -> tuple[Path, int]:
    port = free_port()
    file = tmp_path / "eragent.yaml"
    file.write_text(agent_configuration(port), encoding="utf-8")
    return file, port


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The socket that a service manager listens on, and its name as NOTIFY_SOCKET has it."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        if request.param == "path":
            name = str(tmp_path / "notify")
            sock.bind(name)
        else:
            sock.bind(f"\0eragent-test-{tmp_path.name}-{id(sock)}")
            name = "@" + sock.getsockname()[1:].decode()
        yield sock, name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_manager_hears_of_readiness_and_of_the_end(
    configuration: tuple[Path, int], manager: tuple[socket.socket, str], number: signal.Signals, tmp_path: Path
) -> None:
    file, port = configuration
    listener, name = manager
    log = tmp_path / "log"
    with running(agent_command(file), log=log, environment={"NOTIFY_SOCKET": name}) as process:
        assert _told(listener, log).startswith("READY=1\nSTATUS=2 streams; ")
        assert "eragent_build_info" in fetch(f"http://127.0.0.1:{port}/metrics")
        _end(process, number, log)
        assert "STOPPING=1" in _all_told(listener)


def test_the_service_answers_on_the_socket_that_it_is_passed(configuration: tuple[Path, int], tmp_path: Path) -> None:
    file, port_of_the_file = configuration
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as passed, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = str(tmp_path / "notify")
        listener.bind(name)
        descriptor = passed.fileno()
        command = [sys.executable, "-c", _PASS_ONE_SOCKET, str(descriptor), *agent_command(file)]
        with running(command, log=log, environment={"NOTIFY_SOCKET": name}, descriptors=[descriptor]) as process:
            assert _told(listener, log).startswith("READY=1\n")
            assert "eragent_build_info" in fetch(f"http://127.0.0.1:{passed.getsockname()[1]}/metrics")
            assert fetch(f"http://127.0.0.1:{port_of_the_file}/metrics") == ""
            _end(process, signal.SIGTERM, log)


def test_a_wrong_configuration_ends_with_the_code_that_is_not_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text("probs: []\n", encoding="utf-8")
    log = tmp_path / "log"
    with running(agent_command(file), log=log) as process:
        assert process.wait(_START_TIMEOUT_S) == 2
    assert "probs" in log.read_text()


def _told(listener: socket.socket, log: Path) -> str:
    """Return what the service tells its manager next; fail with its own words when it stays silent."""
    listener.settimeout(_START_TIMEOUT_S)
    try:
        return listener.recv(4096).decode()
    except TimeoutError:
        pytest.fail(f"the manager heard nothing in {_START_TIMEOUT_S:g} s; the service said:\n{log.read_text()}")


def _all_told(listener: socket.socket) -> list[str]:
    """Return what else the service, which has ended, told its manager."""
    listener.setblocking(False)
    told = []
    while True:
        try:
            told.append(listener.recv(4096).decode())
        except BlockingIOError:
            return told


def _end(process: subprocess.Popen[bytes], number: signal.Signals, log: Path) -> None:
    """Stop the agent as a manager does; nothing of it is left after two seconds."""
    signalled = time.monotonic()
    process.send_signal(number)
    assert process.wait(_STOP_TIMEOUT_S) == 0, log.read_text()
    assert time.monotonic() - signalled < _STOP_TIMEOUT_S
