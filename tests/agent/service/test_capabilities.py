"""Which capabilities plans need, and that the others are given up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from ipaddress import ip_network

import pytest

from agent.plan import Iperf3ServerPlan, Module, OnRequestPlan, Plan, Probe, ProbeOptions, ReflectorPlan, SocketAddress
from agent.service.capabilities import Capability, Host, kernel_version, lacking, this_host, to_keep, told, unsupported
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target
from collectors.stamp.sender import StampOptions

HERE = SocketAddress(host="127.0.0.1", port=9469)
NEW = Host(kernel=(6, 1), ping=True)
MARKED = NetworkPath(name="vpn", fwmark=7)
PLAIN = NetworkPath(name="plain")
ALL = frozenset(range(41))


def plan(options: ProbeOptions, *paths: NetworkPath) -> Plan:
    probe = Probe(
        name="probe",
        options=options,
        interval_ns=1,
        timeout_ns=1,
        targets=(Target(name="hub", host="10.1.0.4"),),
        paths=paths,
    )
    return Plan(agent="site", listen=HERE, probes=(probe,), paths={path.name: path for path in paths})


STAMP, PING = plan(StampOptions(), PLAIN), plan(IcmpOptions(), PLAIN)
AT_862 = replace(STAMP, reflector=ReflectorPlan(listen=replace(HERE, port=862), allow=()))


@pytest.mark.parametrize(
    ("wanted", "host", "kept"),
    [
        (STAMP, NEW, []),
        (PING, NEW, []),
        (PING, replace(NEW, ping=False), [Capability.NET_RAW]),
        (plan(StampOptions(), MARKED), NEW, [Capability.NET_RAW]),
        (plan(StampOptions(), MARKED), replace(NEW, kernel=(5, 15)), [Capability.NET_ADMIN]),
        (plan(StampOptions(), NetworkPath(name="p", interface="eth0")), NEW, []),
        (plan(StampOptions(), NetworkPath(name="p", interface="eth0")), replace(NEW, kernel=(5, 4)), [13]),
        (AT_862, NEW, [Capability.NET_BIND_SERVICE]),
        (AT_862, replace(NEW, first_port=0), []),
        (replace(STAMP, listen=replace(HERE, port=80)), NEW, []),  # that socket is open already
    ],
)
def test_a_plan_keeps_what_it_needs_and_no_more(wanted: Plan, host: Host, kept: list[Capability]) -> None:
    assert list(to_keep(wanted, host, ALL)) == kept
    assert bool(lacking(wanted, host, ())) is bool(kept)


def test_what_is_lacking_is_told_with_the_remedy() -> None:
    [line] = lacking(plan(StampOptions(), MARKED), NEW, ())
    assert line.startswith("the fwmark of path vpn needs CAP_NET_RAW or CAP_NET_ADMIN: add it to AmbientCapabilities=")
    assert lacking(plan(StampOptions(), MARKED), NEW, {Capability.NET_ADMIN}) == []


def test_what_may_be_asked_for_is_kept_where_it_is_held_and_not_demanded() -> None:
    module = Module(name="icmp", options=IcmpOptions(), count=1, interval_ns=1, timeout_ns=1, paths=(PLAIN,))
    asked = replace(STAMP, on_request=OnRequestPlan(modules={"icmp": module}))
    silent = replace(NEW, ping=False)
    assert list(to_keep(asked, silent, ALL)) == [Capability.NET_RAW]
    assert lacking(asked, silent, ()) == []
    guarded = replace(STAMP, iperf3_server=Iperf3ServerPlan(listen=HERE, allow=(ip_network("10.0.0.0/8"),)))
    assert list(to_keep(guarded, NEW, ALL)) == [Capability.NET_ADMIN]
    assert lacking(guarded, NEW, ()) == []


@pytest.mark.parametrize(
    ("wanted", "given_up", "said"),
    [
        (AT_862, ALL - {10}, "keeps CAP_NET_BIND_SERVICE for port 862 of the reflector; gave up 40 others"),
        (AT_862, {13}, "keeps CAP_NET_BIND_SERVICE for port 862 of the reflector; gave up CAP_NET_RAW"),
        (AT_862, (), "keeps CAP_NET_BIND_SERVICE for port 862 of the reflector"),
        (STAMP, {10, 13}, "keeps no capability; gave up CAP_NET_BIND_SERVICE, CAP_NET_RAW"),
    ],
)
def test_what_was_kept_is_told_with_what_for_and_what_was_given_up(
    wanted: Plan, given_up: Collection[int], said: str
) -> None:
    assert told(to_keep(wanted, NEW, ALL), given_up) == said


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.1.0-18-amd64", (6, 1)), ("5.15.0", (5, 15)), ("4.18.0-553.el8", (4, 18)), ("?", (0, 0))],
)
def test_versions_of_kernels_are_read(release: str, version: tuple[int, int]) -> None:
    assert kernel_version(release) == version


def test_a_kernel_that_is_too_old_is_told() -> None:
    assert unsupported((3, 10)) == ["Linux 3.10 does not serve: take a kernel from 4.18 on"]
    assert unsupported((4, 18)) == []


def test_this_host_has_a_kernel() -> None:
    assert this_host().kernel > (4, 0)


GIVING_UP = """
import json, pathlib, subprocess, sys
from agent.service.capabilities import Capability, held, keep_only
before = held()
keep_only({Capability.NET_RAW, Capability.NET_BIND_SERVICE})
status = ["cat", "/proc/self/status"]
own = pathlib.Path("/proc/self/status").read_text()
child = subprocess.run(status, capture_output=True, text=True, check=True).stdout
masks = lambda text: {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines() if line[:3] == "Cap"}
print(json.dumps([sorted(before), sorted(held()), masks(own), masks(child)]))
"""


@pytest.mark.root
def test_what_is_given_up_is_gone_from_every_set_of_the_process_and_its_children() -> None:
    found = subprocess.run([sys.executable, "-c", GIVING_UP], capture_output=True, text=True, check=True).stdout
    before, after, own, child = json.loads(found)
    assert len(before) > 2
    assert after == [Capability.NET_BIND_SERVICE, Capability.NET_RAW]
    mask = 1 << Capability.NET_BIND_SERVICE | 1 << Capability.NET_RAW
    for masks in (own, child):
        assert masks["CapPrm"] == masks["CapEff"] == mask
        assert masks["CapBnd"] & ~mask == 0
        assert masks["CapAmb"] & ~mask == masks["CapInh"] & ~mask == 0
