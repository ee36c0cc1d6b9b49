"""What a network does to connections, and what is made of it: each its own outcome, reason and witness."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

ROUTER, ROUTER_IPV6, FAR_END = "10.9.0.254", "fd09::254", "10.9.1.1"


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def found(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What became of the attempts: for each case a list of outcome, reason, and who said so."""
    command = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.collectors.tcp.in_a_network", request.param]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    return told


@pytest.mark.root
@pytest.mark.parametrize(
    ("case", "outcome", "reason", "witnesses"),
    [
        ("answered", "answered", None, {None}),
        ("refused", "failed", "refused", {None}),
        ("no route at the router", "failed", "host_unreachable", {ROUTER}),
        ("filtered by the router", "failed", "prohibited", {ROUTER}),
        ("nobody there", "failed", "host_unreachable", {ROUTER}),
        ("no route at the router, IPv6", "failed", "network_unreachable", {ROUTER_IPV6}),
        ("filtered by the router, IPv6", "failed", "prohibited", {ROUTER_IPV6}),
        ("loop", "failed", "ttl_exceeded", {ROUTER, FAR_END}),
        ("dropped by the router", "lost", None, {None}),
        ("sent again", "lost", "retransmitted", {None}),
        ("own route says unreachable", "not_sent", "host_unreachable", {None}),
        ("own route says prohibited", "not_sent", "permission", {None}),
    ],
)
def test_each_way_not_to_connect_is_told_apart(
    found: dict[str, Any], case: str, outcome: str, reason: str | None, witnesses: set[str | None]
) -> None:
    [(its_outcome, its_reason, witness)] = found[case]
    assert (its_outcome, its_reason) == (outcome, reason)
    assert witness in witnesses


@pytest.mark.root
def test_an_interface_that_goes_away_is_not_sent_by_and_serves_again_once_it_is_back(found: dict[str, Any]) -> None:
    assert found["interface goes away"] == [
        ["lost", None, None],
        ["not_sent", "interface_unavailable", None],
        ["not_sent", "network_unreachable", None],
        ["lost", None, None],
    ]


@pytest.mark.root
def test_what_finds_no_free_port_is_not_sent_and_hinders_nothing_else(found: dict[str, Any]) -> None:
    outcomes = [outcome for outcome, _, _ in found["no port left"]]
    assert outcomes == ["lost"] * 4 + ["not_sent"] * 2
    assert {reason for outcome, reason, _ in found["no port left"] if outcome == "not_sent"} == {"source_unavailable"}
