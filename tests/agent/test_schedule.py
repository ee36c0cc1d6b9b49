"""Slots never shift and never burst; the ticker keeps them on both event loops."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.schedule import Slots, Tick, Ticker, turns


def test_slots_are_due_at_start_plus_multiples_of_the_interval() -> None:
    slots = Slots(start_ns=1000, interval_ns=10)
    assert slots.reach(999) is None
    assert slots.reach(1000) == Tick(0, 1000, 0, 0)
    assert slots.reach(1009) is None
    assert slots.reach(1013) == Tick(1, 1010, 0, 3)


def test_slots_that_went_by_are_missed_and_not_made_up_for() -> None:
    slots = Slots(start_ns=0, interval_ns=10)
    slots.reach(0)
    assert slots.reach(57) == Tick(5, 50, 4, 47)
    assert slots.reach(58) is None
    assert slots.reach(60) == Tick(6, 60, 0, 0)


@given(st.lists(st.integers(), max_size=50), st.integers(1, 30), st.integers(1, 20))
def test_turns_have_each_thing_once_and_about_as_many_each(things: list[int], slots: int, together: int) -> None:
    shared = turns(things, slots, together)
    assert [thing for turn in shared for thing in turn] == things
    assert len(shared) == slots
    used = [len(turn) for turn in shared if turn]
    assert max(used, default=0) - min(used, default=0) <= 1


@pytest.mark.parametrize(
    ("things", "together", "shared"),
    [
        (1, 5, [1, 0, 0, 0]),
        (5, 5, [5, 0, 0, 0]),
        (6, 5, [3, 0, 3, 0]),
        (12, 5, [4, 4, 4, 0]),
        (20, 5, [5, 5, 5, 5]),
        (26, 5, [7, 6, 7, 6]),
        (2, 1, [1, 0, 1, 0]),
    ],
)
def test_as_many_as_may_be_done_together_take_one_turn(things: int, together: int, shared: list[int]) -> None:
    assert [len(turn) for turn in turns(range(things), 4, together)] == shared


@given(st.integers(1, 10**9), st.lists(st.integers(0, 10**10), max_size=50))
def test_every_slot_is_used_once_or_missed_once(interval_ns: int, moments: list[int]) -> None:
    slots = Slots(start_ns=500, interval_ns=interval_ns)
    accounted = 0
    for now_ns in sorted(moments):
        tick = slots.reach(now_ns)
        if tick is not None:
            accounted += tick.missed + 1
            assert tick.slot == accounted - 1
            assert tick.due_ns <= now_ns < tick.due_ns + interval_ns


@pytest.mark.parametrize("interval_ms", [1, 7])
async def test_the_ticker_ticks_each_slot_and_never_early(interval_ms: int) -> None:
    loop = asyncio.get_running_loop()
    slots = Slots(start_ns=time.monotonic_ns() + 2_000_000, interval_ns=interval_ms * 1_000_000)
    ticks: list[Tick] = []
    early: list[Tick] = []
    enough = asyncio.Event()

    def on_tick(tick: Tick) -> None:
        ticks.append(tick)
        if time.monotonic_ns() < tick.due_ns:
            early.append(tick)
        if tick.slot >= 20:
            enough.set()

    ticker = Ticker(loop, slots, on_tick)
    await asyncio.wait_for(enough.wait(), 10)
    ticker.close()
    ticker.close()  # closing twice is harmless
    assert early == []
    assert sum(tick.missed + 1 for tick in ticks) == ticks[-1].slot + 1
