"""What the kernel says of its clock is read where it stands, and how long the clock was left alone is bounded."""

from __future__ import annotations

import time

from collectors.clock import ClockState, kernel_clock_state, suspended_ns


def test_the_kernel_tells_of_its_clock() -> None:
    state = kernel_clock_state()
    assert 0 <= state.error_ns <= 16_000_000_000  # the most that the kernel ever says
    assert 0 <= state.max_error_ns <= 16_000_000_000
    assert state.tai_offset_s is None or 30 < state.tai_offset_s < 50  # 37 since 2017


def test_the_offset_of_tai_is_that_between_the_kernels_two_clocks() -> None:
    seconds = time.clock_gettime(time.CLOCK_TAI) - time.clock_gettime(time.CLOCK_REALTIME)
    assert (kernel_clock_state().tai_offset_s or 0) == round(seconds)


def test_the_bound_tells_when_the_clock_was_set_right_at_the_latest() -> None:
    state = ClockState(synchronised=True, error_ns=0, max_error_ns=32_000_000)
    assert state.synchronised_within_s == 64  # 500 ppm: half a millisecond a second


def test_of_an_unsynchronised_clock_nothing_is_known() -> None:
    assert ClockState(synchronised=False, error_ns=0, max_error_ns=32_000_000).synchronised_within_s is None


def test_a_host_that_is_awake_is_not_suspended_meanwhile() -> None:
    before = max(suspended_ns() for _ in range(100))
    assert max(suspended_ns() for _ in range(100)) - before < 1_000_000
