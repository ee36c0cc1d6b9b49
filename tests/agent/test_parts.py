"""What runs beside the probes, and what passes from one part to another."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from agent.history.opening import reading
from agent.parts import Parts, ingredients
from agent.plan import HistoryPlan, Plan, SocketAddress
from agent.throughput.measurement import measurement
from agent.throughput.trial import Outcome, Tried
from tests.agent.throughput.trials import COMPLETE, TRIAL

TRIED = Tried(trial=TRIAL, at=datetime(2026, 5, 4, 12, tzinfo=UTC), outcome=Outcome.COMPLETE, result=COMPLETE)
PLAN = Plan(agent="dc1", listen=SocketAddress(host="127.0.0.1", port=9130))


def kept(directory: Path) -> list[tuple[str, str, str, str]]:
    with reading(directory) as connection:
        rows = connection.execute("SELECT kind, target, path, data FROM measurements ORDER BY id").fetchall()
    return [(*names, json.loads(data)["outcome"]) for *names, data in rows]


async def test_a_test_of_throughput_goes_into_the_history_that_there_is_at_the_moment(tmp_path: Path) -> None:
    first, second = (replace(PLAN, history=HistoryPlan(directory=tmp_path / name)) for name in ("first", "second"))
    parts = Parts(first, CollectorRegistry())
    async with asyncio.TaskGroup() as group:
        parts.begin(group)
        await asyncio.sleep(0)
        parts.keep(measurement(TRIED, {}, []))
        await parts.become(second, ingredients(second), group)
        await asyncio.sleep(0)
        parts.keep(measurement(replace(TRIED, outcome=Outcome.FAILED), {}, []))
        parts.end()
    assert kept(tmp_path / "first") == [("throughput", "hub", "vpn", "complete")]
    assert kept(tmp_path / "second") == [("throughput", "hub", "vpn", "failed")]
