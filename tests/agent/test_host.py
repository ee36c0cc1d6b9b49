"""What the host did to its measurements is counted, and a suspension is told from a stall of this program."""

from __future__ import annotations

from collections.abc import Sequence

from agent.host import HostCounts, Suspensions
from collectors.sample import NOISE_NS

SECOND_NS = 1_000_000_000


def passed(readings_ns: Sequence[int]) -> list[int]:
    """Return what is noticed where the host tells these times, the first one at the start."""
    readings = iter(readings_ns)
    suspensions = Suspensions(lambda: next(readings))
    return [suspensions.passed_ns() for _ in readings_ns[1:]]


def test_a_suspension_is_noticed_once_with_its_duration() -> None:
    assert passed([5, 5, 5 + 60 * SECOND_NS, 5 + 60 * SECOND_NS]) == [0, 60 * SECOND_NS, 0]


def test_a_stall_between_reading_two_clocks_is_no_suspension() -> None:
    assert passed([0, -9 * SECOND_NS, 0]) == [0, 0]
    assert passed([-50_000_000, 0, 0]) == [0, 0]


def test_suspensions_are_counted() -> None:
    readings = iter([0, SECOND_NS, SECOND_NS, 3 * SECOND_NS])
    suspensions = Suspensions(lambda: next(readings))
    assert [suspensions.passed_ns() for _ in range(3)] == [SECOND_NS, 0, 2 * SECOND_NS]
    assert suspensions.count == 2


def test_this_host_was_not_suspended_just_now() -> None:
    suspensions = Suspensions()
    assert [suspensions.passed_ns() for _ in range(1000)] == [0] * 1000


def test_only_what_is_beyond_the_bound_is_a_stall() -> None:
    host = HostCounts()
    for lag_ns in (40_000, NOISE_NS, NOISE_NS + 1):
        host.lagged(lag_ns)
    assert (host.stalls, host.longest_lag_ns, host.loop_lag.sum_ns) == (1, NOISE_NS + 1, 40_001 + 2 * NOISE_NS)
