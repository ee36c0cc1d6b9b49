"""A reflector is kept running beside the agent, and what it counted outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from agent.plan import ReflectorPlan, SocketAddress
from agent.reflector.process import ReflectorProcess, reflect_arguments

PLAN = ReflectorPlan(listen=SocketAddress(host="127.0.0.1", port=862), allow=(ip_network("127.0.0.0/8"),))

# In the place of the reflector: counts one answer, then ends or stays as told.
CHILD = """
import sys, time
from agent.reflector.counts import CountsWriter, ReflectorCounts
none = ReflectorCounts()
writer = CountsWriter(int(sys.argv[sys.argv.index("--counts-fd") + 1]))
writer.write(replies=1, sessions=1, dropped=0, refused=none.refused, not_sent=none.not_sent)
"""
ENDS = (sys.executable, "-c", CHILD + "sys.exit(7)")
STAYS = (sys.executable, "-c", CHILD + "time.sleep(60)")


@asynccontextmanager
async def kept_running(program: Sequence[str]) -> AsyncIterator[ReflectorProcess]:
    reflector = ReflectorProcess(PLAN, program=program, restart_s=0.01)
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # nobody is told when another process writes
            await asyncio.sleep(0.01)


async def test_counts_grow_over_restarts_and_sessions_do_not() -> None:
    async with kept_running(ENDS) as reflector:
        await until(lambda: reflector.restarts >= 2 and reflector.counts().replies >= 3)
        assert reflector.counts().sessions <= 1
    assert reflector.counts().sessions == 0
    assert reflector.counts().replies >= 3


async def test_a_reflector_answers_from_the_time_that_it_says_so_until_its_end() -> None:
    async with kept_running(STAYS) as reflector:
        assert not reflector.answering
        await until(lambda: reflector.answering)
        assert reflector.restarts == 0
        assert reflector.counts().sessions == 1
    assert not reflector.answering
    assert reflector.counts().replies == 1


async def test_ends_that_are_alike_are_logged_once_with_their_code(caplog: pytest.LogCaptureFixture) -> None:
    async with kept_running(ENDS) as reflector:
        await until(lambda: reflector.restarts >= 3)
    [message] = caplog.messages
    assert message.startswith("the reflector ended with code 7; it is started again in ")


def test_twamp_is_served_where_the_plan_says_so() -> None:
    assert not ReflectorProcess(PLAN).serves_twamp
    assert ReflectorProcess(replace(PLAN, twamp=PLAN.listen)).serves_twamp


def test_the_whole_plan_reaches_the_command_line_and_no_key() -> None:
    plan = ReflectorPlan(
        listen=SocketAddress(host="::", port=862),
        allow=(ip_network("10.1.0.0/16"), ip_network("10.2.0.0/16")),
        key_file=Path("/etc/eragent/stamp.key"),
        packets_per_second=500,
        max_sessions=100,
        ssids=(7, 8),
        twamp=SocketAddress(host="::", port=862),
        twamp_max_sessions=4,
    )
    assert " ".join(reflect_arguments(plan)) == (
        "reflect --listen [::]:862 --allow 10.1.0.0/16 --allow 10.2.0.0/16 --packets-per-second 500 "
        "--max-sessions 100 --key-file /etc/eragent/stamp.key --ssid 7 --ssid 8 "
        "--twamp-control [::]:862 --twamp-max-sessions 4"
    )


def test_what_the_plan_leaves_out_is_not_asked_for() -> None:
    assert reflect_arguments(PLAN) == [
        *("reflect", "--listen", "127.0.0.1:862", "--allow", "127.0.0.0/8"),
        *("--packets-per-second", "10000", "--max-sessions", "16384"),
    ]
