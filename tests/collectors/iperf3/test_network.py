"""A test goes over the path that it was asked for, and ends where that path goes away."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """For each case the links over which its data went, or the failure."""
    command = ["unshare", "--mount", "--net", sys.executable, "-m"]
    command += ["tests.collectors.iperf3.in_a_network"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    return told


@pytest.mark.root
@pytest.mark.parametrize(
    ("case", "links"),
    [
        ("by source, first", ["site1"]),
        ("by source, second", ["site2"]),
        ("by interface", ["site2"]),
        ("by IPv6 source", ["site2"]),
    ],
)
def test_data_goes_over_the_path_that_was_asked_for(found: dict[str, Any], case: str, links: list[str]) -> None:
    assert found[case] == links


@pytest.mark.root
def test_the_path_mtu_is_that_of_the_path_that_was_asked_for_where_this_host_sends(found: dict[str, Any]) -> None:
    assert found["path MTU, by direction and source"] == [1500, 1400, None, None]


@pytest.mark.root
def test_a_link_that_goes_down_hangs_nothing(found: dict[str, Any]) -> None:
    assert found["link goes down"] == "timed_out"
