"""Tests of throughput that run nothing: trials, results and clocks that tests make up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from agent.throughput.stages import Stage
from agent.throughput.trial import Trial, Tried
from agent.throughput.turns import Turns
from collectors.iperf3.failing import Iperf3Failure, Trouble
from collectors.iperf3.options import Direction, Iperf3Options
from collectors.iperf3.result import Interval, Iperf3Result, StreamInterval, Transfer
from collectors.path import NetworkPath, Target

HUB = Target(name="hub", host="192.0.2.4")
VPN = NetworkPath(name="vpn", rate=8_000_000)
TRIAL = Trial(
    probe="throughput",
    target=HUB,
    path=VPN,
    stage=Stage(name="1 flow", streams=1),
    options=Iperf3Options(duration_s=10),
)
COMPLETE = Iperf3Result(
    duration_s=10.0,
    mss_bytes=1_448,
    intervals=(
        Interval(
            direction=Direction.UP,
            start_s=0,
            end_s=10,
            transferred_bytes=1_448_000,
            bits_per_second=1_158_400.0,
            omitted=False,
            streams=(StreamInterval(transferred_bytes=1_448_000, bits_per_second=1_158_400.0, path_mtu_bytes=1_500),),
        ),
    ),
    up=Transfer(
        direction=Direction.UP,
        duration_s=10.0,
        sent_bytes=1_448_000,
        sent_bits_per_second=1_158_400.0,
        received_bytes=1_448_000,
        received_bits_per_second=1_158_400.0,
    ),
)
MOVED = 1_526_000
"""Octets that the complete test moved, headers and acknowledgements included."""


def troubled(failure: Iperf3Failure, *, moved: int = 0) -> Iperf3Result:
    """Return what is found by a test that moved so much payload before its trouble."""
    interval = Interval(
        direction=Direction.UP, start_s=0, end_s=1, transferred_bytes=moved, bits_per_second=0, omitted=False
    )
    return Iperf3Result(
        trouble=Trouble(failure=failure, message=f"so it is: {failure}"),
        mss_bytes=1_448,
        intervals=(interval,) if moved else (),
    )


BUSY = troubled(Iperf3Failure.BUSY)


class Clock:
    """Time that passes only when somebody sleeps, or a test takes it; beyond ``end`` nobody's sleep ends any more."""

    def __init__(self, now: datetime = datetime(2026, 5, 4, 12, tzinfo=UTC), end: datetime | None = None) -> None:
        self.now = now
        self.slept: list[float] = []
        self.reached = asyncio.Event()
        self._end = end

    def monotonic_ns(self) -> int:
        return self.wall_ns()

    def wall_ns(self) -> int:
        return round(self.now.timestamp() * 1e9)

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._end is not None and self.now + timedelta(seconds=seconds) > self._end:
            self.reached.set()
            await asyncio.Event().wait()
        self.pass_by(seconds)
        await asyncio.sleep(0)


@dataclass
class Server:
    """Answers tests with results in their order, the last one again and again, and takes ten seconds for each."""

    results: Sequence[Iperf3Result]
    clock: Clock
    asked: list[tuple[Iperf3Options, str, NetworkPath]] = field(default_factory=list)
    on_test: Callable[[], None] = lambda: None

    async def run_test(self, options: Iperf3Options, host: str, path: NetworkPath, stop: asyncio.Event) -> Iperf3Result:
        result = self.results[min(len(self.asked), len(self.results) - 1)]
        self.asked.append((options, host, path))
        self.on_test()
        if result.complete:
            self.clock.pass_by(10)
        return result


class Listener:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def waiting(self, seconds: float, why: str) -> None:
        self.heard.append(f"waiting for {why}")

    def began(self, trial: Trial) -> None:
        self.heard.append(f"began {trial.stage.name}")

    def ended(self, tried: Tried) -> None:
        self.heard.append(f"{tried.outcome}")


def flows(count: int) -> Trial:
    return replace(TRIAL, stage=Stage(name=f"{count} flows", streams=count))


def undisturbed() -> Turns:
    """Return turns of this process alone: other programs of this host may test while these tests run."""
    return Turns(Random(1), hold=nullcontext)
