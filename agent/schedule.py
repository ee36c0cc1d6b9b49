"""When packets are due: slots at start + k·interval, ticked by a timerfd; what went by is missed, never made up for."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

_Thing = TypeVar("_Thing")


class Tick(NamedTuple):
    """A slot whose time has come: its number, when it was due (monotonic), and how many before it went by unused.

    ``lag_ns`` is how long after the first of all these was due it was looked at.
    """

    slot: int
    due_ns: int
    missed: int
    lag_ns: int


class Slots:
    """The slots of one schedule. It never shifts, and never bursts to catch up: what went by is missed. No I/O."""

    def __init__(self, *, start_ns: int, interval_ns: int) -> None:
        self.start_ns = start_ns
        self.interval_ns = interval_ns
        self._last = -1

    def reach(self, now_ns: int) -> Tick | None:
        """Return the slot that is due at ``now_ns``; ``None`` where it has been returned before, or none is due yet."""
        interval_ns = self.interval_ns
        slot, lag_ns = divmod(now_ns - self.start_ns, interval_ns)
        missed = slot - self._last - 1
        if missed < 0:
            return None
        self._last = slot
        return Tick(slot, now_ns - lag_ns, missed, lag_ns + missed * interval_ns)


def turns(things: Sequence[_Thing], slots: int, together: int) -> list[list[_Thing]]:
    """Share out what is to be done with each thing once in so many slots.

    It is done with so many things together, in slots as far from each other as can be; with more of them only where
    there are not slots enough.
    """
    used = min(-(-len(things) // together), slots)
    shared: list[list[_Thing]] = [[] for _ in range(slots)]
    for place, thing in enumerate(things):
        turn = place * used // len(things)
        shared[turn * slots // used].append(thing)
    return shared


class Ticker:
    """Calls back at every slot, from a timerfd that the loop watches.

    Loop timers are no use here: asyncio's are 1.1 ms late at the median and uvloop's may fire early, a timerfd is 31-89
    µs late.
    """

    def __init__(self, loop: AbstractEventLoop, slots: Slots, on_tick: Callable[[Tick], None]) -> None:
        self._loop = loop
        self._slots = slots
        self._on_tick = on_tick
        self._timer = _timerfd(slots.start_ns, slots.interval_ns)
        loop.add_reader(self._timer, self._on_expired)

    def close(self) -> None:
        """Stop ticking."""
        if self._timer >= 0:
            self._loop.remove_reader(self._timer)
            os.close(self._timer)
            self._timer = -1

    def _on_expired(self) -> None:
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return
        tick = self._slots.reach(time.monotonic_ns())
        if tick is not None:
            self._on_tick(tick)


def _timerfd(start_ns: int, interval_ns: int) -> int:
    """Return a non-blocking timerfd on CLOCK_MONOTONIC that expires at ``start_ns`` and every interval after."""
    if sys.version_info >= (3, 13):
        timer = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
        os.timerfd_settime_ns(timer, flags=os.TFD_TIMER_ABSTIME, initial=start_ns, interval=interval_ns)
        return timer
    return _timerfd_before_313(start_ns, interval_ns)


def _timerfd_before_313(start_ns: int, interval_ns: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    timer: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    setting = struct.pack("@qqqq", *divmod(interval_ns, 1_000_000_000), *divmod(start_ns, 1_000_000_000))
    if timer < 0 or libc.timerfd_settime(timer, 1, setting, None) < 0:  # 1: TFD_TIMER_ABSTIME
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return timer
