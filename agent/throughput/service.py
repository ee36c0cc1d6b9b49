"""Tests of throughput as the configuration plans them: waits for the time, has the tests run, counts and logs them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random

from agent.throughput.books import Books
from agent.throughput.counts import ThroughputCounts
from agent.throughput.gateways import NamedRate
from agent.throughput.measurement import Measurement
from agent.throughput.plan import IDLE_S, SETTLE_S, ThroughputPlan
from agent.throughput.recorder import Recorder
from agent.throughput.runner import Pauses, Runner, RunTest
from agent.throughput.text import LIMITS
from agent.throughput.trial import Outcome, Trial, Tried
from agent.throughput.turns import Turns
from collectors.clock import Clock
from collectors.iperf3.failing import Iperf3Error, Trouble
from collectors.iperf3.options import Iperf3Options
from collectors.iperf3.program import find_program
from collectors.iperf3.result import Iperf3Result
from collectors.iperf3.run import run_test
from collectors.path import NetworkPath

_log = logging.getLogger(__name__)

_AT_MOST_S = 60.0
"""How long is slept at once: a loop's clock stands while the host is suspended, and the wall's may be stepped."""


async def installed_test(options: Iperf3Options, host: str, path: NetworkPath, stop: asyncio.Event) -> Iperf3Result:
    """Run a test by the iperf3 that is installed now: one that is installed later needs no restart."""
    try:
        program = await find_program()
    except Iperf3Error as error:
        return Iperf3Result(trouble=Trouble(failure=error.failure, message=str(error)))
    return await run_test(options, host, path, program=program, stop=stop)


class Throughput:
    """All planned tests of an agent, one at a time; ``recorder`` belongs among the engine's sinks.

    ``settle_s`` is how long after a test the last probes under its load are settled; ``keep`` is told every result.
    """

    def __init__(
        self,
        plans: Sequence[ThroughputPlan],
        gateways: Mapping[str, tuple[NamedRate, ...]],
        agent: str,
        books: Books,
        *,
        settle_s: float = SETTLE_S,
        keep: Callable[[Measurement], None] = lambda _: None,
        run_test: RunTest = installed_test,
        turns: Turns | None = None,
        clock: Clock | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.plans = plans
        self.books = books
        self.counts = ThroughputCounts(plans)
        self.recorder = Recorder()
        self._gateways = gateways
        self._agent = agent
        self._keep = keep
        self._now = now
        self._sleep = sleep
        rng = Random()
        self._runner = Runner(
            run_test,
            self.recorder,
            turns or Turns(rng, sleep=sleep),
            rng=rng,
            listener=_Quiet(),
            purse=books,
            pauses=Pauses(idle_s=IDLE_S, settle_s=settle_s),
            clock=clock,
            sleep=sleep,
        )

    async def run(self) -> None:
        """Test as planned until cancelled; the running test ends then, and what it moved is booked."""
        self.books.warn()
        await _say_whether_it_is_installed()
        async with asyncio.TaskGroup() as group:
            for plan in self.plans:
                group.create_task(self._keep_testing(plan))

    async def _keep_testing(self, plan: ThroughputPlan) -> None:
        while True:
            due = plan.timetable.next_due(self._now(), f"{self._agent} {plan.name}")
            self.counts.due[plan.name] = due
            while (remaining_s := (due - self._now()).total_seconds()) > 0:
                await self._sleep(min(remaining_s, _AT_MOST_S))
            if -remaining_s > _AT_MOST_S:
                _log.warning("%s: tests were due at %s, which the host slept through: not made up for", plan.name, due)
                continue
            await self._test_all(plan)

    async def _test_all(self, plan: ThroughputPlan) -> None:
        for target, path in plan.rounds():
            for found in await self._runner.round(plan.trials(target, path, self._gateways.get(path.name, ()))):
                self.counts.take(found)
                self._keep(found)
                _log_test(found)


async def _say_whether_it_is_installed() -> None:
    try:
        await find_program()
    except Iperf3Error as error:
        _log.error("throughput cannot be tested: %s", error)


def _log_test(found: Measurement) -> None:
    tried, trial = found.tried, found.tried.trial
    name = f"{trial.probe} to {trial.target.name} on {trial.path.name}, {trial.stage.name}"
    if tried.outcome is not Outcome.COMPLETE:
        _log.warning("%s: %s (%s): %s", name, tried.outcome, tried.reason, tried.message)
    for direction, verdict in found.verdicts.items():
        rate = verdict.evidence[0]
        _log.info("%s, %s: %s, limited by %s: %s", name, direction, rate, LIMITS[verdict.limit], verdict.because)


class _Quiet:
    """Says nothing while a round goes on: the log has its end."""

    def waiting(self, seconds: float, why: str) -> None:
        """Say nothing."""

    def began(self, trial: Trial) -> None:
        """Say nothing."""

    def ended(self, tried: Tried) -> None:
        """Say nothing."""
