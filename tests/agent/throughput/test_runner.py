"""Rounds of tests: their order, who is busy, what is refused, and what is booked whatever ends them."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from agent.sink import StreamKey
from agent.throughput.load import Load, tag
from agent.throughput.recorder import MOST_SAMPLES, Recorder
from agent.throughput.runner import Pauses, Runner
from agent.throughput.trial import Outcome, Trial, period_of
from agent.throughput.turns import ATTEMPTS, Turns, TurnTakenError, wait_s
from collectors.errors import CollectorError
from collectors.iperf3.failing import Iperf3Failure, Trouble
from collectors.iperf3.options import Direction, Iperf3Options
from collectors.iperf3.result import Interval, Iperf3Result
from collectors.path import NetworkPath
from collectors.sample import Outcome as SampleOutcome
from collectors.sample import Sample
from tests.agent.throughput.trials import (
    BUSY,
    COMPLETE,
    MOVED,
    TRIAL,
    VPN,
    Clock,
    Listener,
    Server,
    flows,
    troubled,
    undisturbed,
)


class Purse:
    """Refuses what it is told to, and notes what it learns."""

    def __init__(self, *refused: str) -> None:
        self._refused = refused
        self.settlements: list[tuple[str, int | None]] = []

    async def refusal(self, trial: Trial) -> str | None:
        return "too much for today" if trial.stage.name in self._refused else None

    def capped(self, trial: Trial) -> Iperf3Options:
        return trial.options

    async def settled(self, trial: Trial, octets: int | None) -> None:
        self.settlements.append((trial.stage.name, octets))


async def literal(host: str, path: NetworkPath) -> str:
    return host


async def nowhere(host: str, path: NetworkPath) -> str:
    raise CollectorError(f"{host} does not resolve", reason="unresolved")


def runner(server: Server, clock: Clock, **others: Any) -> Runner:
    given = {"recorder": Recorder(), "turns": undisturbed(), "listener": Listener(), "resolve": literal, **others}
    return Runner(server.run_test, rng=Random(1), clock=clock, sleep=clock.sleep, pauses=Pauses(), **given)


async def test_a_round_waits_for_latency_without_load_and_drains_after_each_test() -> None:
    clock, listener = Clock(), Listener()
    found = await runner(Server([COMPLETE], clock), clock, listener=listener).round([flows(1), flows(6)])
    assert [each.tried.outcome for each in found] == [Outcome.COMPLETE] * 2
    assert listener.heard == [
        "waiting for latency without load",
        "began 1 flows",
        "complete",
        "waiting for queues to drain",
        "began 6 flows",
        "complete",
        "waiting for queues to drain",
    ]
    assert clock.slept == [5.0, 3.0, 3.0]


async def test_a_busy_server_is_asked_again_with_growing_pauses_that_differ() -> None:
    clock = Clock()
    server = Server([BUSY, BUSY, COMPLETE], clock)
    [found] = await runner(server, clock).round([TRIAL])
    assert found.tried.outcome is Outcome.COMPLETE
    first, second = clock.slept[1:3]
    assert 1 <= first <= 2
    assert 2 <= second <= 4


async def test_a_server_that_stays_busy_is_given_up_with_that_reason() -> None:
    clock, purse = Clock(), Purse()
    server = Server([BUSY], clock)
    [found] = await runner(server, clock, purse=purse).round([TRIAL])
    assert (found.tried.outcome, found.tried.reason) == (Outcome.FAILED, "busy")
    assert len(server.asked) == ATTEMPTS
    assert purse.settlements == [("1 flow", 0)]


async def test_what_the_purse_refuses_is_skipped_with_its_reason_and_nothing_is_sent_or_waited_for() -> None:
    clock, purse = Clock(), Purse("1 flow")
    server = Server([COMPLETE], clock)
    [found] = await runner(server, clock, purse=purse).round([TRIAL])
    tried = found.tried
    assert (tried.outcome, tried.reason, tried.message) == (Outcome.SKIPPED, "budget", "too much for today")
    assert (server.asked, clock.slept, purse.settlements) == ([], [], [])


async def test_what_was_moved_is_settled_also_of_a_test_that_ended_early() -> None:
    clock, purse = Clock(), Purse()
    ended = troubled(Iperf3Failure.ENDED_EARLY, moved=1_448_000)
    found = await runner(Server([ended, COMPLETE], clock), clock, purse=purse).round([flows(1), flows(2)])
    assert [each.tried.outcome for each in found] == [Outcome.PARTIAL, Outcome.COMPLETE]
    assert [each.tried.moved_octets for each in found] == [MOVED, MOVED]
    assert purse.settlements == [("1 flows", MOVED), ("2 flows", MOVED)]
    assert not found[0].verdicts


async def test_what_a_test_moved_that_had_to_be_killed_is_not_known_and_not_taken_for_nothing() -> None:
    clock, purse = Clock(), Purse()
    killed = replace(troubled(Iperf3Failure.TIMED_OUT), accounted=False)
    [found] = await runner(Server([killed], clock), clock, purse=purse).round([TRIAL])
    assert (found.tried.moved_octets, purse.settlements) == (None, [("1 flow", None)])


async def test_a_name_that_does_not_resolve_is_a_test_that_failed() -> None:
    clock = Clock()
    server = Server([COMPLETE], clock)
    [found] = await runner(server, clock, resolve=nowhere).round([TRIAL])
    assert (found.tried.outcome, found.tried.reason) == (Outcome.FAILED, "unreachable")
    assert server.asked == []


async def test_looking_up_a_name_is_no_load() -> None:
    clock = Clock()

    async def slowly(host: str, path: NetworkPath) -> str:
        clock.pass_by(7)
        return host

    [found] = await runner(Server([COMPLETE], clock), clock, resolve=slowly).round([TRIAL])
    assert found.tried.period is not None
    assert found.tried.period.end_ns - found.tried.period.start_ns == 10_000_000_000


def interval(start_s: float, moved: int, *, omitted: bool = False) -> Interval:
    return Interval(
        direction=Direction.UP,
        start_s=start_s,
        end_s=start_s + 1,
        transferred_bytes=moved,
        bits_per_second=0,
        omitted=omitted,
    )


def test_a_far_end_that_falls_silent_is_no_load_from_then_on() -> None:
    second = 1_000_000_000
    seconds = (interval(0, 9, omitted=True), interval(0, 9), interval(1, 0), interval(17, 0))
    broken = Iperf3Result(trouble=Trouble(failure=Iperf3Failure.TIMED_OUT, message="so it is"), intervals=seconds)
    period = period_of(TRIAL, broken, 0, 20 * second)
    assert (period.end_ns, period.length_ns, period.moved_ns) == (20 * second, 19 * second, 2 * second)
    assert period.loaded_ns == (1.5 * second, 1.75 * second)
    tags = [tag(VPN.name, at_ns * second // 10, [period]) for at_ns in (16, 40, 200, 220)]
    assert tags == [Load.UP, None, None, Load.IDLE]
    whole = period_of(TRIAL, replace(broken, trouble=None), 0, 20 * second)
    assert whole.moved_ns is None


def test_a_test_began_no_earlier_than_iperf3_says_that_it_reached_the_server() -> None:
    second = 1_000_000_000
    told = replace(COMPLETE, started_at=datetime.fromtimestamp(7, UTC))
    starts = [period_of(TRIAL, told, start_s * second, 20 * second).start_ns for start_s in (3, 8)]
    assert starts == [7 * second, 8 * second]
    assert period_of(TRIAL, told, 2 * second, 6 * second).start_ns == 2 * second  # somebody has set the clock


async def test_when_a_run_is_stopped_the_tests_that_follow_are_not_begun() -> None:
    clock, stop = Clock(), asyncio.Event()
    server = Server([troubled(Iperf3Failure.CANCELLED, moved=1_448)], clock, on_test=stop.set)
    found = await runner(server, clock, stop=stop).round([flows(1), flows(2)])
    assert [(each.tried.outcome, each.tried.reason) for each in found] == [
        (Outcome.PARTIAL, "cancelled"),
        (Outcome.SKIPPED, "stopped"),
    ]


async def test_a_run_that_is_stopped_while_it_waits_begins_no_test_at_all() -> None:
    clock, stop, purse = Clock(), asyncio.Event(), Purse()

    class Impatient(Listener):
        def waiting(self, seconds: float, why: str) -> None:
            stop.set()

    server = Server([COMPLETE], clock)
    [found] = await runner(server, clock, stop=stop, purse=purse, listener=Impatient()).round([TRIAL])
    assert (found.tried.outcome, found.tried.reason) == (Outcome.SKIPPED, "stopped")
    assert (server.asked, purse.settlements) == ([], [("1 flow", 0)])


async def test_a_test_that_is_cancelled_is_told_to_stop_and_what_it_moved_is_booked() -> None:
    clock, purse, running = Clock(), Purse(), asyncio.Event()

    async def until_stopped(options: Iperf3Options, host: str, path: NetworkPath, stop: asyncio.Event) -> Iperf3Result:
        running.set()
        await stop.wait()
        return troubled(Iperf3Failure.CANCELLED, moved=1_448_000)

    server = Server([], clock)
    server.run_test = until_stopped  # type: ignore[method-assign]  # this server answers when it is stopped
    task = asyncio.create_task(runner(server, clock, purse=purse).round([TRIAL]))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert purse.settlements == [("1 flow", MOVED)]


async def test_a_test_that_is_cancelled_before_it_begins_moved_nothing() -> None:
    clock, purse = Clock(end=Clock().now), Purse()
    server = Server([COMPLETE], clock)
    task = asyncio.create_task(runner(server, clock, purse=purse).round([TRIAL]))
    await clock.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (server.asked, purse.settlements) == ([], [("1 flow", 0)])


async def test_rounds_of_one_process_never_overlap() -> None:
    clock, under_way = Clock(), 0

    def one_more() -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1

    class Ended(Listener):
        def ended(self, tried: object) -> None:
            nonlocal under_way
            under_way -= 1

    tests = runner(Server([COMPLETE], clock, on_test=one_more), clock, listener=Ended())
    await asyncio.gather(*(tests.round([TRIAL]) for _ in range(5)))


class Taken:
    """A turn that others have for the first so many times."""

    def __init__(self, times: int) -> None:
        self._others = iter(itertools.chain([None] * times, itertools.repeat(nullcontext())))

    def __call__(self) -> AbstractContextManager[object] | None:
        return next(self._others)


async def test_another_process_that_tests_is_waited_for() -> None:
    clock = Clock()
    turns = Turns(Random(1), sleep=clock.sleep, hold=Taken(3))
    async with turns.turn():
        assert len(clock.slept) == 3


async def test_another_process_that_does_not_end_leaves_the_tests_skipped() -> None:
    clock = Clock()
    turns = Turns(Random(1), sleep=clock.sleep, hold=Taken(99))
    [found] = await runner(Server([COMPLETE], clock), clock, turns=turns).round([TRIAL])
    assert (found.tried.outcome, found.tried.reason) == (Outcome.SKIPPED, "turn")
    with pytest.raises(TurnTakenError):
        async with turns.turn():
            pass


def test_pauses_double_up_to_a_minute_and_end() -> None:
    pauses = [wait_s(attempt, Random(attempt)) for attempt in range(ATTEMPTS)]
    assert pauses[-1] is None
    for attempt, pause in enumerate(pauses[:-1]):
        assert pause is not None
        assert min(2 * 2**attempt, 60) / 2 <= pause <= min(2 * 2**attempt, 60)


def sample(slot: int, at_ns: int, rtt_ns: int | None) -> Sample:
    outcome = SampleOutcome.LOST if rtt_ns is None else SampleOutcome.ANSWERED
    return Sample(slot=slot, sequence=slot, sent_at_ns=at_ns, outcome=outcome, rtt_ns=rtt_ns)


async def test_samples_beside_a_test_tell_idle_from_loaded_and_a_leak_from_none() -> None:
    clock, recorder = Clock(), Recorder()
    keys = {
        name: StreamKey(probe="ping", kind="icmp", target="hub", path=name) for name in ("vpn", "expressroute", "dsl")
    }
    streams = {name: recorder.opened(key) for name, key in keys.items()}
    begins = clock.wall_ns()

    def probe(first: int, rtts_ms: Sequence[float]) -> None:
        for name, rtt_ms in zip(streams, rtts_ms, strict=True):
            streams[name](
                [sample(first + k, begins + (first + k) * 100_000_000, round(rtt_ms * 1e6)) for k in range(50)]
            )

    def on_test() -> None:
        probe(0, (5, 5, 5))  # 5 s of idle, then of 10 s of load the five in the middle
        probe(80, (45, 5, 12))

    tests = runner(Server([COMPLETE], clock, on_test=on_test), clock, recorder=recorder)
    [found] = await tests.round([TRIAL])
    assert found.latency is not None
    assert (found.latency.stream, found.load) == (keys["vpn"], Load.UP)
    assert found.latency.idle.p50_ns == 5_000_000
    assert found.latency.loaded is not None
    assert (found.latency.loaded.p50_ns, found.latency.loaded.sent) == (45_000_000, 50)
    assert {each.stream.path: each.leak.leaked for each in found.leaks} == {"expressroute": False, "dsl": True}
    assert recorder.stop() == {}


def test_a_recorder_keeps_nothing_while_it_does_not_record_and_nothing_of_other_targets() -> None:
    recorder = Recorder()
    other = recorder.opened(StreamKey(probe="ping", kind="icmp", target="other", path=VPN.name))
    here = recorder.opened(StreamKey(probe="ping", kind="icmp", target="hub", path=VPN.name))
    here([sample(0, 0, 1)])
    recorder.start("hub")
    other([sample(0, 0, 1)])
    assert recorder.stop() == {}
    recorder.start("hub")
    here([sample(0, 0, 1), sample(1, 1, None), sample(2, 2, 1)._replace(outcome=SampleOutcome.NOT_SENT)])
    [(_, kept)] = recorder.stop().items()
    assert {each.slot: each.rtt_ns for each in kept} == {0: 1, 1: None}


def test_a_recorder_keeps_so_many_samples_and_no_more_of_the_same_slots_of_all_paths() -> None:
    recorder = Recorder()
    keys = [StreamKey(probe="ping", kind="icmp", target="hub", path=path) for path in ("vpn", "expressroute")]
    first, second = (recorder.opened(key) for key in keys)
    recorder.start("hub")
    for slot in range(100):
        first([sample(slot, slot, 1)])
    recorder.part(100)
    for slot in range(100, 100 + 3 * MOST_SAMPLES):
        first([sample(slot, slot, 1)])
        second([sample(slot, slot, 2)])
    recorder.part(100 + 3 * MOST_SAMPLES)
    second([sample(103, 103, None), sample(104, 104, None)])  # lost, which shows later, and is of the part before
    kept = recorder.stop()
    slots = [sorted(each.slot for each in kept[key]) for key in keys]
    assert slots[0] == [*range(100), *range(100, 100 + 3 * MOST_SAMPLES, 4)]
    assert slots[1] == sorted([*range(100, 100 + 3 * MOST_SAMPLES, 4), 104])


HOLD = """
import sys
from agent.throughput.turns import held_by_name
first = held_by_name()
assert first is not None
assert held_by_name() is None
first.close()
assert held_by_name() is not None
"""


@pytest.mark.root
def test_one_process_of_a_network_namespace_holds_the_turn_until_it_lets_go() -> None:
    subprocess.run(["unshare", "--net", sys.executable, "-c", HOLD], check=True)
