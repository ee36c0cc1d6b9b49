"""The two clocks of a host, never mixed, and what the kernel says of the one that others can compare with."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from typing import Protocol

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
