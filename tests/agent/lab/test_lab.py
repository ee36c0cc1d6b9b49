from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.lab.lab import Lab, LabError
from agent.lab.sandbox import Isolation
from agent.lab.scenario import Scenario, parse_scenario
from agent.lab.topology import AZURE_ADDRESS, SITE_ADDRESS, SITE_VPN_ADDRESS, LinkName
from tests.agent.lab.conftest import QUIET

pytestmark = pytest.mark.root

PROBE = str(Path(__file__).with_name("hops.py"))
OVER_PRIMARY = ["10.20.0.1", "192.168.11.18", None, AZURE_ADDRESS]
OVER_SECONDARY = ["10.20.0.1", "192.168.11.22", None, AZURE_ADDRESS]
OVER_VPN = ["10.20.1.1", None, None, AZURE_ADDRESS]
FRAGMENTATION_NEEDED = (3, 4)


def inside(lab: Lab, namespace: str, *arguments: str) -> str:
    command = lab.command(namespace, arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def probe(lab: Lab, source: str, *size: str, namespace: str = "onprem", target: str = AZURE_ADDRESS) -> Any:
    return json.loads(inside(lab, namespace, sys.executable, PROBE, source, target, *size))


def frames_on(lab: Lab, link: LinkName) -> int:
    report = lab.report()[link]
    assert report is not None
    return int(report["to_azure"]["carried"] + report["from_azure"]["carried"])


@pytest.fixture
def own_lab(quiet: Scenario) -> Iterator[Lab]:
    with Lab(quiet) as lab:
        yield lab


def test_expressroute_shows_the_customer_edge_and_the_primary_edge_router(lab: Lab) -> None:
    assert probe(lab, SITE_ADDRESS) == OVER_PRIMARY


def test_the_vpn_shows_its_device_and_no_microsoft_edge(lab: Lab) -> None:
    assert probe(lab, SITE_VPN_ADDRESS) == OVER_VPN


def test_azures_answers_choose_the_path_by_the_sites_address(lab: Lab) -> None:
    over_expressroute = probe(lab, AZURE_ADDRESS, namespace="azure", target=SITE_ADDRESS)
    over_vpn = probe(lab, AZURE_ADDRESS, namespace="azure", target=SITE_VPN_ADDRESS)
    assert "192.168.11.17" in over_expressroute
    assert "192.168.11.17" not in over_vpn
    assert over_vpn[-2:] == ["10.20.1.1", SITE_VPN_ADDRESS]


def test_a_packet_marked_for_the_vpn_takes_it(lab: Lab) -> None:
    assert f"via 10.20.1.1 dev eth1 table 201 src {SITE_VPN_ADDRESS}" in inside(
        lab, "onprem", "ip", "route", "get", AZURE_ADDRESS, "mark", "201"
    )


def test_the_vpn_is_an_ipsec_tunnel_with_a_smaller_path_mtu(lab: Lab) -> None:
    assert lab.description.esp in {"kernel", "user-space"}
    icmp_type, code, mtu, sender = probe(lab, SITE_VPN_ADDRESS, "1401")
    assert ((icmp_type, code), mtu, sender) == (FRAGMENTATION_NEEDED, 1400, "10.20.1.1")


def test_packets_of_the_tunnels_mtu_arrive_whole(lab: Lab) -> None:
    icmp_type, code, _, sender = probe(lab, SITE_VPN_ADDRESS, "1400")
    assert ((icmp_type, code), sender) == ((3, 3), AZURE_ADDRESS)


def test_expressroute_carries_1500_octets(lab: Lab) -> None:
    icmp_type, code, _, sender = probe(lab, SITE_ADDRESS, "1500")
    assert ((icmp_type, code), sender) == ((3, 3), AZURE_ADDRESS)


def test_each_path_uses_its_own_link(lab: Lab) -> None:
    before = {link: frames_on(lab, link) for link in LinkName}
    probe(lab, SITE_ADDRESS)
    assert frames_on(lab, LinkName.PRIMARY) > before[LinkName.PRIMARY]
    assert frames_on(lab, LinkName.SECONDARY) == before[LinkName.SECONDARY]


def test_a_silent_primary_loses_everything_until_the_routes_move(lab: Lab) -> None:
    lab.set_link(LinkName.PRIMARY, is_up=False)
    assert probe(lab, SITE_ADDRESS)[:2] == ["10.20.0.1", None]
    lab.use_link(LinkName.SECONDARY)
    assert probe(lab, SITE_ADDRESS) == OVER_SECONDARY
    lab.set_link(LinkName.PRIMARY, is_up=True)
    lab.use_link(LinkName.PRIMARY)
    assert probe(lab, SITE_ADDRESS) == OVER_PRIMARY


def test_without_any_link_expressroute_is_refused_and_not_sent_elsewhere(lab: Lab) -> None:
    lab.use_link(None)
    assert probe(lab, SITE_ADDRESS)[0:1] == ["10.20.0.1"]
    assert probe(lab, SITE_ADDRESS)[-1] == "10.20.0.1"
    lab.use_link(LinkName.PRIMARY)


def test_a_tunnel_that_is_down_refuses_and_never_leaks_over_expressroute(own_lab: Lab) -> None:
    charon = next(
        pid
        for pid in inside(own_lab, "vpn", "ip", "netns", "pids", "vpn").split()
        if "charon" in inside(own_lab, "vpn", "cat", f"/proc/{pid}/comm")
    )
    before = frames_on(own_lab, LinkName.PRIMARY)
    inside(own_lab, "vpn", "sh", "-c", f"kill {charon}; while ip route show table 220 | grep -q .; do :; done")
    assert probe(own_lab, SITE_VPN_ADDRESS, "100") == [3, 1, 0, "10.20.1.1"]
    inside(own_lab, "vpngw", "sh", "-c", "while ip route show table 220 | grep -q .; do :; done")
    back = probe(own_lab, AZURE_ADDRESS, "100", namespace="azure", target=SITE_VPN_ADDRESS)
    assert back[:2] == [3, 1]
    assert frames_on(own_lab, LinkName.PRIMARY) == before


def test_the_scenarios_events_happen_and_are_told(own_lab: Lab) -> None:
    own_lab.play()
    assert own_lab.events() == []


def test_an_outage_of_the_scenario_cuts_and_moves_the_routes_by_itself() -> None:
    events = "events: [{at: 10ms, link: er-primary, down: 60s}]\nfailover: {detection: 20ms}\n"
    with Lab(parse_scenario(QUIET + events, "test")) as lab:
        lab.play()
        told = [event for _ in range(2) for event in lab.events(wait_s=5)]
        assert [(event.at_ns, event.text) for event in told] == [
            (10_000_000, "er-primary goes silent"),
            (30_000_000, "the routers use er-secondary"),
        ]
        assert probe(lab, SITE_ADDRESS) == OVER_SECONDARY


def test_the_links_say_how_late_they_were(lab: Lab) -> None:
    probe(lab, SITE_ADDRESS)
    report = lab.report()[LinkName.PRIMARY]
    if lab.description.links == "user-space":
        assert report is not None
        assert 0 <= report["late_ns"]["p50"] <= report["late_ns"]["max"]


def test_ping_sockets_need_no_privilege_inside(lab: Lab) -> None:
    assert inside(lab, "onprem", "cat", "/proc/sys/net/ipv4/ping_group_range").split() == ["0", "2147483647"]


def test_a_user_namespace_serves_the_same_paths(quiet: Scenario) -> None:
    with Lab(quiet, isolation=Isolation.USER_NAMESPACE) as lab:
        assert probe(lab, SITE_ADDRESS) == OVER_PRIMARY
        assert probe(lab, SITE_VPN_ADDRESS) == OVER_VPN


def test_an_unknown_namespace_is_named_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(LabError, match="no namespace paris: onprem, ce"):
        lab.command("paris", ["true"])


def test_a_lab_that_was_killed_says_so(quiet: Scenario) -> None:
    with Lab(quiet) as lab:
        assert lab.description.pid is not None
        os.kill(lab.description.pid, signal.SIGKILL)
        with pytest.raises(LabError, match="ended by itself"):
            lab.report()


def test_a_refusal_of_the_kernel_is_not_taken_for_a_hop(lab: Lab) -> None:
    assert probe(lab, SITE_ADDRESS, "1501")[2] == errno.EMSGSIZE
