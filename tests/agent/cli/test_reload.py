"""Reloads of a running agent that measures its own stateful reflector over loopback."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.agent.cli.test_run import free_port
from tests.agent.conftest import ERAGENT

CONFIGURATION = """
agent: {{name: {name}}}
listen: 127.0.0.1:{http}
paths:
  expressroute: {{kind: expressroute, source: 127.0.0.1}}
  vpn: {{kind: vpn, source: 127.0.0.2}}
targets:
  hub: {{address: 127.0.0.3}}
  named: {{address: localhost}}
  gone: {{address: no-such-host.invalid}}
modules: {{stamp: {{stamp: {{}}}}}}
probes:
  - {{name: stays, stamp: {{port: {stamp}}}, interval: 10ms, timeout: 1s, targets: [hub]}}
{probes}
reflector:
  stamp: {{listen: "127.0.0.3:{stamp}", allow: [127.0.0.0/8], max_sessions: {sessions}}}
comparisons:
  - {{baseline: vpn, candidate: expressroute, probe: stays}}
"""
CHANGES = "  - {{name: changes, stamp: {{port: {stamp}}}, interval: {interval}, targets: [hub], paths: {paths}}}\n"
GOES = "  - {{name: goes, stamp: {{port: {stamp}}}, interval: 20ms, targets: [hub, gone, named], paths: [vpn]}}\n"
COMES = "  - {{name: comes, tcp: {{port: {http}}}, interval: 50ms, targets: [hub, gone, named], paths: [vpn]}}\n"
PATIENCE_S = 60
"""How long anything may take: a busy machine is no finding."""
SLOTS_OF_TIMEOUT = 100
"""How many slots of the probe that stays go by until a packet without an answer is lost."""


class Agent:
    """An agent whose configuration can be written anew."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "eragent.yaml"
        self.http, self.stamp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, *probes: str, name: str = "site", sessions: int = 100, **values: str) -> None:
        filled = "".join(probes).format(http=self.http, stamp=self.stamp, **values)
        text = CONFIGURATION.format(http=self.http, stamp=self.stamp, probes=filled, name=name, sessions=sessions)
        self.file.write_text(text)

    def reload(self) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/-/reload", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def values(self, name: str, **labels: str) -> list[float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=PATIENCE_S) as response:
            text = response.read().decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(f"{name}{{"))
        return [float(value) for series, value in rows if all(label in series for label in wanted)]

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"the agent ended before {what}:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.log.read_text()}"
            time.sleep(0.05)

    def wait_for(self, name: str, least: float, **labels: str) -> None:
        self.wait(lambda: sum(self.values(name, **labels)) >= least, f"{name} {labels}")

    def children(self) -> list[int]:
        assert self.process is not None
        number = self.process.pid
        return [int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()]

    def ports(self, path_source: str) -> set[int]:
        """The UDP ports that the agent's process itself has at an address."""
        assert self.process is not None
        links = (str(link.readlink()) for link in Path(f"/proc/{self.process.pid}/fd").iterdir() if link.is_symlink())
        own = {found[1] for found in map(re.compile(r"socket:\[(\d+)\]").fullmatch, links) if found}
        address = socket.inet_aton(path_source)[::-1].hex().upper()
        rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
        return {int(row[1].split(":")[1], 16) for row in rows if row[9] in own and row[1].split(":")[0] == address}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    found = Agent(tmp_path)
    found.configure(CHANGES, GOES, interval="20ms", paths="[vpn]")
    with found.log.open("wb") as log:
        found.process = subprocess.Popen([*ERAGENT, "run", "--config", str(found.file)], stderr=log)
        try:
            found.wait(lambda: "metrics on" in found.log.read_text(), "the start")
            found.wait_for("eragent_packets_received_total", 50, probe="stays", path="vpn")
            yield found
        finally:
            found.process.terminate()
            found.process.wait(10)


def without_answer(agent: Agent) -> float:
    """Return how many packets of the probe that stays have no answer so far."""
    return sum(
        sum(agent.values(f"eragent_packets_{name}_total", probe="stays"))
        for name in ("lost", "failed", "not_sent", "overlooked")
    )


def without_answer_at_first(agent: Agent) -> float:
    """Return the same once every packet is settled that left before the agent's own reflector was there.

    That is so when none was added while slots of more than a whole timeout were answered.
    """
    while True:
        found = without_answer(agent)
        received = agent.values("eragent_packets_received_total", probe="stays", path="vpn")[0]
        agent.wait_for("eragent_packets_received_total", received + SLOTS_OF_TIMEOUT + 1, probe="stays", path="vpn")
        if without_answer(agent) == found:
            return found


def test_streams_that_stay_lose_nothing_and_keep_port_and_counters_while_others_come_change_and_go(
    agent: Agent,
) -> None:
    before, sent = without_answer_at_first(agent), agent.values("eragent_packets_sent_total", probe="stays")
    ports, children = agent.ports("127.0.0.1"), agent.children()
    assert ports
    for round_ in range(4):
        agent.configure(
            *([CHANGES, COMES], [CHANGES, GOES])[round_ % 2],
            interval="40ms",
            paths=f"[{('vpn', 'expressroute')[round_ % 2]}]",
        )
        status, text = agent.reload()
        assert (status, text[:8]) == (200, "reloaded"), text
        now = agent.values("eragent_packets_sent_total", probe="stays")
        assert all(later >= earlier for earlier, later in zip(sent, now, strict=True))
        sent = now
        agent.wait_for("eragent_packets_received_total", now[0] + 30, probe="stays", path="expressroute")
    assert without_answer(agent) == before
    assert ports <= agent.ports("127.0.0.1")
    assert agent.values("eragent_peer_restarts_total", probe="stays") == [0, 0]
    assert agent.children() == children
    assert agent.values("eragent_reflector_restarts_total") == [0]


def test_series_of_what_goes_vanish_and_those_of_what_comes_appear(agent: Agent) -> None:
    assert len(agent.values("eragent_packets_sent_total", probe="goes")) == 3
    assert agent.values("eragent_slots_missed_total", probe="goes") != []
    agent.configure(CHANGES, COMES, interval="20ms", paths="[expressroute]")
    status, text = agent.reload()
    assert (status, text) == (200, "reloaded: streams: 2 go on, 4 ended, 4 began\n")
    for name in ("packets_sent_total", "slots_missed_total", "rtt_seconds_count", "target_resolved"):
        assert agent.values(f"eragent_{name}", probe="goes") == []
    assert len(agent.values("eragent_packets_sent_total", probe="changes")) == 1
    assert "goes to hub on vpn: " in agent.log.read_text()  # what was counted, which nobody can scrape any more
    agent.wait_for("eragent_packets_received_total", 3, probe="comes", target="named")
    agent.wait_for("eragent_packets_not_sent_total", 3, probe="comes", target="gone", reason="unresolved")


def test_a_file_with_mistakes_changes_nothing_and_says_what_is_wrong_where(agent: Agent) -> None:
    began = agent.values("eragent_config_last_reload_success_timestamp_seconds")
    right = agent.file.read_text()
    agent.file.write_text(right.replace("interval: 10ms", "interval: often").replace("listen: 127", "lisen: 127"))
    status, text = agent.reload()
    assert status == 400
    assert text.startswith("reload refused, nothing is changed:\n")
    assert re.search(rf"{agent.file}:3:1: lisen: ", text)
    assert re.search(rf"{agent.file}:\d+:\d+: probes.0.interval: ", text)
    assert "lisen" in agent.log.read_text()
    assert agent.values("eragent_config_last_reload_successful") == [0]
    assert agent.values("eragent_config_last_reload_success_timestamp_seconds") == began
    assert agent.values("eragent_config_reloads_refused_total", reason="invalid") == [1]
    assert len(agent.values("eragent_packets_sent_total", probe="goes")) == 3
    received = agent.values("eragent_packets_received_total", probe="stays", path="vpn")[0]
    agent.wait_for("eragent_packets_received_total", received + 20, probe="stays", path="vpn")
    agent.file.write_text(right)
    assert agent.process is not None
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for("eragent_config_last_reload_successful", 1)
    assert agent.values("eragent_config_last_reload_success_timestamp_seconds") > began


def test_what_takes_a_restart_is_refused_as_a_whole(agent: Agent) -> None:
    agent.configure(COMES, name="other")
    status, text = agent.reload()
    assert status == 409
    assert "agent.name is 'other' and was 'site': every series has it; restart the agent for that" in text
    assert agent.values("eragent_packets_sent_total", probe="comes") == []
    assert agent.values("eragent_config_reloads_refused_total", reason="restart") == [1]


def test_a_capability_that_was_given_up_takes_a_restart(agent: Agent) -> None:
    agent.file.write_text(agent.file.read_text().replace("source: 127.0.0.2", "source: 127.0.0.2, fwmark: 7"))
    status, text = agent.reload()
    assert status == 409
    assert "the fwmark of path vpn needs CAP_NET_" in text
    assert agent.values("eragent_config_reloads_refused_total", reason="restart") == [1]


def test_reloads_at_once_come_one_after_the_other(agent: Agent) -> None:
    before = without_answer_at_first(agent)
    agent.configure(CHANGES, COMES, interval="20ms", paths="[vpn, expressroute]")
    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda _: agent.reload(), range(8)))
    assert {status for status, _ in answers} == {200}
    assert {text for _, text in answers} <= {
        "reloaded: streams: 3 go on, 3 ended, 4 began\n",
        "reloaded: streams: 7 go on, 0 ended, 0 began\n",
    }
    assert agent.log.read_text().count("eragent: reloaded: ") <= 8
    agent.wait_for("eragent_packets_received_total", 3, probe="comes", target="named")
    assert without_answer(agent) == before


def test_a_reflector_is_restarted_if_it_changes_and_only_then(agent: Agent) -> None:
    before = agent.children()
    agent.configure(CHANGES, GOES, interval="20ms", paths="[vpn]", sessions=200)
    assert agent.reload() == (200, "reloaded: streams: 6 go on, 0 ended, 0 began; reflector changed\n")
    agent.wait_for("eragent_reflector_up", 1)
    assert set(agent.children()).isdisjoint(before)
    agent.wait_for("eragent_peer_restarts_total", 1, probe="stays", path="vpn")
