"""Reloads and what they come to, for those who asked and for the counts."""

from __future__ import annotations

import asyncio

from agent.config.apart import ReadingError
from agent.plan import Plan, SocketAddress
from agent.reload import Refusal, RefusedReloadError
from agent.service.reloading import Loaded, Outcome, ReloadCounts, Reloading

PLAN = Plan(agent="site", listen=SocketAddress(host="127.0.0.1", port=9469))


async def unwanted(_: Loaded) -> str:
    raise AssertionError("nothing was read that could be applied")


async def test_a_configuration_that_nobody_can_read_changes_nothing_and_says_what_to_do() -> None:
    def load() -> Plan:
        raise ReadingError("eragent 2 is installed, and this is 1 still: restart the agent")

    counts, told = ReloadCounts(), list[Outcome | None]()
    async with asyncio.TaskGroup() as group:
        reloading = Reloading(load, lambda: PLAN, unwanted, counts=counts, told=told.append, group=group)
        outcome = await reloading.ask()
    assert isinstance(outcome, RefusedReloadError)
    assert (outcome.reason, outcome.lines) == (
        Refusal.RESTART,
        ("eragent 2 is installed, and this is 1 still: restart the agent",),
    )
    assert told == [None, outcome]
    assert not counts.successful
    assert counts.refused == {Refusal.RESTART: 1}
