from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from agent.service.garbage import keep_looking_through, left_alone, look_through


class Thing:
    """Something that may hold another, or itself."""

    def __init__(self) -> None:
        self.held: Thing | None = None


def cycle() -> weakref.ref[Thing]:
    """Leave garbage that only a search finds."""
    thing = Thing()
    thing.held = thing
    return weakref.ref(thing)


def is_searched(thing: object) -> bool:
    """Whether the next search of everything looks at a thing."""
    return any(each is thing for each in gc.get_objects())


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with left_alone():
        yield


def test_what_was_there_is_left_out_and_so_is_what_survives_a_search() -> None:
    thing = Thing()
    assert is_searched(thing)
    gc.collect(0)
    assert not is_searched(thing)


def test_what_dies_before_the_next_search_is_found_by_it() -> None:
    dead = cycle()
    gc.collect(0)
    assert dead() is None


def test_what_was_in_use_during_a_search_is_found_when_everything_is_looked_through() -> None:
    thing = Thing()
    thing.held = thing
    gc.collect(0)
    dead = weakref.ref(thing)
    del thing
    gc.collect()
    assert dead() is not None
    look_through()
    assert dead() is None


async def test_everything_is_looked_through_again_and_again() -> None:
    searching = asyncio.create_task(keep_looking_through(0.001))
    for _ in range(2):
        found, thing = asyncio.Event(), Thing()
        thing.held = thing
        weakref.finalize(thing, found.set)
        gc.freeze()
        del thing
        async with asyncio.timeout(5):
            await found.wait()
    searching.cancel()


def test_afterwards_searches_are_as_they_were() -> None:
    before = list(gc.callbacks), gc.get_threshold()
    with left_alone():
        thing = Thing()
        gc.collect(0)
        assert (gc.callbacks, gc.get_threshold()) != before
    assert (gc.callbacks, gc.get_threshold()) == before
    assert is_searched(thing)
