"""What a reload changes, by the two plans alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from agent.plan import HistoryPlan, Plan, Probe, ReflectorPlan, SocketAddress
from agent.reload import Amendment, ProbeChanges, needs_restart, probe_changes
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, PacketMarks, PathKind, Target
from collectors.stamp.sender import StampOptions

EXPRESSROUTE = NetworkPath(name="expressroute", source=ip_address("127.0.0.1"))
VPN = NetworkPath(name="vpn", source=ip_address("127.0.0.2"))
HUB = Target(name="hub", host="10.1.0.4")
SPOKE = Target(name="spoke", host="10.2.0.4")
STAMP = Probe(
    name="stamp",
    options=StampOptions(),
    interval_ns=100_000_000,
    timeout_ns=1_000_000_000,
    targets=(HUB,),
    paths=(EXPRESSROUTE, VPN),
)
HERE = SocketAddress(host="127.0.0.1", port=9469)
PLAN = Plan(agent="site", listen=HERE, probes=(STAMP,))


def test_equal_plans_change_nothing() -> None:
    assert probe_changes((STAMP,), (replace(STAMP),)) == ProbeChanges()
    assert needs_restart(PLAN, replace(PLAN)) == []


def test_probes_and_targets_come_and_go() -> None:
    ping = replace(STAMP, name="ping", options=IcmpOptions())
    both = replace(STAMP, targets=(HUB, SPOKE))
    assert probe_changes((STAMP,), (STAMP, ping)) == ProbeChanges(come=((ping, HUB),))
    assert probe_changes((STAMP, ping), (STAMP,)) == ProbeChanges(gone=(("ping", "hub"),))
    assert probe_changes((STAMP,), (both,)) == ProbeChanges(come=((both, SPOKE),))


@pytest.mark.parametrize(
    "changed",
    [
        replace(STAMP, interval_ns=50_000_000),
        replace(STAMP, timeout_ns=2_000_000_000),
        replace(STAMP, options=StampOptions(size=128)),
        replace(STAMP, options=StampOptions(marks=PacketMarks(dscp=46))),
        replace(STAMP, options=IcmpOptions()),
        replace(STAMP, targets=(replace(HUB, host="10.1.0.5"),)),
    ],
)
def test_what_all_streams_are_made_of_makes_others_of_all_of_them(changed: Probe) -> None:
    assert probe_changes((STAMP,), (changed,)) == ProbeChanges(
        gone=(("stamp", "hub"),), come=((changed, changed.targets[0]),)
    )


def test_the_streams_beside_one_that_changes_go_on() -> None:
    moved = replace(STAMP, paths=(EXPRESSROUTE, replace(VPN, source=ip_address("127.0.0.9"))))
    elsewhere = replace(STAMP, targets=(replace(HUB, hosts={"vpn": "10.9.0.4"}),))
    fewer = replace(STAMP, paths=(EXPRESSROUTE,))
    for changed in (moved, elsewhere, fewer):
        amendment = Amendment(probe=changed, target=changed.targets[0], kept=frozenset({"expressroute"}))
        assert probe_changes((STAMP,), (changed,)) == ProbeChanges(amended=(amendment,))
    amendment = Amendment(probe=STAMP, target=HUB, kept=frozenset({"expressroute"}))
    assert probe_changes((fewer,), (STAMP,)) == ProbeChanges(amended=(amendment,))


def test_what_is_only_said_of_a_path_changes_no_stream() -> None:
    said = replace(VPN, kind=PathKind.VPN, rate=1_000_000_000)
    assert probe_changes((STAMP,), (replace(STAMP, paths=(said, EXPRESSROUTE)),)) == ProbeChanges()


def test_an_ssid_that_moves_with_the_targets_makes_another_stream() -> None:
    numbered = replace(STAMP, options=StampOptions(ssid=100), targets=(HUB, SPOKE))
    turned = replace(numbered, targets=(SPOKE, HUB))
    changes = probe_changes((numbered,), (turned,))
    assert set(changes.gone) == {("stamp", "hub"), ("stamp", "spoke")}
    assert len(changes.come) == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (replace(PLAN, agent="other"), "agent.name is 'other' and was 'site'"),
        (replace(PLAN, listen=replace(HERE, port=9470)), "listen is 127.0.0.1:9470 and was 127.0.0.1:9469"),
        (replace(PLAN, history=HistoryPlan(directory=Path("/var/lib/eragent"))), "history changes"),
    ],
)
def test_what_takes_a_restart_says_so(changed: Plan, said: str) -> None:
    [line] = needs_restart(PLAN, changed)
    assert line.startswith(said)
    assert line.endswith("; restart the agent for that")


def test_a_reflector_and_passed_sockets_take_none() -> None:
    changed = replace(PLAN, reflector=ReflectorPlan(listen=HERE, allow=()), listen=replace(HERE, port=9470))
    assert needs_restart(PLAN, changed, listens_elsewhere=True) == []
