"""What is told of a running agent: to the log, and to a manager with a watchdog."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pytest

from agent.reload import Place
from agent.report.figures import Figures
from agent.service.lookout import Lookout
from agent.sink import StreamKey
from collectors.clock import ClockState
from collectors.errors import CollectorError

S = 1_000_000_000
KEY = StreamKey(probe="stamp", kind="stamp", target="hub", path="vpn")


class Agent:
    """An engine, a reflector and a clock that are as the test says, and what their manager hears."""

    def __init__(self, *keys: StreamKey, reflects: bool = False) -> None:
        self.troubles: Mapping[StreamKey, CollectorError] = {}
        self.unused: Sequence[Place] = ()
        self.answering = True
        self.clock_kept = True
        self.now_ns = 0
        self.told: list[str] = []
        figures = Figures()
        for key in keys:
            figures.opened(key)
        self.lookout = Lookout(
            self,
            figures,
            lambda: self if reflects else None,
            clock_state=self._clock_state,
            notify=self.told.append,
            monotonic_ns=lambda: self.now_ns,
        )

    def stalled(self) -> Sequence[Place]:
        return self.unused

    def _clock_state(self) -> ClockState:
        return ClockState(synchronised=self.clock_kept, error_ns=0, max_error_ns=0)

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.now_ns += S
            await self.lookout.look()


def test_the_watchdog_is_fed_while_slots_are_used() -> None:
    agent = Agent(KEY)
    agent.lookout.feed()
    assert agent.told == ["WATCHDOG=1"]


def test_the_watchdog_is_not_fed_while_slots_go_by_and_that_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    agent = Agent(KEY)
    agent.unused = [("stamp", "hub")]
    for _ in range(3):
        agent.lookout.feed()
    assert agent.told == []
    assert caplog.messages == ["the slots of stamp to hub go by unused: the watchdog is not fed"]


def test_an_agent_that_only_reflects_lives_while_its_reflector_does_or_comes_back_soon() -> None:
    agent = Agent(reflects=True)
    agent.answering = False
    agent.now_ns = 89 * S
    agent.lookout.feed()
    assert agent.told == ["WATCHDOG=1"]
    agent.now_ns = 90 * S
    agent.lookout.feed()
    assert agent.told == ["WATCHDOG=1"]


def test_an_agent_that_probes_lives_without_its_reflector() -> None:
    agent = Agent(KEY, reflects=True)
    agent.answering = False
    agent.now_ns = 1000 * S
    agent.lookout.feed()
    assert agent.told == ["WATCHDOG=1"]


async def test_trouble_of_a_stream_is_logged_with_fields_and_shows_in_the_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent = Agent(KEY, reflects=True)
    agent.troubles = {KEY: CollectorError("path vpn: the interface is gone", reason="interface_unavailable")}
    await agent.seconds(10)
    [record] = caplog.records
    assert record.getMessage() == "stamp to hub on vpn: cannot send: path vpn: the interface is gone"
    assert record.levelno == logging.WARNING
    assert vars(record)["fields"] == {
        "probe": "stamp",
        "kind": "stamp",
        "target": "hub",
        "path": "vpn",
        "reason": "interface_unavailable",
    }
    assert agent.told == [
        "STATUS=1 stream; the reflector answers",
        "STATUS=1 stream; 1 in trouble, among them stamp to hub on vpn; the reflector answers",
    ]


async def test_a_clock_that_is_lost_and_kept_again_is_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    agent = Agent(KEY)
    await agent.seconds(5)
    agent.clock_kept = False
    await agent.seconds(60)
    agent.clock_kept = True
    await agent.seconds(5)
    assert caplog.messages == [
        "this host's clock is not kept (`timedatectl`): no one-way delays are valid",
        "this host's clock is kept again, after 60 s",
    ]


async def test_a_reflector_that_comes_back_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    agent = Agent(reflects=True)
    agent.answering = False
    await agent.seconds(5)
    agent.answering = True
    await agent.seconds(5)
    agent.answering = False
    await agent.seconds(30)
    agent.answering = True
    await agent.seconds(5)
    assert caplog.messages == ["the reflector answers again, after 30 s"]


async def test_an_agent_with_nothing_to_do_says_so() -> None:
    agent = Agent()
    await agent.seconds(2)
    assert agent.told == ["STATUS=nothing to probe and nothing to answer"]
