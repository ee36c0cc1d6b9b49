"""What a plan's tests move over each path in a day and a week: what is expected, what a budget lets through. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean

from agent.throughput.budget import Basis, said_octets
from agent.throughput.plan import ThroughputPlan
from agent.throughput.words import mbit
from collectors.path import NetworkPath

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The tests of one probe over one path: how often a day, and the octets that they move then, both ways together.

    ``rounds_a_day`` and ``expected_octets``, which they move at the rate of ``basis`` without a budget, are of the mean
    of days; ``octets_a_round`` are of the tests that are due together. ``most_rounds_a_day`` and ``most_octets``, which
    is within the budget, are of a day with most of them; ``most_octets_a_week`` is within each day's budget too.
    ``windows`` are there where not every day has them.
    """

    probe: str
    path: str
    rounds_a_day: float
    most_rounds_a_day: int
    tests_a_round: int
    octets_a_round: int
    expected_octets: int
    most_octets: int
    most_octets_a_week: int
    bits_per_second: int
    basis: Basis
    windows: tuple[str, ...] = ()


def transfers(plans: Iterable[ThroughputPlan]) -> Iterator[Transfer]:
    """Yield what each probe moves over each path."""
    for plan in plans:
        by_day = plan.rounds_by_day()
        for path in plan.paths:
            yield _transfer(plan, path, by_day)


def _transfer(plan: ThroughputPlan, path: NetworkPath, by_day: Sequence[int]) -> Transfer:
    a_round, table = plan.expected_a_round(path), plan.timetable
    often = fmean(by_day) if table.windows or table.every <= _DAY else _DAY / table.every
    moved = [each * a_round.octets for each in by_day]
    within = moved if plan.budget is None else [min(each, plan.budget) for each in moved]
    return Transfer(
        probe=plan.name,
        path=path.name,
        rounds_a_day=often,
        most_rounds_a_day=max(by_day),
        tests_a_round=len(plan.flows) * len(plan.targets),
        octets_a_round=a_round.octets,
        expected_octets=round(a_round.octets * often),
        most_octets=max(within),
        most_octets_a_week=max(sum(within[day : day + 7]) for day in range(0, len(within), 7)),
        bits_per_second=a_round.bits_per_second,
        basis=a_round.basis,
        windows=tuple(map(str, table.windows)) if any(not window.daily for window in table.windows) else (),
    )


def lines(plans: Sequence[ThroughputPlan]) -> Iterator[str]:
    """Say it, a line for each, and one for each path that several probes test."""
    moved = list(transfers(plans))
    yield from map(_said, moved)
    budgets = {plan.name: plan.budget for plan in plans}
    for path in dict.fromkeys(each.path for each in moved):
        of_path = [each for each in moved if each.path == path]
        if len(of_path) > 1:
            expected = sum(each.expected_octets for each in of_path)
            most = _most(of_path, [budgets[each.probe] for each in of_path])
            yield (
                f"All tests over {path} together: about {said_octets(expected)} a day on the mean, at most "
                f"{said_octets(most)}; about {said_octets(7 * expected)} a week."
            )


def _most(of_path: Sequence[Transfer], budgets: Sequence[int | None]) -> int:
    """Return what a path's tests move at most: each spends what the others leave of its budget."""
    most = sum(each.most_octets for each in of_path)
    limits = [budget for budget in budgets if budget is not None]
    return min(most, max(limits)) if len(limits) == len(budgets) else most


def _said(each: Transfer) -> str:
    unknown = " (assumed: the path has no 'rate')" if each.basis is Basis.ASSUMED else ""
    tests = "1 test" if each.tests_a_round == 1 else f"{each.tests_a_round} tests"
    a_day, a_week = said_octets(each.expected_octets), said_octets(7 * each.expected_octets)
    about = f"{a_week} a week" if each.windows or each.rounds_a_day < 1 else f"{a_day} a day and {a_week} a week"
    skipped = ", the rest is skipped" if each.most_octets < each.most_rounds_a_day * each.octets_a_round else ""
    return (
        f"Probe {each.probe} tests throughput over {each.path} {_often(each)}, {tests} each: about {about} at "
        f"{mbit(each.bits_per_second)}{unknown}, at most {said_octets(each.most_octets)} a day and "
        f"{said_octets(each.most_octets_a_week)} a week{skipped}."
    )


def _often(each: Transfer) -> str:
    if each.windows:
        when = f"{_times(7 * each.rounds_a_day)} a week ({'; '.join(each.windows)})"
        return f"{when}, at most {_times(each.most_rounds_a_day)} a day"
    if each.rounds_a_day < 1:
        return f"every {1 / each.rounds_a_day:.3g} days"
    return f"{_times(each.rounds_a_day)} a day"


def _times(count: float) -> str:
    return "once" if count == 1 else f"{round(count, 2):g} times"
