"""What the kernel says of its clock is read where it stands, and how long the clock was left alone is bounded."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from collectors.clock import (
    ClockState,
    asked_or_published,
    kernel_clock_state,
    parse_published,
    published,
    suspended_ns,
)
from collectors.clock_publisher import publish

_KEPT = ClockState(synchronised=True, error_ns=1_000, max_error_ns=52_000, tai_offset_s=37)
_UNKEPT = ClockState(synchronised=False, error_ns=0, max_error_ns=16_000_000_000)


def _refused() -> ClockState:
    raise PermissionError(errno.EPERM, "adjtimex")


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


def test_who_may_not_ask_the_kernel_hears_from_who_may(tmp_path: Path) -> None:
    publish(tmp_path / "state")
    heard, asked = asked_or_published(_refused, tmp_path / "state"), kernel_clock_state()
    assert (heard.synchronised, heard.tai_offset_s) == (asked.synchronised, asked.tai_offset_s)
    assert [file.name for file in tmp_path.iterdir()] == ["state"]
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o644  # the readers are other users


def test_who_may_ask_does_not_read_what_others_say(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(published(_UNKEPT, time.monotonic_ns()))
    assert asked_or_published(lambda: _KEPT, tmp_path / "state") is _KEPT


@pytest.mark.parametrize("state", [_KEPT, _UNKEPT])
def test_what_is_published_is_read_as_it_was(state: ClockState) -> None:
    assert parse_published(published(state, 5_000_000_000), 5_000_000_000) == state
    assert parse_published(published(state, 5_000_000_000), 5_500_000_000) == state


@pytest.mark.parametrize("now_ns", [5_500_000_001, 4_999_999_999])
def test_what_was_published_too_long_ago_is_not_known(now_ns: int) -> None:
    with pytest.raises(OSError, match="too long ago"):
        parse_published(published(_KEPT, 5_000_000_000), now_ns)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"monotonic_ns": 1}', b'{"monotonic_ns": "x"}', b"\xff"])
def test_what_is_no_state_of_a_clock_is_not_known(text: bytes) -> None:
    with pytest.raises(OSError, match="no state of a clock"):
        parse_published(text, 1)


def test_where_nothing_is_published_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asked_or_published(_refused, tmp_path / "state")
