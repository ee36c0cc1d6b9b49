"""The skew of simulated clocks lies within what is told of it, whatever the queues and the routes do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.skew import MAX_PPM, Point, Skew, fit_skew
from tests.collectors.clocks_apart import EPOCH_NS, MS, US, Apart, Change, S, bursts, exponential, gamma

BLOCK_NS = 4 * S


def least(apart: Apart, seed: int) -> tuple[list[Point], list[Point]]:
    """Return the least differences of each 4 s."""
    forward: dict[int, Point] = {}
    backward: dict[int, Point] = {}
    for packet in apart.packets(random.Random(seed)):
        block = (packet.at_ns - EPOCH_NS) // BLOCK_NS
        if block not in forward or packet.forward_ns < forward[block][1]:
            forward[block] = (packet.at_ns, packet.forward_ns)
        if block not in backward or packet.backward_ns < backward[block][1]:
            backward[block] = (packet.at_ns, packet.backward_ns)
    return list(forward.values()), list(backward.values())


BUSY = exponential(5 * MS)
IDLE = exponential(20 * US)
PATHS = {
    "even queues": Apart(),
    "idle": Apart(queue_forward=IDLE, queue_backward=IDLE),
    "one direction busy": Apart(queue_forward=BUSY, queue_backward=IDLE),
    "queues that are never empty": Apart(queue_forward=gamma(5, 2 * MS), queue_backward=gamma(5, 2 * MS)),
    "bursts": Apart(queue_forward=bursts(MS), queue_backward=bursts(200 * US)),
    "a packet a second": Apart(per_s=1, seconds=128),
    "a longer route": Apart(changes=(Change(25, forward_ns=5 * MS),)),
    "a shorter route": Apart(changes=(Change(25, backward_ns=-5 * MS),)),
    "another route there and back": Apart(changes=(Change(25, forward_ns=-3 * MS, backward_ns=2 * MS),)),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ppm", [0, 50, -120])
def test_the_skew_lies_within_what_is_told_of_it(path: str, ppm: int) -> None:
    for seed in range(20):
        apart = PATHS[path]
        change = Change(0, skew_ppm=ppm)
        found = fit_skew(*least(Apart(**{**vars(apart), "changes": (*apart.changes, change)}), seed))
        assert found is not None
        assert found.low_ppm <= ppm <= found.high_ppm


def test_a_minute_of_an_idle_path_tells_the_skew_to_a_tenth_of_a_ppm() -> None:
    found = fit_skew(*least(Apart(queue_forward=IDLE, queue_backward=IDLE, skew_ppm=50), 1))
    assert found is not None
    assert found.ppm == pytest.approx(50, abs=0.1)
    assert found.uncertainty_ppm < 0.5


def test_the_quiet_direction_decides() -> None:
    busy_both = fit_skew(*least(Apart(queue_forward=BUSY, queue_backward=BUSY), 1))
    busy_one = fit_skew(*least(Apart(queue_forward=BUSY, queue_backward=IDLE), 1))
    assert busy_both is not None
    assert busy_one is not None
    assert busy_one.uncertainty_ppm < busy_both.uncertainty_ppm / 2


def test_few_points_tell_no_skew() -> None:
    assert fit_skew([(0, 5)], [(0, 7)]) is None
    assert fit_skew([(0, 5), (S, 5)], [(0, 7), (S, 7)]) is None


def test_a_clock_faster_than_any_discipline_makes_one_has_no_skew() -> None:
    assert fit_skew([(t * S, t * MS) for t in range(20)], [(t * S, -t * MS) for t in range(20)]) is None


times = st.integers(0, 200 * S)
values = st.integers(-(10**10), 10**10)
points = st.lists(st.tuples(times, values), min_size=1, max_size=40)


@given(points, points)
def test_whatever_the_points_are_an_interval_is_one(forward: list[Point], backward: list[Point]) -> None:
    found = fit_skew(forward, backward)
    if found is not None:
        assert -MAX_PPM <= found.low_ppm <= found.ppm <= found.high_ppm <= MAX_PPM


@given(st.integers(-(10**18), 10**18))
def test_the_offset_itself_has_no_part_in_it(offset_ns: int) -> None:
    forward, backward = least(Apart(seconds=40), 3)
    moved = [(at, value + offset_ns) for at, value in forward], [(at, value - offset_ns) for at, value in backward]
    assert fit_skew(*moved) == fit_skew(forward, backward)


def test_skews_meet_where_one_rate_can_be_both() -> None:
    slow, fast = Skew(low_ppm=-1, high_ppm=1), Skew(low_ppm=0.5, high_ppm=3)
    assert slow.meets(fast)
    assert fast.meets(slow)
    assert not slow.meets(Skew(low_ppm=2, high_ppm=3))
