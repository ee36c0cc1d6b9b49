from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from agent.lab.agents import Agent
from agent.lab.lab import Lab, LabError
from agent.lab.relay import AZURE, PORT, RELAYED
from agent.lab.sandbox import Isolation
from agent.lab.scenario import Scenario
from agent.lab.topology import LinkName
from tests.agent.lab.traces import until

EXPRESSROUTE, VPN = (relayed.address for relayed in RELAYED if relayed.way == "to_azure")


@pytest.fixture
def relays(quiet: Scenario) -> Iterator[Lab]:
    with Lab(quiet, isolation=Isolation.LOOPBACK) as lab:
        yield lab


@pytest.fixture
def far_end() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((AZURE, PORT))
        sock.settimeout(5)
        yield sock


@pytest.fixture
def site() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        yield sock


def round_trip_ns(site: socket.socket, far_end: socket.socket, address: str) -> int:
    sent_ns = time.monotonic_ns()
    site.sendto(b"there", (address, PORT))
    data, relay = far_end.recvfrom(100)
    far_end.sendto(data + b" and back", relay)
    assert site.recvfrom(100) == (b"there and back", (address, PORT))
    return time.monotonic_ns() - sent_ns


def fates(lab: Lab, link: LinkName) -> dict[str, int]:
    report = lab.report()[link]
    assert report is not None
    return dict(report["to_azure"])


def test_each_relayed_address_has_the_delay_of_its_link(
    relays: Lab, site: socket.socket, far_end: socket.socket
) -> None:
    assert round_trip_ns(site, far_end, EXPRESSROUTE) >= 2 * 2_000_000
    assert round_trip_ns(site, far_end, VPN) >= 2 * 4_000_000


def test_a_cut_link_carries_nothing_until_the_routes_move(
    relays: Lab, site: socket.socket, far_end: socket.socket
) -> None:
    relays.set_link(LinkName.PRIMARY, is_up=False)
    site.sendto(b"lost", (EXPRESSROUTE, PORT))
    until(lambda: fates(relays, LinkName.PRIMARY)["cut"] == 1)
    relays.use_link(LinkName.SECONDARY)
    assert round_trip_ns(site, far_end, EXPRESSROUTE) >= 2 * 3_000_000
    assert fates(relays, LinkName.SECONDARY)["carried"] == 1


def test_it_says_plainly_what_it_cannot_show(relays: Lab) -> None:
    assert relays.description.links == "relays"
    assert "no IPsec, no ICMP or TCP over the paths, no hops" in relays.description.lacks[0]


def test_two_agents_measure_both_paths_through_the_relays(relays: Lab) -> None:
    with ExitStack() as stack:
        for name in ("azure", "onprem"):
            agent = stack.enter_context(Agent(name, relays, http_port=0, reflector_port=relays.reflector_port))
            agent.wait()
        until(lambda: all(stream["received"] for stream in agent.summary()["streams"]))
        assert {stream["path"] for stream in agent.summary()["streams"]} == {"expressroute", "vpn"}


def test_a_taken_port_is_named(relays: Lab, quiet: Scenario) -> None:
    with pytest.raises(LabError, match="port 10862: Address already in use"), Lab(quiet, isolation=Isolation.LOOPBACK):
        pass


def test_what_runs_in_it_ends_with_the_program_that_started_it(relays: Lab) -> None:
    assert relays.command("onprem", ["true"]) == ["setpriv", "--pdeathsig", "KILL", "true"]
    with subprocess.Popen(relays.command("onprem", ["sleep", "100"])) as process:
        assert relays.pid_inside(process) == process.pid
        process.kill()
