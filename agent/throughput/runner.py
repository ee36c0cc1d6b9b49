"""Runs tests while the probe streams of all paths go on, and puts together what both found; once and by a timetable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Protocol

from agent.resolve import resolve
from agent.throughput.budget import moved
from agent.throughput.host import busy_share, host_buffers, processors
from agent.throughput.load import GUARD_NS, Period
from agent.throughput.measurement import Measurement, measurement
from agent.throughput.recorder import Recorder
from agent.throughput.trial import NO_TURN, OVER_BUDGET, STOPPED, Outcome, Trial, Tried, outcome_of, period_of
from agent.throughput.turns import Turns, TurnTakenError, wait_s
from collectors.clock import Clock, SystemClock
from collectors.errors import CollectorError
from collectors.iperf3.failing import Iperf3Failure, Trouble
from collectors.iperf3.options import Iperf3Options
from collectors.iperf3.result import Iperf3Result
from collectors.path import NetworkPath

RunTest = Callable[[Iperf3Options, str, NetworkPath, asyncio.Event], Awaitable[Iperf3Result]]
"""Runs one test against a host over a path until its end, or until the event is set."""


class Purse(Protocol):
    """What has a say in whether a test may move what it will, and learns what it did."""

    async def refusal(self, trial: Trial) -> str | None:
        """Say why a test must not run; ``None``: it may, and what it can move is set aside."""

    def capped(self, trial: Trial) -> Iperf3Options:
        """Return what a test that may run is told: with a rate where it could move too much without one."""

    async def settled(self, trial: Trial, octets: int | None) -> None:
        """Learn what a test moved that was not refused; ``None``: nobody knows, at most what was set aside."""


class OpenPurse:
    """The purse of whoever is told to test now."""

    async def refusal(self, trial: Trial) -> str | None:  # noqa: ARG002  # the protocol's signature
        """Refuse nothing."""
        return None

    def capped(self, trial: Trial) -> Iperf3Options:
        """Tell no rate."""
        return trial.options

    async def settled(self, trial: Trial, octets: int | None) -> None:
        """Keep no books."""


class Listener(Protocol):
    """Learns how a round goes on, as it does."""

    def waiting(self, seconds: float, why: str) -> None:
        """Learn that nothing is sent for so long."""

    def began(self, trial: Trial) -> None:
        """Learn that a test begins."""

    def ended(self, tried: Tried) -> None:
        """Learn how it went; latency and verdict follow at the end of the round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """How long a round waits: ``idle_s`` ahead of it, for the latency without load, and ``settle_s`` after each test.

    A test's last probes are lost only when their timeout has passed.
    """

    idle_s: float = 5.0
    settle_s: float = GUARD_NS / 1e9 + 2.0


class Runner:
    """Makes rounds of tests on one path, one round at a time."""

    def __init__(
        self,
        run_test: RunTest,
        recorder: Recorder,
        turns: Turns,
        *,
        rng: Random,
        listener: Listener,
        purse: Purse | None = None,
        pauses: Pauses | None = None,
        stop: asyncio.Event | None = None,
        clock: Clock | None = None,
        resolve: Callable[[str, NetworkPath], Awaitable[str]] = resolve,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._run_test = run_test
        self._recorder = recorder
        self._turns = turns
        self._rng = rng
        self._listener = listener
        self._purse = purse or OpenPurse()
        self._pauses = pauses or Pauses()
        self._stop = stop or asyncio.Event()
        self._clock = clock or SystemClock()
        self._resolve = resolve
        self._sleep = sleep

    async def round(self, trials: Sequence[Trial]) -> list[Measurement]:
        """Make these tests of one path, one after the other, and return what each of them found.

        When the event to stop is set, the running one ends at once and the others are not begun.
        """
        try:
            async with self._turns.turn():
                return await self._in_turn(trials)
        except TurnTakenError as error:
            return [measurement(self._skipped(trial, NO_TURN, str(error)), {}, ()) for trial in trials]

    async def _in_turn(self, trials: Sequence[Trial]) -> list[Measurement]:
        tried: list[Tried] = []
        recording = False
        for trial in trials:
            refused = await self._refused(trial)
            if refused is None and not recording:
                recording = True
                self._recorder.start(trial.target.name)
                await self._pause_before(trial, self._pauses.idle_s, "latency without load")
            tried.append(refused or await self._try(replace(trial, options=self._purse.capped(trial))))
            self._listener.ended(tried[-1])
            if tried[-1].period is not None:
                await self._pause(self._pauses.settle_s, "queues to drain")
        recorded = self._recorder.stop()
        periods = [each.period for each in tried if each.period is not None]
        # In a thread: four tests beside 60,000 samples take half a second, in which the loop would send nothing.
        return await asyncio.to_thread(lambda: [measurement(each, recorded, periods) for each in tried])

    async def _refused(self, trial: Trial) -> Tried | None:
        if self._stop.is_set():
            return self._skipped(trial, STOPPED, "the run was stopped before it")
        why = await self._purse.refusal(trial)
        return None if why is None else self._skipped(trial, OVER_BUDGET, why)

    async def _try(self, trial: Trial) -> Tried:
        """Run a test, again where the server is busy, and settle what it moved."""
        if self._stop.is_set():
            await self._purse.settled(trial, 0)
            return self._skipped(trial, STOPPED, "the run was stopped before it")
        self._listener.began(trial)
        at = self._now()
        attempt = 0
        while True:
            before = processors()
            self._recorder.part(self._clock.wall_ns())
            result, period = await self._once(trial)
            self._recorder.part(self._clock.wall_ns())
            delay_s = wait_s(attempt, self._rng) if _is_busy(result) and not self._stop.is_set() else None
            if delay_s is None:
                break
            await self._pause_before(trial, delay_s, "the server, which runs another test")
            attempt += 1
        busy, octets = busy_share(before, processors()), moved(result, trial.options)
        await self._purse.settled(trial, octets)
        return replace(_tried(trial, at, result, period, octets), host_busy=busy, host_buffers=host_buffers())

    async def _once(self, trial: Trial) -> tuple[Iperf3Result, Period]:
        """Run a test; cancelled, end it and settle what it moved by then, which takes 0.1 s."""
        running = asyncio.create_task(self._resolved_and_run(trial))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop.set()
            result, _ = await running
            await self._purse.settled(trial, moved(result, trial.options))
            raise

    async def _resolved_and_run(self, trial: Trial) -> tuple[Iperf3Result, Period]:
        """Run a test, and return also when: looking up a name takes its time, and loads nothing."""
        try:
            host = await self._resolve(trial.target.host_on(trial.path), trial.path)
        except CollectorError as error:
            start_ns = self._clock.wall_ns()
            result = Iperf3Result(trouble=Trouble(failure=Iperf3Failure.UNREACHABLE, message=str(error)))
        else:
            start_ns = self._clock.wall_ns()
            result = await self._run_test(trial.options, host, trial.path, self._stop)
        return result, period_of(trial, result, start_ns, self._clock.wall_ns())

    def _skipped(self, trial: Trial, reason: str, message: str) -> Tried:
        return Tried(trial=trial, at=self._now(), outcome=Outcome.SKIPPED, reason=reason, message=message)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC)

    async def _pause_before(self, trial: Trial, seconds: float, why: str) -> None:
        """Wait ahead of a test that may run; cancelled, settle that it moved nothing."""
        try:
            await self._pause(seconds, why)
        except asyncio.CancelledError:
            await self._purse.settled(trial, 0)
            raise

    async def _pause(self, seconds: float, why: str) -> None:
        """Wait, but not beyond being told to stop."""
        self._listener.waiting(seconds, why)
        waiting = [asyncio.ensure_future(self._sleep(seconds)), asyncio.create_task(self._stop.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()


def _is_busy(result: Iperf3Result) -> bool:
    return result.trouble is not None and result.trouble.failure is Iperf3Failure.BUSY


def _tried(trial: Trial, at: datetime, result: Iperf3Result, period: Period, octets: int | None) -> Tried:
    """Say how a test went; what moved nothing loaded nothing."""
    trouble = result.trouble
    return Tried(
        trial=trial,
        at=at,
        outcome=outcome_of(result),
        reason="" if trouble is None else trouble.failure,
        message="" if trouble is None else trouble.message,
        result=result,
        period=period if octets else None,
        moved_octets=octets,
    )
