"""``eragent throughput`` against a real iperf3 server, in network namespaces that the test made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agent.throughput.network import FAR, Network, routed

ERAGENT = (sys.executable, "-m", "agent", "throughput")
QUICK = ("--target", FAR, "--duration", "1s", "--idle", "1s")


def run(*arguments: str, within: Network | None = None) -> subprocess.CompletedProcess[str]:
    command = [*ERAGENT, *arguments]
    command = command if within is None else within.inside("site", *command)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with routed(shaped="200mbit") as made, made.server():
        yield made


def reported(found: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    assert report["schema"] == "eragent.throughput/1"
    tests: list[dict[str, Any]] = report["tests"]
    return tests


@pytest.mark.root
def test_a_shaper_is_found_by_the_queue_before_it(network: Network) -> None:
    [test] = reported(run(*QUICK, "--congestion", "cubic", "--rate", "200Mbit", "--json", within=network))
    [up] = test["directions"]
    assert 170e6 < up["bits_per_second"] < 200e6
    assert up["limited_by"]["limit"] == "shaper"
    assert "path with 200 Mbit/s" in up["limited_by"]["because"]
    [latency] = test["latency"]
    assert latency["loaded"]["p50_ns"] > latency["idle"]["p50_ns"] + 10_000_000


@pytest.mark.root
def test_nobody_listening_is_exit_code_3_and_says_what_to_start(network: Network) -> None:
    found = run(*QUICK, "--port", "5999", within=network)
    assert found.returncode == 3
    assert "iperf3 -s" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stages", "--streams", "4"), "leave out --streams"),
        (("--duration", "1500ms"), "whole number of seconds"),
        (("--udp", "10Mbit", "--window", "64KiB"), "TCP's"),
        (("--path", "vpn"), "add --config FILE"),
        (("--gateway", "VpnGw2"), "two generations"),
    ],
)
def test_options_that_contradict_each_other_say_so(arguments: tuple[str, ...], message: str) -> None:
    found = run("--target", "127.0.0.1", *arguments)
    assert found.returncode == 2
    assert message in found.stderr
