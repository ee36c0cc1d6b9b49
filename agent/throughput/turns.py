"""Whose turn it is to load the network: tests of one host never overlap, and who meets another comes back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from random import Random

_NAME = "\0eragent-throughput"
"""In the abstract namespace: it is one per network namespace, needs no permission, and ends with its process."""

FIRST_WAIT_S, LONGEST_WAIT_S, ATTEMPTS = 2.0, 60.0, 6


class TurnTakenError(Exception):
    """Another process of this host tests throughput at present."""


def wait_s(attempt: int, rng: Random, *, first_s: float = FIRST_WAIT_S) -> float | None:
    """Return how long to wait after the ``attempt``-th failure (from 0); ``None``: give up.

    Waits double and have a random half, so that two who met do not meet again.
    """
    if attempt + 1 >= ATTEMPTS:
        return None
    longest_s: float = min(first_s * 2**attempt, LONGEST_WAIT_S)
    return longest_s / 2 + rng.random() * longest_s / 2


class Turns:
    """One test at a time: on any path, to any target, of this process and of all others of the host.

    Two tests on one path, or to one target, would measure each other; two on different paths would share this host's
    processors and links, and neither would be what the path carries.
    """

    def __init__(
        self,
        rng: Random,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        hold: Callable[[], AbstractContextManager[object] | None] | None = None,
        on_wait: Callable[[float], None] | None = None,
    ) -> None:
        self._rng = rng
        self._sleep = sleep
        self._hold = hold or held_by_name
        self._on_wait = on_wait or (lambda _: None)
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this process's turn, then for others; raise :class:`TurnTakenError` where they do not end."""
        async with self._lock:
            with await self._held():
                yield

    async def _held(self) -> AbstractContextManager[object]:
        attempt = 0
        while True:
            held = self._hold()
            if held is not None:
                return held
            delay_s = wait_s(attempt, self._rng)
            if delay_s is None:
                raise TurnTakenError(
                    "another process of this host goes on testing throughput, or this one may open no more files"
                )
            self._on_wait(delay_s)
            await self._sleep(delay_s)
            attempt += 1


def held_by_name() -> socket.socket | None:
    """Return what shows this process to others as the one that tests, until it is closed; ``None``: not now."""
    try:
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError:  # too many open files: no test could run either
        return None
    try:
        held.bind(_NAME)
    except OSError:
        held.close()
        return None
    return held
