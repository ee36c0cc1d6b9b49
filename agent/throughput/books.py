"""The purse of the service: sets aside what a test can move, books what it did, and keeps that across restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from agent.throughput.budget import Allowance, Booking, Expected, allowance, bounded, expected, rate_of
from agent.throughput.host import interface_rate
from agent.throughput.ledger_file import LedgerFile
from agent.throughput.plan import ThroughputPlan
from agent.throughput.trial import Trial
from collectors.iperf3.options import Iperf3Options
from collectors.path import NetworkPath


def _now() -> datetime:
    return datetime.now(UTC)


class Books:
    """Knows what every path has left today. One test runs at a time, so one amount is set aside at a time.

    What is set aside is on disk before the test begins: whatever ends the agent, it counts as moved. The test is told
    a rate at which it cannot move more than that.
    """

    def __init__(
        self,
        plans: Iterable[ThroughputPlan],
        file: LedgerFile,
        *,
        now: Callable[[], datetime] = _now,
        interface_rate: Callable[[NetworkPath], int | None] = interface_rate,
    ) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self._file = file
        self._now = now
        self._interface_rate = interface_rate
        self._fastest: dict[str, float] = {}
        self._set_aside: Booking | None = None
        self._bounded: Iperf3Options | None = None

    def warn(self) -> None:
        """Say it where there are budgets that a restart would begin anew."""
        if any(plan.budget is not None for plan in self._plans.values()):
            self._file.warn()

    def allowance(self, plan: ThroughputPlan, path: NetworkPath) -> Allowance:
        """Return what a path has left today of a probe's budget, which the tests of all probes spend."""
        return allowance(self._file.ledger, path.name, plan.budget, self._now(), plan.timetable.zone)

    async def refusal(self, trial: Trial) -> str | None:
        """Say why a test must not run; ``None``: it may, and what it can move is set aside."""
        test = self._expected(trial)
        allowed = self.allowance(self._plans[trial.probe], trial.path)
        why = allowed.refusal(test)
        if why is None:
            self._bounded, octets = trial.options, test.octets
            if allowed.left is not None:
                interface = self._interface_rate(trial.path)
                self._bounded, octets = bounded(trial.options, test, allowed.left, interface=interface)
            self._set_aside = Booking(path=trial.path.name, at=self._now(), octets=octets)
            self._file.ledger.book(self._set_aside)
            try:
                await self._save()
            except asyncio.CancelledError:
                await self.settled(trial, 0)
                raise
        return why

    def capped(self, trial: Trial) -> Iperf3Options:
        """Return what a test that may run is told, so that it cannot move more than is set aside."""
        return self._bounded or trial.options

    async def settled(self, trial: Trial, octets: int | None) -> None:
        """Book what a test moved in the place of what was set aside for it, which stays where nobody knows."""
        assert self._set_aside is not None, "every test was asked for first"
        reserved, self._set_aside = self._set_aside, None
        if octets is None:
            return
        self._file.ledger.correct(reserved, octets)
        rate = rate_of(octets, trial.options)
        self._fastest[trial.path.name] = max(rate, self._fastest.get(trial.path.name, 0.0))
        await self._save()

    def _expected(self, trial: Trial) -> Expected:
        return expected(
            trial.options,
            purchased=trial.path.rate,
            measured=self._fastest.get(trial.path.name) or None,
            interface=self._interface_rate(trial.path),
        )

    async def _save(self) -> None:
        """Write in a thread: a disk may take its time, and packets are due meanwhile."""
        await asyncio.to_thread(self._file.save)
