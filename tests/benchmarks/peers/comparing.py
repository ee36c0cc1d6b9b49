"""Results of a comparison as tests need them: every tool with the same errors, or without any."""

from __future__ import annotations

from benchmarks.peers.curve import FRACTIONS
from benchmarks.peers.results import (
    Accuracy,
    AccuracyRun,
    Cost,
    CostRun,
    Errors,
    Lateness,
    LatenessRun,
    Loss,
    LossRun,
    Machine,
    Program,
    Results,
    Sending,
)
from benchmarks.peers.stages import BARE_LOOP
from benchmarks.peers.tools import TOOLS

NAMES = tuple(tool.name for tool in TOOLS)
NOT_INSTALLED = "not installed: apt install it"


def errors(p99: int, *, at_least: bool = False) -> Errors:
    return Errors(
        packets=6000,
        at_least=at_least,
        median=p99 // 10,
        p99=p99,
        max=2 * p99,
        bias=None if at_least else 0,
        mean=p99 // 8,
        curve=tuple(round(fraction * p99) for fraction in FRACTIONS),
    )


def accuracy(p99: int, *, at_least: bool = False) -> Accuracy:
    return Accuracy(
        network=errors(p99, at_least=at_least),
        with_dwell=errors(p99, at_least=at_least),
        is_icmp=True,
        by_router=p99,
        overlooked=0,
        rtt_median=30_000,
        dwell_median=10_000,
        sending=Sending(sent=6000, gap_mean=10_000_000, gap_p1=9_900_000, gap_p99=10_100_000, drift=0),
    )


def results(p99s: dict[str, int], *, cpu: dict[str, int] | None = None, lost: int = 0, late: int = 50_000) -> Results:
    """Return results of the tools that have a p99, the same idle and busy; all others were not installed."""

    def accuracy_run(tool: str, *, busy: bool) -> AccuracyRun:
        at_least = tool == "smokeping_prober"
        found = accuracy(p99s[tool], at_least=at_least) if tool in p99s else None
        return AccuracyRun(tool=tool, busy=busy, found=found, not_run=None if found else NOT_INSTALLED)

    def lateness_run(program: str, *, busy: bool) -> LatenessRun:
        found = Lateness(p50=late // 2, p99=late, max=9 * late, slots_missed=1)
        return LatenessRun(program=program, busy=busy, fifo=busy, found=found, not_run=None)

    cpus = cpu or {}
    costs = [(tool, Cost(cpu=cpus[tool], sent_share=0.9) if tool in cpus else None) for tool in NAMES]
    return Results(
        date="2026-11-23",
        seconds=60,
        packets_per_second=100,
        machine=Machine(
            processor="A processor",
            cores=2,
            virtual=True,
            memory_mib=4096,
            kernel="Linux 6.18",
            distribution="Debian",
            python="3.11.7",
            clock_source="tsc",
            load=0.1,
            stolen_percent=0.5,
        ),
        programs=tuple(Program(name=name, version="1" if name in p99s else None, command=name) for name in NAMES),
        accuracy=tuple(accuracy_run(tool, busy=busy) for busy in (False, True) for tool in NAMES),
        lateness=tuple(
            lateness_run(program, busy=busy) for busy in (False, True) for program in (BARE_LOOP, *NAMES[:2])
        ),
        cost=tuple(CostRun(tool=tool, found=found, not_run=None if found else NOT_INSTALLED) for tool, found in costs),
        loss=tuple(
            LossRun(
                tool=tool,
                packets_per_second=5000,
                found=Loss(sent=50_000, lost=lost, not_sent=0, slots_missed=9),
                not_run=None,
            )
            for tool in NAMES[:2]
        ),
    )
