"""``eragent run`` from start to signal, over loopback, its reflector included."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collectors.stamp.control.wire import Accept
from tests.agent.cli.twamp import TwampClient
from tests.agent.conftest import ERAGENT

CONFIGURATION = """
agent: {{name: dc1}}
listen: 127.0.0.1:{http}
paths:
  expressroute: {{kind: expressroute, source: 127.0.0.1}}
  vpn: {{kind: vpn, source: 127.0.0.2}}
targets:
  hub: {{address: 127.0.0.3}}
  gone: {{address: no-such-host.invalid}}
probes:
  - {{name: stamp, stamp: {{port: {stamp}}}, interval: 20ms, timeout: 300ms, targets: [hub]}}
  - {{name: nowhere, stamp: {{port: {stamp}}}, interval: 20ms, targets: [gone], paths: [vpn]}}
reflector:
  stamp: {{listen: "127.0.0.3:{stamp}", allow: [127.0.0.0/8]}}
  twamp: {{listen: "127.0.0.3:{stamp}", max_sessions: 1}}
comparisons:
  - {{baseline: vpn, candidate: expressroute, probe: stamp}}
"""


def free_port(kind: socket.SocketKind) -> int:
    """Find a port that is free at every address.

    It lies below those that the kernel gives away by itself (ip_local_port_range): anybody's next connection could have
    one of these before the agent does.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket(socket.AF_INET, kind) as sock, suppress(OSError):
            sock.bind(("", port))
            return port


class Agent:
    """A running agent, by its HTTP address."""

    def __init__(self, process: subprocess.Popen[str], http: int, stamp: int) -> None:
        self.process = process
        self.stamp = stamp
        self._base = f"http://127.0.0.1:{http}"

    def get(self, path: str, accept: str = "*/*") -> str:
        request = urllib.request.Request(self._base + path, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=5) as response:
            return str(response.read().decode())

    def value(self, name: str, **labels: str) -> float:
        """Return a sample of /metrics; the labels given must select exactly one."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics"))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) == 1, f"{len(found)} samples of {name} with {labels}"
        return found[0]

    def wait_for(self, name: str, least: float, **labels: str) -> None:
        deadline = time.monotonic() + 60  # a busy machine is no finding
        while self.value(name, **labels) < least:
            assert time.monotonic() < deadline, f"{name} did not reach {least}"
            time.sleep(0.05)


@contextmanager
def running(tmp_path: Path) -> Iterator[Agent]:
    http = free_port(socket.SOCK_STREAM)
    file = tmp_path / "eragent.yaml"
    stamp = free_port(socket.SOCK_DGRAM)
    file.write_text(CONFIGURATION.format(http=http, stamp=stamp))
    command = [*ERAGENT, "run", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "metrics on" in process.stderr.readline()
        try:
            yield Agent(process, http, stamp)
        finally:
            process.terminate()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with running(tmp_path) as started:
        yield started


def test_both_paths_are_measured_and_one_bad_name_stops_nothing_else(agent: Agent) -> None:
    for path in ("expressroute", "vpn"):
        agent.wait_for("eragent_packets_received_total", 10, path=path, probe="stamp")
    agent.wait_for("eragent_packets_not_sent_total", 10, probe="nowhere", reason="unresolved")
    assert agent.value("eragent_target_resolved", probe="nowhere") == 0
    assert agent.value("eragent_build_info") == 1
    assert agent.value("eragent_packets_sent_total", probe="nowhere") == 0


def test_the_agent_says_that_it_is_healthy_and_ready_and_what_it_serves(agent: Agent) -> None:
    assert agent.get("/-/healthy") == "healthy\n"
    assert agent.get("/-/ready") == "ready\n"
    assert "/metrics" in agent.get("/")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        agent.get("/nothing")


def test_what_reads_configurations_is_not_loaded_by_what_goes_on_running(agent: Agent) -> None:
    loaded = Path(f"/proc/{agent.process.pid}/maps").read_text()
    assert "/uvloop/" in loaded
    assert "/pydantic" not in loaded
    assert "/yaml/" not in loaded


def test_openmetrics_is_served_to_those_who_ask_for_it(agent: Agent) -> None:
    assert agent.get("/metrics", accept="application/openmetrics-text; version=1.0.0").endswith("# EOF\n")


def test_the_summary_compares_the_configured_paths(agent: Agent) -> None:
    agent.wait_for("eragent_packets_received_total", 10, path="vpn", probe="stamp")
    found = json.loads(agent.get("/summary"))
    assert found["schema"] == "eragent.probe/1"
    [comparison] = found["comparisons"]
    assert (comparison["baseline"], comparison["candidate"]) == ("vpn", "expressroute")
    assert comparison["pairs"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_agent_within_two_seconds_and_no_count_is_lost(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running(tmp_path) as agent:
        agent.wait_for("eragent_packets_received_total", 5, path="vpn", probe="stamp")
        before = agent.value("eragent_packets_received_total", path="vpn", probe="stamp")
        started = time.monotonic()
        agent.process.send_signal(number)
        _, log = agent.process.communicate(timeout=10)
    assert time.monotonic() - started < 2
    assert agent.process.returncode == 0
    counted = re.search(r"stamp to hub on vpn: (\d+) sent, (\d+) received, \d+ lost, \d+ failed, \d+ not sent", log)
    assert counted is not None
    assert int(counted[2]) >= before
    reflected = re.search(r"(\d+) answered", log)
    assert reflected is not None
    assert int(reflected[1]) >= 2 * before


def test_what_the_reflector_answers_and_refuses_is_in_the_metrics(agent: Agent) -> None:
    agent.wait_for("eragent_reflector_replies_total", 10)
    assert agent.value("eragent_reflector_up") == 1
    assert agent.value("eragent_reflector_sessions") >= 2
    assert agent.value("eragent_reflector_refused_total", reason="malformed") == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"short", ("127.0.0.3", agent.stamp))
    agent.wait_for("eragent_reflector_refused_total", 1, reason="malformed")
    assert agent.value("eragent_reflector_restarts_total") == 0


def test_what_twamp_clients_are_granted_and_refused_is_in_the_metrics(agent: Agent) -> None:
    agent.wait_for("eragent_reflector_up", 1)
    for counter in ("connections_total", "sessions_total", "connections_open"):
        assert agent.value(f"eragent_twamp_{counter}") == 0
    with TwampClient(agent.stamp, "127.0.0.3") as first, TwampClient(agent.stamp, "127.0.0.3") as second:
        for client in (first, second):
            client.set_up()
        assert first.request() == (Accept.OK, agent.stamp)
        assert second.request() == (Accept.TEMPORARY_LIMIT, 0)
        first.start()
        assert len(first.ask(agent.stamp)[0]) == 41
        agent.wait_for("eragent_twamp_sessions_refused_total", 1, reason="no_room")
        assert agent.value("eragent_twamp_sessions_total") == 1
        assert agent.value("eragent_twamp_connections_open") == agent.value("eragent_twamp_connections_total") == 2
    assert agent.value("eragent_twamp_connections_refused_total", reason="not_allowed") == 0


def test_a_reflector_that_dies_is_started_again(agent: Agent) -> None:
    agent.wait_for("eragent_packets_received_total", 5, path="vpn", probe="stamp")
    [child] = Path(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children").read_text().split()
    replies = agent.value("eragent_reflector_replies_total")
    os.kill(int(child), signal.SIGKILL)
    agent.wait_for("eragent_packets_failed_total", 1, path="vpn", probe="stamp", reason="port_unreachable")
    received = agent.value("eragent_packets_received_total", path="vpn", probe="stamp")
    agent.wait_for("eragent_packets_received_total", received + 5, path="vpn", probe="stamp")
    agent.wait_for("eragent_reflector_restarts_total", 1)
    agent.wait_for("eragent_reflector_replies_total", replies + 5)
    assert agent.value("eragent_reflector_up") == 1


def test_an_ipv6_address_is_told_in_the_brackets_that_a_url_needs(tmp_path: Path) -> None:
    file, port = tmp_path / "eragent.yaml", free_port(socket.SOCK_STREAM)
    file.write_text(f'listen: "[::1]:{port}"\n')
    with subprocess.Popen([*ERAGENT, "run", "--config", str(file)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().rstrip().endswith(f"metrics on [::1]:{port}")
        process.terminate()
        process.communicate(timeout=20)


def test_a_taken_port_is_exit_code_3_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "eragent.yaml"
        file.write_text(CONFIGURATION.format(http=taken.getsockname()[1], stamp=18620))
        found = subprocess.run(
            [*ERAGENT, "run", "--config", str(file)], capture_output=True, text=True, check=False, timeout=20
        )
    assert found.returncode == 3
    assert re.search(r"cannot listen on 127\.0\.0\.1:\d+: Address already in use: change `listen`", found.stderr)


def test_a_missing_configuration_is_exit_code_2(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    found = subprocess.run(
        [*ERAGENT, "run", "--config", str(missing)], capture_output=True, text=True, check=False, timeout=20
    )
    assert found.returncode == 2
    assert f"{missing}: cannot be read" in found.stderr


WITH_A_SILENT_NAME_SERVER = """
    ip link set dev lo up
    ip link add out type veth peer name away
    ip addr add 192.0.2.1/24 dev out
    ip link set dev out up; ip link set dev away up
    mount --bind "$0" /etc/resolv.conf
    exec "$@"
    """


@pytest.mark.root
def test_a_name_server_that_is_silent_does_not_delay_the_end(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 192.0.2.2\n")
    file = tmp_path / "eragent.yaml"
    file.write_text(CONFIGURATION.format(http=19469, stamp=18620).replace("no-such-host.invalid", "hub.example"))
    command = ["unshare", "--net", "--mount", "sh", "-ec", WITH_A_SILENT_NAME_SERVER, str(resolver)]
    with subprocess.Popen(
        [*command, *ERAGENT, "run", "--config", str(file)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "metrics on" in process.stderr.readline()
        started = time.monotonic()
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert time.monotonic() - started < 2
