"""Real programs on loopback: the agent with two paths to its own reflector, and a Prometheus that reads it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AGENT = "test"
UNANSWERED = "unanswered"
WITH_ONE_PATH = "with-one-path"
_DEBIAN = ROOT / ".tools" / "usr" / "bin"
_DEADLINE_S = 15.0


def debian_program(name: str) -> Path:
    """Return a program of Debian's prometheus package."""
    program = _DEBIAN / name
    if not program.exists():
        pytest.fail(f"{program.relative_to(ROOT)} is missing: run setup/prometheus")
    return program


def free_port(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nothing used just now."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def agent_configuration(listen_port: int, history: Path | None = None) -> str:
    """Return a configuration with two paths that differ in their source address, and STAMP to the agent's reflector."""
    stamp_port = free_port("127.0.0.3", socket.SOCK_DGRAM)
    return f"""
agent: {{name: {AGENT}}}
listen: 127.0.0.1:{listen_port}
paths:
  expressroute: {{kind: expressroute, source: 127.0.0.1, rate: 1Gbit}}
  vpn: {{kind: vpn, source: 127.0.0.2, rate: 650Mbit}}
targets:
  here: {{address: 127.0.0.3}}
probes:
  - {{name: stamp, stamp: {{port: {stamp_port}}}, interval: 50ms, targets: [here], paths: [vpn, expressroute]}}
reflector:
  stamp: {{listen: "127.0.0.3:{stamp_port}", allow: [127.0.0.0/8]}}
{"" if history is None else f"history: {{directory: {history}}}"}
comparisons:
  - {{baseline: vpn, candidate: expressroute, probe: stamp}}
"""


def unanswered_configuration(listen_port: int) -> str:
    """Return a configuration with one path to a target that never answers: nothing is compared, nothing is kept."""
    nobody = free_port("127.0.0.4", socket.SOCK_DGRAM)
    return f"""
agent: {{name: {UNANSWERED}}}
listen: 127.0.0.1:{listen_port}
paths:
  vpn: {{kind: vpn, source: 127.0.0.2}}
targets:
  nobody: {{address: 127.0.0.4}}
probes:
  - {{name: stamp, stamp: {{port: {nobody}}}, interval: 100ms, timeout: 500ms, targets: [nobody], paths: [vpn]}}
"""


def one_path_configuration(listen_port: int) -> str:
    """Return a configuration with one path, that is answered: there is nothing to compare it with."""
    stamp_port = free_port("127.0.0.5", socket.SOCK_DGRAM)
    return f"""
agent: {{name: {WITH_ONE_PATH}}}
listen: 127.0.0.1:{listen_port}
paths:
  expressroute: {{kind: expressroute, source: 127.0.0.2}}
targets:
  alone: {{address: 127.0.0.5}}
probes:
  - {{name: stamp, stamp: {{port: {stamp_port}}}, interval: 100ms, targets: [alone], paths: [expressroute]}}
reflector:
  stamp: {{listen: "127.0.0.5:{stamp_port}", allow: [127.0.0.0/8]}}
"""


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the context lasts, its output in ``log``."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def agent_command(configuration: Path) -> list[str]:
    """Return the command line of the agent."""
    return [sys.executable, "-m", "agent", "run", "--config", str(configuration)]


def fetch(url: str) -> str:
    """Get a page from loopback, in which no proxy has a part; an empty text where nothing answers yet."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError:
        return ""


def wait_until(condition: Callable[[], bool], what: str, log: Path) -> None:
    """Wait for something that takes its time; fail with the program's own words when it does not come."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} in {_DEADLINE_S:g} s; the program said:\n{log.read_text()}")
        time.sleep(0.1)


class Prometheus:
    """The HTTP API of a Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def answer(self, what: str, **parameters: str | float) -> Any:
        """Return the data of an answer, ``None`` before Prometheus is there; an error fails the test."""
        query = urllib.parse.urlencode(parameters)
        text = fetch(f"{self._url}/api/v1/{what}?{query}")
        if not text.startswith("{"):
            return None
        answer = json.loads(text)
        assert answer["status"] == "success", f"{answer.get('error')}\n{parameters}"
        return answer["data"]

    def value(self, expression: str) -> float | None:
        """Return the first value of an instant query, ``None`` where there is none."""
        data = self.answer("query", query=expression)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None


def write_quick_rules(rules: Iterable[Path], folder: Path) -> None:
    """Copy rules so that all of them are evaluated every second, where that is the default."""
    for file in rules:
        text = re.sub(r"^( +interval:) .+$", r"\1 1s", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (folder / file.name).write_text(text, encoding="utf-8")


@contextmanager
def prometheus(target_ports: Iterable[int], rules: Iterable[Path], folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ports of loopback and evaluates rules, all of them every second."""
    write_quick_rules(rules, folder)
    targets = [f"127.0.0.1:{port}" for port in target_ports]
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["eragent-*.yml"],
        "scrape_configs": [{"job_name": "eragent", "static_configs": [{"targets": targets}]}],
    }
    with prometheus_of(json.dumps(configuration), folder) as server:
        yield server


@contextmanager
def prometheus_of(text: str, folder: Path, *options: str, port: int | None = None) -> Iterator[Prometheus]:
    """Run a Prometheus with the text of a configuration."""
    configuration = folder / "prometheus.yml"
    configuration.write_text(text, encoding="utf-8")
    port = port or free_port()
    command = [
        str(debian_program("prometheus")),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
        *options,
    ]
    with running(command, log=folder / "prometheus.log"):
        yield Prometheus(f"http://127.0.0.1:{port}")
