from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.peers.eragent import ICMP, PYTHON_LOOP, STAMP
from benchmarks.peers.ping import PING
from benchmarks.peers.results import AccuracyRun, Cost, CostRun, Lateness
from benchmarks.peers.stages import measure_accuracy, measure_cost, measure_loss, median_cost, merged, missing
from benchmarks.peers.tool import Tool

ABSENT = replace(PING, program="/nonexistent/ping")
REASON = "not installed: apt install iputils-ping"


def test_a_tool_that_is_not_there_is_named_with_its_remedy_and_not_started() -> None:
    assert missing(ABSENT) == REASON
    found = measure_accuracy(ABSENT, busy=False, interval_s=0.01, seconds=1)
    assert found == AccuracyRun(tool="ping", busy=False, found=None, not_run=REASON)
    assert measure_cost([ABSENT], seconds=1, turns=2) == [CostRun(tool="ping", found=None, not_run=REASON)]


def test_of_several_turns_the_medians_are_kept_and_the_largest_of_all() -> None:
    turns = [Lateness(p50=50, p99=p99, max=10 * p99, slots_missed=1) for p99 in (100, 9_000, 110)]
    assert merged(turns) == Lateness(p50=50, p99=110, max=90_000, slots_missed=3)


def test_of_the_turns_of_a_cost_the_median_is_kept_and_between_what_it_was() -> None:
    turns = [Cost(cpu=cpu, sent_share=share) for cpu, share in ((90_000, 1.0), (60_000, 0.9), (200_000, 0.8))]
    assert median_cost(turns) == Cost(cpu=90_000, cpu_least=60_000, cpu_most=200_000, sent_share=0.9)


@pytest.mark.root
def test_the_bare_loop_gets_an_answer_to_what_it_sends() -> None:
    (run,) = measure_cost([PYTHON_LOOP], seconds=0.2, turns=1)
    assert run.not_run is None
    assert run.found is not None
    assert run.found.cpu > 0
    assert run.found.sent_share > 0.5


@pytest.mark.root
@pytest.mark.parametrize("tool", [ICMP, STAMP], ids=lambda tool: tool.name)
def test_five_thousand_packets_a_second_go_through_the_router_from_five_addresses(tool: Tool) -> None:
    run = measure_loss(tool, packets_per_second=5000, seconds=0.2)
    assert run.not_run is None
    assert run.found is not None
    assert run.found.lost == 0
    assert 0 < run.found.sent <= 1000
