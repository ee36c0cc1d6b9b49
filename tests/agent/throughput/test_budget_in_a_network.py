"""Budgets with the real iperf3: what it moved is booked, on disk, and the test that would be too much is skipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ONE_TEST = 50_000_000 // 8


@pytest.mark.root
def test_the_test_that_would_break_the_budget_is_skipped_also_after_a_restart(tmp_path: Path) -> None:
    command = ["unshare", "--net", sys.executable, "-m", "tests.agent.throughput.in_a_network", str(tmp_path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)
    (complete, _, moved), skipped = found["outcomes"]
    assert complete == "complete"
    assert 0.3 * ONE_TEST < moved < 1.2 * ONE_TEST  # with headers, and on a busy host less than it was told
    assert skipped == ["skipped", "budget", 0]
    assert found["left_after_a_restart"] == 10 * ONE_TEST - moved


@pytest.mark.root
def test_what_is_booked_for_an_agent_that_was_killed_is_no_less_than_went_over_a_path_faster_than_thought(
    tmp_path: Path,
) -> None:
    command = ["unshare", "--net", sys.executable, "-m", "tests.agent.throughput.killed_in_a_network", str(tmp_path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert found["expected"] < found["went_over_it"] <= found["booked"]
