"""What a probe of kind ``iperf3`` is to do: which tests, when, and how much they may move. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from agent.throughput.budget import Expected, expected
from agent.throughput.gateways import NamedRate
from agent.throughput.stages import stages
from agent.throughput.timetable import Timetable
from agent.throughput.trial import Trial, rates_of
from collectors.iperf3.options import Iperf3Options
from collectors.path import NetworkPath, Target

IDLE_S, SETTLE_S = 5.0, 3.0
"""How long latency is measured without load ahead of a path's tests, and how long queues drain after each test."""

_SOME_MONDAY, _WEEKS = date(2026, 1, 5), 8  # no clocks change in the weeks from it


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputPlan:
    """Tests of all targets over all paths, one after the other, as often as the timetable says.

    ``flows``: of each test of a path and target; more than one are stages. ``budget`` is what all tests together may
    move over a path in a local day of the timetable's zone, octets; ``None`` is no limit.
    """

    name: str
    options: Iperf3Options
    flows: tuple[int, ...]
    timetable: Timetable
    targets: tuple[Target, ...]
    paths: tuple[NetworkPath, ...]
    budget: int | None = None

    def trials(self, target: Target, path: NetworkPath, gateway: Iterable[NamedRate] = ()) -> tuple[Trial, ...]:
        """Return the tests of a target over a path in their order."""
        return tuple(
            Trial(
                probe=self.name,
                target=target,
                path=path,
                stage=stage,
                options=replace(self.options, streams=stage.streams),
                rates=rates_of(path, gateway),
            )
            for stage in stages(self.flows)
        )

    def rounds(self) -> Iterator[tuple[Target, NetworkPath]]:
        """Yield what is tested when tests are due, in order."""
        for target in self.targets:
            for path in self.paths:
                yield target, path

    def expected_a_round(self, path: NetworkPath) -> Expected:
        """Return what the tests of all targets over a path are taken to move each time."""
        one = expected(self.options, purchased=path.rate)
        return replace(one, octets=one.octets * len(self.flows) * len(self.targets))

    def rounds_by_day(self) -> tuple[int, ...]:
        """Return how often tests are due on each local day of whole weeks from a Monday on, without jitter.

        It is one week, or where tests are due less than once a day as many as show their rhythm.
        """
        table = replace(self.timetable, jitter=timedelta())
        monday = datetime.combine(_SOME_MONDAY, time.min, table.zone)
        days = 7 if table.every <= timedelta(days=1) else 7 * _WEEKS
        end = datetime.combine(_SOME_MONDAY + timedelta(days=days), time.min, table.zone)
        counts = Counter(due.astimezone(table.zone).date() for due in table.due_within(monday, end))
        return tuple(counts[_SOME_MONDAY + timedelta(days=day)] for day in range(days))


def settling_s(timeouts_ns: Iterable[int]) -> float:
    """Return how long after a test the last probes under its load are settled: when their timeout has passed."""
    return max(SETTLE_S, 1.0 + max(timeouts_ns, default=0) / 1e9)


def length_of_a_round(
    options: Iperf3Options, *, tests: int, paths_and_targets: int, settle_s: float = SETTLE_S
) -> timedelta:
    """Return how long all tests take that are due together, where no server is busy."""
    each_s = options.omit_s + options.duration_s + settle_s
    return timedelta(seconds=paths_and_targets * (IDLE_S + tests * each_s))
