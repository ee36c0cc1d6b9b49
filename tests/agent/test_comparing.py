"""The continuous comparison over restarts: what one run judged, the next one goes on from."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agent.compare.margins import Verdict
from agent.comparing import Comparisons
from agent.history.files import FILE
from agent.history.judged import JudgedBlock, judged_blocks
from agent.history.sink import COMPARISON
from agent.history.store import Store, connect
from agent.plan import ComparisonPlan, HistoryPlan, Plan, SocketAddress
from agent.service.parts import Parts, ingredients
from tests.agent.compare.test_continuous import PER_BLOCK, sample
from tests.agent.metrics.test_comparison import PLAN as COMPARISON_PLAN
from tests.agent.metrics.test_comparison import PROBE, key, value
from tests.agent.reflector.test_process import until

COMPARED = ("icmp", "hub", "vpn", "expressroute")
BLOCK_NS = 600_000_000_000
WORSE = {"rtt_p99": 9e6, "rtt_p99_p50": 9e6, "loss": 0.0}


def block(*, baseline: str = "vpn", block_ns: int = BLOCK_NS) -> JudgedBlock:
    return JudgedBlock(
        probe="icmp",
        target="hub",
        baseline=baseline,
        candidate="expressroute",
        block_ns=block_ns,
        differences=WORSE,
    )


def keep(directory: Path, *blocks: JudgedBlock, age_ns: int = BLOCK_NS) -> None:
    with closing(Store(connect(directory))) as store:
        for one in blocks:
            store.measured(time.time_ns() - age_ns, COMPARISON, one.target, one.candidate, one.data)


def comparisons(plan: ComparisonPlan = COMPARISON_PLAN) -> Comparisons:
    return Comparisons([plan], [PROBE])


async def test_a_verdict_goes_on_from_the_history(tmp_path: Path) -> None:
    keep(tmp_path, *[block()] * 30)
    found = comparisons()
    await found.go_on_from(tmp_path)
    assert found.running[COMPARED].verdict is Verdict.WORSE
    assert found.running["icmp", "spoke", "vpn", "expressroute"].verdict is Verdict.INSUFFICIENT


@pytest.mark.parametrize(
    ("other", "age_ns"),
    [(block(baseline="internet"), BLOCK_NS), (block(block_ns=1), BLOCK_NS), (block(), 145 * BLOCK_NS)],
    ids=["other paths", "blocks of another length", "longer ago than a day"],
)
async def test_what_is_not_of_this_comparison_and_day_counts_for_nothing(
    tmp_path: Path, other: JudgedBlock, age_ns: int
) -> None:
    keep(tmp_path, *[other] * 30, age_ns=age_ns)
    found = comparisons()
    await found.go_on_from(tmp_path)
    assert found.running[COMPARED].differences == {}


async def test_without_a_history_a_comparison_begins_anew_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await comparisons().go_on_from(tmp_path)
    assert caplog.records == []


async def test_a_damaged_history_is_told_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    found = comparisons()
    with caplog.at_level(logging.WARNING):
        await found.go_on_from(tmp_path)
    assert found.running[COMPARED].verdict is Verdict.INSUFFICIENT
    assert "comparisons begin anew, without the history" in caplog.text


def test_a_block_that_nobody_can_read_is_left_out(tmp_path: Path) -> None:
    keep(tmp_path, block())
    with closing(Store(connect(tmp_path))) as store:
        store.measured(time.time_ns(), COMPARISON, "hub", "expressroute", {"probe": "icmp"})
    assert judged_blocks(tmp_path, since_ns=0, until_ns=time.time_ns()) == [block()]


async def test_an_agent_that_is_started_again_goes_on_from_what_it_had_judged(tmp_path: Path) -> None:
    plan = Plan(
        agent="a",
        listen=SocketAddress(host="127.0.0.1", port=9469),
        probes=(PROBE,),
        comparisons=(COMPARISON_PLAN,),
        history=HistoryPlan(directory=tmp_path),
    )
    first = Parts(plan, CollectorRegistry())
    async with asyncio.TaskGroup() as group:
        first.begin(group)
        await asyncio.sleep(0)
        for path in (0, 1):
            [taker] = [sink.opened(key(("vpn", "expressroute")[path])) for sink in first.sinks[:1]]
            taker([sample(slot, 5.0 + 3 * path) for slot in range(3 * PER_BLOCK + 10)])
        first.end()
    registry = CollectorRegistry()
    second = Parts(plan, registry)
    async with asyncio.TaskGroup() as group:
        second.begin(group)
        await until(lambda: value(registry, "blocks") == 3)
        assert value(registry, "difference_seconds", figure="rtt_p99") == pytest.approx(0.003, rel=0.01)
        # So does a comparison that a reload makes anew.
        without = replace(plan, comparisons=())
        await second.become(without, ingredients(without), group)
        await second.become(plan, ingredients(plan), group)
        await until(lambda: value(registry, "blocks") == 3)
        second.end()
