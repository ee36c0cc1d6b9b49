"""Each trouble of host and network has its own visible reason, ends by itself, and stops no other stream."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.root

ROUTER, ROUTER_IPV6, ROUTER_BEHIND = "10.9.0.254", "fd09::254", "fd09:1::254"
VERSIONS = (4, 6)
KINDS = ("icmp", "stamp")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What was counted in each trouble."""
    command = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.agent.trouble.in_a_network"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    return told


@pytest.mark.parametrize(
    ("case", "reason", "offender"),
    [
        ("unreachable, ICMP", "host_unreachable", ROUTER),
        ("prohibited, ICMPv6", "prohibited", ROUTER_IPV6),
        ("loop, ICMP", "ttl_exceeded", ROUTER),
        ("loop, ICMPv6", "ttl_exceeded", ROUTER_BEHIND),
        ("loop, STAMP", "ttl_exceeded", ROUTER),
        ("no reflector, STAMP", "port_unreachable", "10.9.1.1"),
        ("no reflector, STAMP over IPv6", "port_unreachable", "fd09:1::1"),
    ],
)
def test_who_turns_packets_down_and_why_is_told_of_each(
    found: dict[str, Any], case: str, reason: str, offender: str
) -> None:
    stream = found[case]
    assert (stream["sent"], stream["lost"], stream["failed_reasons"]) == (3, 0, {reason: 3})
    [error] = stream["icmp_errors"]
    assert (error["reason"], error["from"], error["count"]) == (reason, offender, 3)
    told = {(sample["outcome"], sample["reason"], sample["from"]) for sample in stream["samples"]}
    assert told == {("failed", reason, offender)}


def test_a_redirect_turns_nothing_down(found: dict[str, Any]) -> None:
    stream = found["redirected, then silence"]
    assert (stream["sent"], stream["lost"], stream["failed_reasons"], stream["icmp_errors"]) == (3, 3, {}, [])


@pytest.mark.parametrize(("case", "offender"), [("too long, ICMP", ROUTER), ("too long, ICMPv6", ROUTER_IPV6)])
def test_what_a_router_cannot_forward_whole_fails_and_is_not_sent_any_more(
    found: dict[str, Any], case: str, offender: str
) -> None:
    stream = found[case]
    assert (stream["failed_reasons"], stream["not_sent_reasons"]) == ({"message_too_long": 1}, {"message_too_long": 2})
    [error] = stream["icmp_errors"]
    assert (error["from"], error["mtu"]) == (offender, 1400)
    assert "let routers fragment" in stream["trouble"]


@pytest.mark.parametrize(
    ("case", "reason", "words"),
    [
        ("another family", "address_family", "give the target an address of IPv4"),
        ("queue full", "no_buffers", "tc -s qdisc"),
        ("prohibited here", "permission", "nft list ruleset"),
        ("longer than the interface's MTU", "message_too_long", "let routers fragment"),
    ],
)
def test_what_this_host_refuses_is_not_sent_and_says_what_to_look_at(
    found: dict[str, Any], case: str, reason: str, words: str
) -> None:
    stream = found[case]
    assert stream["not_sent_reasons"].keys() == {reason}
    assert stream["sent"] + stream["not_sent"] == 3
    assert words in stream["trouble"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_interface_that_goes_away_is_told_and_serves_again_under_its_name(
    found: dict[str, Any], kind: str, version: int
) -> None:
    counted = found["interface gone"][f"{kind}{version}/interface"]
    assert counted["not_sent:interface_unavailable"] >= 2
    assert counted["received"] >= 1
    counted = found["interface down"][f"{kind}{version}/interface"]
    assert counted["not_sent:network_unreachable"] >= 2
    assert counted["received"] >= 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["interface gone", "address gone"])
def test_an_address_that_goes_away_is_no_loss_of_the_path_and_serves_again_once_it_is_back(
    found: dict[str, Any], case: str, kind: str, version: int
) -> None:
    counted = found[case][f"{kind}{version}/source{version}"]
    assert counted["not_sent:source_unavailable"] >= 2
    assert counted["received"] >= 1
    assert counted.get("lost", 0) <= 1  # the neighbour may have to be found anew


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_moves_to_another_interface_goes_on_serving(
    found: dict[str, Any], kind: str, version: int
) -> None:
    counted = found["address moved"][f"{kind}{version}/source{version}"]
    assert counted.keys() == {"sent", "received"}


def test_a_stream_on_another_interface_notices_nothing_of_all_this(found: dict[str, Any]) -> None:
    counted = found["all the time"]["other/healthy"]
    assert counted.keys() == {"sent", "received"}
    assert counted["sent"] == counted["received"] >= 60
