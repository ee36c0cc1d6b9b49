"""The service's tests: when they run, what they count, and what a restart knows of the day's budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry

from agent.metrics.throughput import ThroughputMetrics
from agent.throughput.books import Books
from agent.throughput.host import busy_share, host_buffers, interface_rate, parse_ticks, processors
from agent.throughput.ledger_file import LedgerFile
from agent.throughput.limited_by import Limit
from agent.throughput.measurement import Measurement
from agent.throughput.plan import ThroughputPlan
from agent.throughput.service import Throughput
from agent.throughput.timetable import Timetable
from collectors.iperf3.failing import Iperf3Failure
from collectors.iperf3.options import Direction, Iperf3Options
from collectors.path import NetworkPath
from tests.agent.throughput.trials import COMPLETE, HUB, MOVED, TRIAL, VPN, Clock, Server, troubled, undisturbed

HOURLY = ThroughputPlan(
    name="throughput",
    options=Iperf3Options(duration_s=10),
    flows=(1,),
    timetable=Timetable(every=timedelta(hours=1)),
    targets=(HUB,),
    paths=(VPN,),
    budget=25_000_000,  # a test at the purchased rate moves 10 MB
)
NOON = datetime(2026, 5, 4, 12, 0, 1, tzinfo=UTC)
AFTERNOON = NOON, NOON + timedelta(minutes=150)  # tests are due at 13:00 and 14:00
LABELS = {"agent": "site", "probe": "throughput", "target": "hub", "path": "vpn"}


def books(clock: Clock, directory: Path | None = None, plan: ThroughputPlan = HOURLY) -> Books:
    return Books((plan,), LedgerFile(directory), now=lambda: clock.now, interface_rate=lambda path: None)


async def run_to_the_end(service: Throughput, clock: Clock) -> None:
    """Let the service run until its clock has come to its end."""
    task = asyncio.create_task(service.run())
    await clock.reached.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def service(
    server: Server,
    clock: Clock,
    kept: Books,
    plan: ThroughputPlan = HOURLY,
    *,
    keep: Callable[[Measurement], None] = lambda _: None,
) -> Throughput:
    return Throughput(
        (plan,),
        {},
        "site",
        kept,
        keep=keep,
        run_test=server.run_test,
        turns=undisturbed(),
        clock=clock,
        now=lambda: clock.now,
        sleep=clock.sleep,
    )


async def test_tests_run_when_they_are_due_and_are_counted() -> None:
    clock = Clock(*AFTERNOON)
    server = Server([COMPLETE], clock)
    tests = service(server, clock, books(clock))
    await run_to_the_end(tests, clock)
    assert [host for _, host, _ in server.asked] == ["192.0.2.4"] * 2
    tested = ("throughput", "hub", "vpn")
    assert tests.counts.tests[tested, "complete", ""] == 2
    assert tests.counts.moved_octets[tested] == 2 * MOVED
    [(key, latest)] = tests.counts.latest.items()
    assert key == (tested, ("up", "tcp", "1 flow"))
    assert latest.bits_per_second == 1_158_400


async def test_every_result_is_told_also_one_that_failed() -> None:
    clock = Clock(*AFTERNOON)
    told: list[Measurement] = []
    tests = service(Server([troubled(Iperf3Failure.NOT_INSTALLED)], clock), clock, books(clock), keep=told.append)
    await run_to_the_end(tests, clock)
    assert [(found.tried.trial.path.name, found.tried.reason) for found in told] == [("vpn", "not_installed")] * 2


async def test_tests_that_the_host_slept_through_wait_for_their_next_time() -> None:
    class Suspended(Clock):
        async def sleep(self, seconds: float) -> None:
            if self.now.hour == 12 and self.now.minute == 30:
                self.pass_by(3_600)  # from 12:30 to 13:30: the one of 13:00 is over
            await super().sleep(seconds)

    clock = Suspended(*AFTERNOON)
    server = Server([COMPLETE], clock)
    tests = service(server, clock, books(clock))
    await run_to_the_end(tests, clock)
    assert tests.counts.latest[("throughput", "hub", "vpn"), ("up", "tcp", "1 flow")].at.hour == 14
    assert len(server.asked) == 1


async def test_what_the_budget_does_not_allow_is_skipped_and_counted() -> None:
    clock = Clock(*AFTERNOON)
    server = Server([COMPLETE], clock)
    small = replace(HOURLY, budget=11_000_000)
    tests = service(server, clock, books(clock, plan=small), small)
    await run_to_the_end(tests, clock)
    assert len(server.asked) == 1  # 1.5 MB were moved, and another 10 MB would be too much
    assert tests.counts.tests[("throughput", "hub", "vpn"), "skipped", "budget"] == 1


async def test_a_test_is_told_a_rate_at_which_no_path_can_break_the_budget() -> None:
    clock = Clock(*AFTERNOON)
    server = Server([COMPLETE], clock)
    await run_to_the_end(service(server, clock, books(clock)), clock)
    rates = [options.bits_per_second for options, _, _ in server.asked]
    assert rates == [14_400_000] * 2  # within twice the 10 MB that it is taken for, headers and the like
    small = replace(HOURLY, budget=12_000_000)
    clock = Clock(*AFTERNOON)
    server = Server([COMPLETE], clock)
    await run_to_the_end(service(server, clock, books(clock, plan=small), small), clock)
    rates = [options.bits_per_second for options, _, _ in server.asked]
    assert rates == [8_640_000, round((12_000_000 - MOVED) * 0.9 * 8 / 10)]


async def test_without_iperf3_every_test_fails_with_that_reason_and_the_next_one_is_tried() -> None:
    clock = Clock(*AFTERNOON)
    server = Server([troubled(Iperf3Failure.NOT_INSTALLED)], clock)
    tests = service(server, clock, books(clock))
    await run_to_the_end(tests, clock)
    assert tests.counts.tests[("throughput", "hub", "vpn"), "failed", "not_installed"] == 2


async def test_what_was_set_aside_counts_as_moved_when_the_agent_is_killed(tmp_path: Path) -> None:
    clock = Clock()
    assert await books(clock, tmp_path).refusal(TRIAL) is None
    after = books(clock, tmp_path)
    assert after.allowance(HOURLY, VPN).left == 5_000_000  # it was told a rate of twice what was bought
    assert "5 MB are left" in str(await after.refusal(TRIAL))


async def test_what_was_set_aside_stays_so_where_a_test_did_not_come_to_tell(tmp_path: Path) -> None:
    clock = Clock()
    kept = books(clock, tmp_path)
    assert await kept.refusal(TRIAL) is None
    await kept.settled(TRIAL, None)
    assert kept.allowance(HOURLY, VPN).left == 5_000_000


async def test_a_test_that_is_cancelled_while_its_octets_are_set_aside_moved_nothing(tmp_path: Path) -> None:
    writing, written = Event(), Event()

    class SlowDisk(LedgerFile):
        def save(self) -> None:
            writing.set()
            written.wait(20)
            super().save()

    clock = Clock()
    kept = Books((HOURLY,), SlowDisk(tmp_path), now=lambda: clock.now, interface_rate=lambda path: None)
    asking = asyncio.create_task(kept.refusal(TRIAL))
    await asyncio.to_thread(writing.wait, 20)
    asking.cancel()
    await asyncio.sleep(0)
    written.set()
    with suppress(asyncio.CancelledError):
        await asking
    assert kept.allowance(HOURLY, VPN).left == 25_000_000
    assert books(clock, tmp_path).allowance(HOURLY, VPN).left == 25_000_000


async def test_what_a_test_really_moved_takes_the_place_of_what_was_set_aside(tmp_path: Path) -> None:
    clock = Clock()
    kept = books(clock, tmp_path)
    assert await kept.refusal(TRIAL) is None
    await kept.settled(TRIAL, MOVED)
    assert books(clock, tmp_path).allowance(HOURLY, VPN).left == 25_000_000 - MOVED


async def test_a_new_day_has_a_new_budget() -> None:
    clock = Clock(datetime(2026, 5, 4, 23, 59, tzinfo=UTC))
    kept = books(clock)
    await kept.refusal(TRIAL)
    clock.pass_by(120)
    assert kept.allowance(HOURLY, VPN).left == 25_000_000


async def test_of_a_path_without_a_rate_the_fastest_test_so_far_is_what_the_next_one_is_taken_for() -> None:
    clock = Clock()
    unknown = NetworkPath(name="vpn")
    kept = books(clock)
    assert "10000 Mbit/s, an assumption" in str(await kept.refusal(replace(TRIAL, path=unknown)))
    small = replace(TRIAL, path=unknown, options=Iperf3Options(duration_s=10, bits_per_second=1_000_000))
    assert await kept.refusal(small) is None
    await kept.settled(small, 20_000_000)
    why = str(await kept.refusal(replace(TRIAL, path=unknown)))
    assert "17.6 Mbit/s, what was measured before and a tenth more" in why


async def test_both_directions_of_a_test_share_what_it_moved() -> None:
    clock = Clock()
    kept = books(clock)
    both = replace(
        TRIAL,
        path=NetworkPath(name="vpn"),
        options=Iperf3Options(duration_s=10, direction=Direction.BOTH, bits_per_second=8_000_000),
    )
    assert await kept.refusal(both) is None
    await kept.settled(both, 10_000_000)
    up = replace(both, options=Iperf3Options(duration_s=30))
    assert "4.4 Mbit/s" in str(await kept.refusal(up))


async def test_metrics_say_what_was_tested_and_what_is_left() -> None:
    clock = Clock(NOON, NOON + timedelta(minutes=90))
    tests = service(Server([COMPLETE], clock), clock, books(clock))
    registry = CollectorRegistry()
    ThroughputMetrics(registry, "site", tests)
    budget = {"agent": "site", "probe": "throughput", "path": "vpn"}
    skipped = {**LABELS, "outcome": "skipped", "reason": "budget"}
    broken = {**LABELS, "outcome": "partial", "reason": "ended_early"}
    for counted in (skipped, broken):
        assert registry.get_sample_value("eragent_throughput_tests_total", counted) == 0
    assert registry.get_sample_value("eragent_throughput_budget_left_bytes", budget) == 25_000_000
    await run_to_the_end(tests, clock)
    result = {**LABELS, "direction": "up", "protocol": "tcp", "stage": "1 flow"}
    assert registry.get_sample_value("eragent_throughput_bytes_per_second", result) == 144_800
    began = datetime(2026, 5, 4, 13, 0, 5, tzinfo=UTC).timestamp()
    assert registry.get_sample_value("eragent_throughput_timestamp_seconds", result) == began
    limits = [registry.get_sample_value("eragent_throughput_limited_by", {**result, "limit": limit}) for limit in Limit]
    assert sorted(map(bool, limits)) == [False] * (len(Limit) - 1) + [True]
    assert registry.get_sample_value("eragent_throughput_path_mtu_bytes", LABELS) == 1_500
    assert registry.get_sample_value("eragent_throughput_moved_bytes_total", LABELS) == MOVED
    assert registry.get_sample_value("eragent_throughput_budget_left_bytes", budget) == 25_000_000 - MOVED


def test_processors_are_read_as_the_kernel_writes_them() -> None:
    ticks = parse_ticks("cpu  100 20 30 800 40 1 2 3 50 4\ncpu0 1 2\n")
    assert ticks is not None
    assert (ticks.busy, ticks.idle) == (156, 840)  # guests are in the 100 and 20 already
    assert parse_ticks("cpu0 1 2 3 4 5") is None
    assert parse_ticks("") is None
    assert busy_share(ticks, ticks) is None
    assert busy_share(None, ticks) is None
    later = parse_ticks("cpu 175 20 30 825 40 1 2 3")
    assert busy_share(ticks, later) == 0.75


def test_this_host_tells_its_processors_and_buffers() -> None:
    assert processors() is not None
    buffers = host_buffers()
    assert buffers is not None
    assert buffers.sending > 4096


def test_the_fastest_interface_counts_where_a_path_names_none(tmp_path: Path) -> None:
    for name, speed in (("eth0", "1000"), ("eth1", "10000"), ("lo", "-1"), ("down", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "speed").write_text(speed)
    assert interface_rate(NetworkPath(name="p"), tmp_path) == 10_000_000_000
    assert interface_rate(NetworkPath(name="p", interface="eth0"), tmp_path) == 1_000_000_000
    assert interface_rate(NetworkPath(name="p", interface="lo"), tmp_path) is None
