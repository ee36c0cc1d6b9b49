"""``eragent probe`` in the lab finds what the lab's links do: delays, losses by direction, path MTU, hops."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agent.lab.lab import Lab
from agent.lab.scenario import parse_scenario
from agent.lab.topology import AZURE_ADDRESS, SITE_ADDRESS, SITE_VPN_ADDRESS

pytestmark = pytest.mark.root

ERAGENT = (sys.executable, "-m", "agent")
MS = 1_000_000
LOSSY = """
links:
  er-primary: {delay: 1ms, loss: 20%, from_azure: {loss: 0%}}
  er-secondary: {delay: 1ms}
  internet: {delay: 2ms, from_azure: {loss: 20%}}
"""


UNTIL_END_OF_INPUT = ("sh", "-c", '"$@" & cat; kill $!; wait', "sh")  # signals to nsenter do not reach the program


@contextmanager
def reflecting(lab: Lab) -> Iterator[None]:
    arguments = (*ERAGENT, "reflect", "--listen", f"{AZURE_ADDRESS}:862", "--allow", "10.20.0.0/16")
    command = lab.command("azure", (*UNTIL_END_OF_INPUT, *arguments))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Answering" in process.stderr.readline()
        yield
        process.communicate(timeout=10)


def stream(lab: Lab, *arguments: str) -> dict[str, Any]:
    command = lab.command("onprem", [*ERAGENT, "probe", "--target", AZURE_ADDRESS, "--json", *arguments])
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    [report] = json.loads(found.stdout)["streams"]
    assert isinstance(report, dict)
    return report


def stamp(lab: Lab, source: str, *arguments: str) -> dict[str, Any]:
    return stream(lab, "--type", "stamp", "--source", source, "--timeout", "500ms", *arguments)


@pytest.mark.parametrize(("source", "least_ms"), [(SITE_ADDRESS, 4), (SITE_VPN_ADDRESS, 8)])
@pytest.mark.parametrize("kind", ["icmp", "stamp"])
def test_each_path_shows_its_own_delay_from_the_kernels_stamps(lab: Lab, kind: str, source: str, least_ms: int) -> None:
    with reflecting(lab):
        found = stream(lab, "--type", kind, "--source", source, "--count", "20", "--interval", "20ms")
    assert (found["received"], found["timestamps"]) == (20, "kernel")
    assert least_ms * MS <= found["rtt_ns"]["p50"] < (least_ms + 3) * MS


@pytest.mark.parametrize("pinning", [("--fwmark", "201"), ("--interface", "eth1")])
def test_a_mark_and_an_interface_lead_over_the_vpn_too(lab: Lab, pinning: tuple[str, ...]) -> None:
    found = stream(lab, *pinning, "--count", "5", "--interval", "20ms")
    assert (found["received"], found["rtt_ns"]["min"] >= 8 * MS) == (5, True)


def test_losses_are_told_by_direction() -> None:
    with Lab(parse_scenario(LOSSY, "lossy")) as lab, reflecting(lab):
        there = stamp(lab, SITE_ADDRESS, "--count", "300", "--interval", "4ms")
        back = stamp(lab, SITE_VPN_ADDRESS, "--count", "300", "--interval", "4ms")
    # 60 losses are expected of 300, give or take 7; up to a dozen at the ends may have no answer beyond them.
    assert 25 <= there["lost_forward"] <= there["lost"] <= 110
    assert there["lost_backward"] == 0
    assert 25 <= back["lost_backward"] <= back["lost"] <= 110
    assert back["lost_forward"] == 0
    assert there["sent"] == there["received"] + there["lost"]


def test_what_the_tunnel_cannot_carry_whole_is_not_sent_once_the_kernel_knows(lab: Lab) -> None:
    subprocess.run(lab.command("onprem", ["ip", "route", "flush", "cache"]), check=True)  # forget the path's MTU
    with reflecting(lab):
        arguments = ("--size", "1450", "--count", "5", "--interval", "50ms")
        whole = stamp(lab, SITE_VPN_ADDRESS, *arguments, "--dont-fragment")
        in_fragments = stamp(lab, SITE_VPN_ADDRESS, *arguments)
    assert (whole["received"], whole["lost"]) == (0, 0)
    assert (whole["failed_reasons"], whole["not_sent_reasons"]) == ({"message_too_long": 1}, {"message_too_long": 4})
    [error] = whole["icmp_errors"]
    assert (error["reason"], error["from"], error["count"]) == ("message_too_long", "10.20.1.1", 1)
    assert 1300 < error["mtu"] < 1450
    assert in_fragments["received"] == 5


def test_the_same_size_fits_over_expressroute(lab: Lab) -> None:
    with reflecting(lab):
        found = stamp(lab, SITE_ADDRESS, "--size", "1450", "--dont-fragment", "--count", "5", "--interval", "20ms")
    assert found["received"] == 5
