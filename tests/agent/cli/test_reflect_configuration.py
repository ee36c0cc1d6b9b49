"""A reflector that takes its section of a configuration file, as eragent-reflector.service starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.reflect import command
from collectors.stamp.authentication import Key
from collectors.stamp.wire import parse_reflector_packet
from tests.agent.cli.test_reflect import PROGRAM, answers, asked, started

_KEY = "k" * 32


def _free_port() -> int:
    """Return a UDP port that nobody had just now: a file cannot leave the choice to the kernel."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _configuration(folder: Path, reflector: str) -> Path:
    file = folder / "eragent.yaml"
    file.write_text(f"reflector: {reflector}\n", encoding="utf-8")
    return file


def test_it_answers_where_and_whom_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(_KEY, encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    file = _configuration(
        tmp_path, f'{{stamp: {{listen: "127.0.0.1:{_free_port()}", allow: [127.0.0.0/8], key_file: key}}}}'
    )
    with started(*PROGRAM, "reflect", "--config", str(file)) as (_, (port,)):
        key = Key(_KEY.encode())
        (answer,) = answers(port, asked(key=key))
        assert parse_reflector_packet(answer, key=key).sender_sequence == 5


def test_the_service_manager_hears_that_it_answers(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(name)
        manager.settimeout(10)
        file = _configuration(tmp_path, f'{{stamp: {{listen: "127.0.0.1:{_free_port()}"}}}}')
        with subprocess.Popen(
            [*PROGRAM, "reflect", "--config", str(file)],
            env={**os.environ, "NOTIFY_SOCKET": name},
            stderr=subprocess.DEVNULL,
        ) as process:
            assert manager.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
        assert process.returncode == 0


def test_a_file_that_wants_no_reflector_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text("targets: {here: {address: 127.0.0.1}}\n", encoding="utf-8")
    said = CliRunner().invoke(command, ["--config", str(file)])
    assert said.exit_code == 2
    assert "reflector: missing" in said.stderr


def test_all_mistakes_of_the_file_are_said(tmp_path: Path) -> None:
    said = CliRunner().invoke(command, ["--config", str(_configuration(tmp_path, "{stamp: {lisen: x, alow: y}}"))])
    assert said.exit_code == 2
    assert "lisen" in said.stderr
    assert "alow" in said.stderr


@pytest.mark.parametrize("option", [("--listen", "127.0.0.1:0"), ("--allow", "10.0.0.0/8"), ("--max-sessions", "5")])
def test_options_that_the_file_would_contradict_are_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    file = _configuration(tmp_path, f'{{stamp: {{listen: "127.0.0.1:{_free_port()}"}}}}')
    said = CliRunner().invoke(command, ["--config", str(file), *option])
    assert said.exit_code == 2
    assert option[0] in said.stderr


def test_a_port_in_use_is_said_with_the_remedy(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        file = _configuration(tmp_path, f'{{stamp: {{listen: "127.0.0.1:{taken.getsockname()[1]}"}}}}')
        said = CliRunner().invoke(command, ["--config", str(file)])
    assert said.exit_code == 3
    assert "another process listens there" in said.stderr
