"""What the service has kept beside samples, from its parts to what is exported."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from agent.cli import main
from agent.history.judged import JudgedBlock
from agent.plan import HistoryPlan, Plan, SocketAddress
from agent.service.parts import Parts
from agent.throughput.load import Load, Period
from agent.throughput.measurement import Measurement, measurement
from agent.throughput.report import report_of
from agent.throughput.trial import Tried, outcome_of
from collectors.iperf3.failing import Iperf3Failure
from collectors.iperf3.result import Iperf3Result
from tests.agent.throughput.trials import COMPLETE, TRIAL, troubled

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
PERIOD = Period(path="vpn", load=Load.UP, start_ns=0, end_ns=10_000_000_000)
BLOCK = JudgedBlock(
    probe="stamp", target="hub", baseline="vpn", candidate="lte", block_ns=600, differences={"rtt_p99": 1500.0}
)


def measured(result: Iperf3Result) -> Measurement:
    reason = "" if result.trouble is None else result.trouble.failure
    tried = Tried(trial=TRIAL, at=AT, outcome=outcome_of(result), reason=reason, result=result, period=PERIOD)
    return measurement(tried, {}, [PERIOD])


MEASURED = [measured(COMPLETE), measured(troubled(Iperf3Failure.REFUSED))]


async def test_tests_of_throughput_and_judged_blocks_are_kept_by_the_service_and_exported(tmp_path: Path) -> None:
    plan = Plan(
        agent="dc1",
        listen=SocketAddress(host="127.0.0.1", port=9469),
        history=HistoryPlan(directory=tmp_path),
    )
    parts = Parts(plan, CollectorRegistry())
    async with asyncio.TaskGroup() as group:
        parts.begin(group)
        await asyncio.sleep(0)
        for test in MEASURED:
            parts.keep(test)
        parts.keep(BLOCK)
        parts.end()

    def exported(what: str, form: str) -> list[str]:
        result = CliRunner().invoke(main, ["export", "--history", str(tmp_path), "--what", what, "--format", form])
        return result.stdout.splitlines()

    tests = [json.loads(line) for line in exported("throughput", "jsonl")]
    assert [{**test, "at_ns": 0} for test in tests] == [
        {"at_ns": 0, **json.loads(json.dumps(report_of(test)))} for test in MEASURED
    ]
    rows = list(csv.DictReader(exported("throughput", "csv")))
    assert [(row["outcome"], row["bits_per_second"] != "", row["limited_by"] != "") for row in rows] == [
        ("complete", True, True),
        ("failed", False, False),
    ]
    [block] = [json.loads(line) for line in exported("comparisons", "jsonl")]
    assert {**block, "at_ns": 0} == {"at_ns": 0, "target": "hub", "candidate": "lte", **BLOCK.data}
