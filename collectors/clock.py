"""The two clocks of a host, never mixed, and what the kernel says of the one that others can compare with."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

PUBLISHED = Path("/run/eragent-clock/state")
"""Where :mod:`collectors.clock_publisher` tells what its kernel says to processes that may not ask it themselves."""

_PUBLISHED_FOR_NS = 500_000_000  # less than it takes the kernel to let its bound grow by the next 500 µs
_STA_UNSYNC = 0x0040
_BOUND_GROWS = 500e-6  # seconds a second that the kernel adds to maxerror (MAXFREQ of its ntp.c): a bad crystal's drift


class Clock(Protocol):
    """Where times come from; tests pass their own."""

    def monotonic_ns(self) -> int:
        """Return CLOCK_MONOTONIC: for differences on this host."""

    def wall_ns(self) -> int:
        """Return CLOCK_REALTIME: for kernel stamps, and between hosts."""


class SystemClock:
    """The host's clocks."""

    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What the kernel knows of CLOCK_REALTIME: whether something keeps it synchronised to UTC, and how far off it is.

    ``error_ns`` is the kernel's estimate, ``max_error_ns`` its bound; both mean nothing while unsynchronised.
    ``tai_offset_s`` is TAI less UTC, where something told the kernel.
    """

    synchronised: bool
    error_ns: int
    max_error_ns: int
    tai_offset_s: int | None = None

    @property
    def synchronised_within_s(self) -> float | None:
        """How long ago the clock was set right at most; ``None`` while unsynchronised.

        The kernel keeps no time of that. Its bound grows by 500 ppm from each update on, from what the update said:
        had that been nothing, all of it would have grown since.
        """
        return self.max_error_ns / 1e9 / _BOUND_GROWS if self.synchronised else None


class _Timex(ctypes.Structure):
    """The kernel's struct timex on 64-bit Linux (adjtimex(2)); the tail is reserved space."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("tail", ctypes.c_byte * 128),
    )


_LIBC = ctypes.CDLL(None, use_errno=True)  # finding it takes ten times as long as the call


def suspended_ns() -> int:
    """Return how long this host was suspended since it started: CLOCK_BOOTTIME goes on then, CLOCK_MONOTONIC stands.

    A program that is stalled between reading the two gets less than that, never more.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


def kernel_clock_state() -> ClockState:
    """Return the state of CLOCK_REALTIME by the kernel, as it is or was published in the last half second.

    Raise :class:`OSError` where a sandbox forbids to ask and nothing was published.
    """
    return asked_or_published(ask_kernel, PUBLISHED)


def asked_or_published(ask: Callable[[], ClockState], published: Path) -> ClockState:
    """Return what the kernel says; where this process may not ask, what one that may has written to ``published``."""
    try:
        return ask()
    except PermissionError:
        return parse_published(published.read_bytes(), time.monotonic_ns())


def ask_kernel() -> ClockState:
    """Read the state of CLOCK_REALTIME from the kernel (adjtimex(2), nothing is changed).

    Raise :class:`OSError` where a sandbox forbids the call.
    """
    timex = _Timex()
    if _LIBC.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return ClockState(
        synchronised=not timex.status & _STA_UNSYNC,
        error_ns=timex.esterror * 1000,
        max_error_ns=timex.maxerror * 1000,
        tai_offset_s=timex.tai or None,
    )


def published(state: ClockState, monotonic_ns: int) -> bytes:
    """Write down a state for other processes of this host, and when it was read."""
    return json.dumps({"monotonic_ns": monotonic_ns, **asdict(state)}).encode() + b"\n"


def parse_published(text: bytes, monotonic_ns: int) -> ClockState:
    """Read what :func:`published` wrote; raise :class:`OSError` where that is too long ago, or it is something else."""
    try:
        fields = json.loads(text)
        read_ns = fields.pop("monotonic_ns")
        state = ClockState(**fields)
        is_young = 0 <= monotonic_ns - read_ns <= _PUBLISHED_FOR_NS
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise OSError(errno.EBADMSG, "what was published is no state of a clock") from error
    if not is_young:
        raise OSError(errno.ESTALE, "the state of the clock was published too long ago")
    return state
