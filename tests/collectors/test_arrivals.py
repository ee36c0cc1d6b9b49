"""Receive stamps find their place on the monotonic clock, whatever the wall clock does meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.arrivals import Arrivals

MS = 1_000_000
WALL = 1_768_478_400_000_000_000  # wall minus monotonic at first
STEPS_NS = (-3_600_000 * MS, -60 * MS, 60 * MS, 3_600_000 * MS)


def arrivals(step_ns: int = 0) -> Arrivals:
    """Read at 100 and at 120 ms; the wall clock is stepped in between."""
    found = Arrivals()
    found.reading(wall_ns=WALL + 100 * MS, monotonic_ns=100 * MS)
    found.reading(wall_ns=WALL + 120 * MS + step_ns, monotonic_ns=120 * MS)
    return found


def test_an_answer_came_as_long_ago_as_its_stamp() -> None:
    assert arrivals().arrived(WALL + 105 * MS) == (WALL + 105 * MS, 105 * MS)


def test_an_answer_that_comes_while_others_are_read_came_just_then() -> None:
    assert arrivals().arrived(WALL + 120 * MS + 50) == (WALL + 120 * MS + 50, 120 * MS + 50)


def test_an_answer_that_waited_for_long_came_that_long_ago() -> None:
    assert arrivals().arrived(WALL + 30 * MS) == (WALL + 30 * MS, 30 * MS)


def test_without_a_stamp_an_answer_came_when_it_is_read() -> None:
    assert arrivals().arrived(None) == (WALL + 120 * MS, 120 * MS)


@given(st.sampled_from(STEPS_NS), st.integers(101 * MS, 119 * MS), st.booleans())
def test_a_stepped_wall_clock_moves_no_arrival(step_ns: int, came_ns: int, before: bool) -> None:
    stamp_ns = WALL + came_ns + (0 if before else step_ns)
    assert arrivals(step_ns).arrived(stamp_ns) == (stamp_ns, came_ns)


def test_a_stamp_that_fits_neither_side_of_a_step_tells_nothing() -> None:
    assert arrivals(60 * MS).arrived(WALL + 5 * MS) == (WALL + 180 * MS, 120 * MS)
