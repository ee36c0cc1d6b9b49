"""What the agent and its service manager say to each other: the test plays the manager."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from agent.service.logs import JOURNAL
from tests.dashboards.programs import agent_command, agent_configuration, fetch, free_port, running, wait_until

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


def test_the_watchdog_is_fed_as_often_as_the_manager_wants(
    configuration: tuple[Path, int], manager: tuple[socket.socket, str], tmp_path: Path
) -> None:
    file, _ = configuration
    listener, name = manager
    log = tmp_path / "log"
    with running(agent_command(file), log=log, environment={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "400000"}):
        told: list[str] = []
        while told.count("WATCHDOG=1") < 5:
            told.append(_told(listener, log))
    assert any(state.startswith("READY=1") for state in told)


def test_the_manager_hears_of_a_reload_and_its_end(
    configuration: tuple[Path, int], manager: tuple[socket.socket, str], tmp_path: Path
) -> None:
    file, _ = configuration
    listener, name = manager
    log = tmp_path / "log"
    with running(agent_command(file), log=log, environment={"NOTIFY_SOCKET": name}) as process:
        _told_of(listener, log, "READY=1")
        before = time.monotonic_ns() // 1000
        process.send_signal(signal.SIGHUP)
        assert int(_told_of(listener, log, "RELOADING=1\nMONOTONIC_USEC=").split("=")[-1]) >= before
        assert _told_of(listener, log, "READY=1").startswith("READY=1\nSTATUS=2 streams; the reflector ")
        file.write_text("probs: []\n", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        _told_of(listener, log, "RELOADING=1")
        status = _told_of(listener, log, "READY=1")
        assert f"the last reload was refused: {file}:1:1: probs: " in status


def test_where_stderr_is_the_journals_lines_go_there_or_have_priorities_where_it_does_not_listen(
    configuration: tuple[Path, int], tmp_path: Path
) -> None:
    file, port = configuration
    log = tmp_path / "log"
    log.touch()
    stream = f"{log.stat().st_dev}:{log.stat().st_ino}"
    with running(agent_command(file), log=log, environment={"JOURNAL_STREAM": stream}) as process:
        wait_until(lambda: fetch(f"http://127.0.0.1:{port}/-/ready") == "ready\n", "start", log)
        _end(process, signal.SIGTERM, log)
    said = log.read_text()
    assert ("<6>probing 2 streams; metrics on" in said) is not JOURNAL.exists()
    assert "eragent: " not in said


def test_a_key_is_in_nothing_that_is_told(configuration: tuple[Path, int], tmp_path: Path) -> None:
    file, port = configuration
    secret = "5ec2e7" * 8
    key = tmp_path / "stamp.key"
    key.write_text(f"hex:{secret}\n", encoding="utf-8")
    key.chmod(0o600)
    with_key = file.read_text(encoding="utf-8").replace("port: ", f"key_file: {key}, port: ")
    file.write_text(with_key.replace('listen: "', f'key_file: {key}, listen: "'), encoding="utf-8")
    log = tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    with running(agent_command(file), log=log):
        wait_until(lambda: "Answering on" in log.read_text(), "reflector", log)
        wait_until(lambda: fetch(f"{url}/-/ready") == "ready\n", "start", log)  # which the reflector does not wait for
        key.chmod(0o644)
        answers = [_reloaded(port), fetch(f"{url}/metrics"), fetch(f"{url}/summary")]
        assert "is open to every user of this host: chmod 0640" in answers[0]
        key.write_text(f"hex:{secret}z\n", encoding="utf-8")
        key.chmod(0o600)
        answers.append(_reloaded(port))
        assert "holds no key" in answers[-1]
    for text in (*answers, log.read_text()):
        assert secret not in text
        assert repr(bytes.fromhex(secret))[2:-1] not in text


def _reloaded(port: int) -> str:
    with closing(HTTPConnection("127.0.0.1", port, timeout=_START_TIMEOUT_S)) as connection:
        connection.request("POST", "/-/reload")
        return connection.getresponse().read().decode()


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


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("probs: []\n", 2, "{file}:1:1: probs: unknown key"),
        ("probs: []\nprobees: []\n", 2, "{file}:1:1: probs: unknown key"),
        ("listen: 192.0.2.77:9469\n", 3, "eragent: cannot listen on 192.0.2.77:9469"),
    ],
)
@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_what_keeps_it_from_starting_is_in_its_status_and_told_by_a_code(
    tmp_path: Path, manager: tuple[socket.socket, str], text: str, code: int, said: str
) -> None:
    listener, name = manager
    file, log = tmp_path / "eragent.yaml", tmp_path / "log"
    file.write_text(text, encoding="utf-8")
    with running(agent_command(file), log=log, environment={"NOTIFY_SOCKET": name}) as process:
        assert process.wait(_START_TIMEOUT_S) == code
    status = _told(listener, log)
    assert status.startswith("STATUS=" + said.format(file=file))
    lines = log.read_text().splitlines()
    assert lines[0].startswith(said.format(file=file))
    assert status.endswith(f" ({len(lines) - 1} more in the log)") is (len(lines) > 1)


@pytest.mark.parametrize("manager", ["path"], indirect=True)
@pytest.mark.parametrize(
    ("text", "said"), [("probes: []\n", "reflector: missing"), ("probs: []\n", "probs: unknown key")]
)
def test_what_keeps_the_reflector_from_starting_is_in_its_status(
    tmp_path: Path, manager: tuple[socket.socket, str], text: str, said: str
) -> None:
    listener, name = manager
    file, log = tmp_path / "eragent.yaml", tmp_path / "log"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "agent", "reflect", "--config", str(file)]
    with running(command, log=log, environment={"NOTIFY_SOCKET": name}) as process:
        assert process.wait(_START_TIMEOUT_S) == 2
    assert said in _told_of(listener, log, "STATUS=")


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_a_reflector_whose_port_is_taken_says_so_in_its_status(
    tmp_path: Path, manager: tuple[socket.socket, str]
) -> None:
    listener, name = manager
    log = tmp_path / "log"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        command = [sys.executable, "-m", "agent", "reflect", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]
        with running(command, log=log, environment={"NOTIFY_SOCKET": name}) as process:
            assert process.wait(_START_TIMEOUT_S) == 3
    assert "another process listens there" in _told_of(listener, log, "STATUS=")


def _told(listener: socket.socket, log: Path) -> str:
    """Return what the service tells its manager next; fail with its own words when it stays silent."""
    listener.settimeout(_START_TIMEOUT_S)
    try:
        return listener.recv(4096).decode()
    except TimeoutError:
        pytest.fail(f"the manager heard nothing in {_START_TIMEOUT_S:g} s; the service said:\n{log.read_text()}")


def _told_of(listener: socket.socket, log: Path, beginning: str) -> str:
    """Wait for what begins like this."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        state = _told(listener, log)
        if state.startswith(beginning):
            return state
    pytest.fail(f"the manager did not hear {beginning}")


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
