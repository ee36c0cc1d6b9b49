from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from agent.service.garbage import keep_searching, left_alone, search_all, search_young


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
    search_young()
    assert not is_searched(thing)


def test_what_dies_before_the_next_search_is_found_by_it() -> None:
    dead = cycle()
    search_young()
    assert dead() is None


def test_what_was_in_use_during_a_search_is_found_when_everything_is_searched() -> None:
    thing = Thing()
    thing.held = thing
    search_young()
    dead = weakref.ref(thing)
    del thing
    gc.collect()
    assert dead() is not None
    search_all()
    assert dead() is None


async def test_what_is_new_and_everything_are_searched_again_and_again() -> None:
    searching = asyncio.create_task(keep_searching(young_every_s=0.001, all_every_s=0.002))
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
    before = list(gc.callbacks)
    with left_alone():
        thing = Thing()
        search_young()
        assert gc.callbacks != before
    assert gc.callbacks == before
    assert is_searched(thing)
