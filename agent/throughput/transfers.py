"""What a plan's tests move over each path in a day: what is expected, and what a budget lets through. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.throughput.budget import Basis, said_octets
from agent.throughput.plan import ThroughputPlan
from agent.throughput.words import mbit


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The tests of one probe over one path: how often a day, and the octets that they move then, both ways together.

    ``expected_octets`` is what they move on the mean of days, without a budget, at the rate of ``basis``;
    ``most_octets`` is what they move on a day with most of them, within the budget.
    """

    probe: str
    path: str
    rounds_a_day: float
    tests_a_round: int
    expected_octets: int
    most_octets: int
    bits_per_second: int
    basis: Basis


def transfers(plans: Iterable[ThroughputPlan]) -> Iterator[Transfer]:
    """Yield what each probe moves over each path."""
    for plan in plans:
        for path in plan.paths:
            a_round, often = plan.expected_a_round(path), plan.rounds_a_day()
            most = a_round.octets * math.ceil(often)
            yield Transfer(
                probe=plan.name,
                path=path.name,
                rounds_a_day=often,
                tests_a_round=len(plan.flows) * len(plan.targets),
                expected_octets=round(a_round.octets * often),
                most_octets=most if plan.budget is None else min(most, plan.budget),
                bits_per_second=a_round.bits_per_second,
                basis=a_round.basis,
            )


def lines(plans: Sequence[ThroughputPlan]) -> Iterator[str]:
    """Say it, a line for each, and one for each path that several probes test."""
    moved = list(transfers(plans))
    yield from _each(moved)
    budgets = {plan.name: plan.budget for plan in plans}
    for path in dict.fromkeys(each.path for each in moved):
        of_path = [each for each in moved if each.path == path]
        if len(of_path) > 1:
            about = said_octets(sum(each.expected_octets for each in of_path))
            most = said_octets(_most(of_path, [budgets[each.probe] for each in of_path]))
            yield f"All tests over {path} together: about {about} a day, at most {most}."


def _most(of_path: Sequence[Transfer], budgets: Sequence[int | None]) -> int:
    """Return what a path's tests move at most: each spends what the others leave of its budget."""
    most = sum(each.most_octets for each in of_path)
    limits = [budget for budget in budgets if budget is not None]
    return min(most, max(limits)) if len(limits) == len(budgets) else most


def _each(moved: Iterable[Transfer]) -> Iterator[str]:
    for each in moved:
        unknown = " (assumed: the path has no 'rate')" if each.basis is Basis.ASSUMED else ""
        skipped = ", the rest is skipped" if each.most_octets < each.expected_octets else ""
        often, tests = _often(each.rounds_a_day), _tests(each.tests_a_round)
        about, rate = said_octets(each.expected_octets), mbit(each.bits_per_second)
        yield (
            f"Probe {each.probe} tests throughput over {each.path} {often}, {tests} each: about {about} a day at "
            f"{rate}{unknown}, at most {said_octets(each.most_octets)}{skipped}."
        )


def _often(rounds_a_day: float) -> str:
    if rounds_a_day < 1:
        return f"every {1 / rounds_a_day:.3g} days"
    return "once a day" if rounds_a_day == 1 else f"{rounds_a_day:g} times a day"


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"
