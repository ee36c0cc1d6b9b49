"""The two clocks of a host, never mixed, and what the kernel says of the one that others can compare with."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from typing import Protocol

_STA_UNSYNC = 0x0040


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
    """

    synchronised: bool
    error_ns: int
    max_error_ns: int


class _Timex(ctypes.Structure):
    """The kernel's struct timex on 64-bit Linux (adjtimex(2)); the tail is reserved space."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("tail", ctypes.c_byte * 256),
    )


def kernel_clock_state() -> ClockState:
    """Read the state of CLOCK_REALTIME from the kernel (adjtimex(2), nothing is changed).

    Raise :class:`OSError` where a sandbox forbids the call.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    timex = _Timex()
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return ClockState(
        synchronised=not timex.status & _STA_UNSYNC,
        error_ns=timex.esterror * 1000,
        max_error_ns=timex.maxerror * 1000,
    )
