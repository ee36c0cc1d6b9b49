from __future__ import annotations

from dataclasses import asdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lab.impair import Behaviour, Bursts, Direction, Fates, Jitter, Lateness, Tail, behaviour_of

MS = 1_000_000
INTERNET = Behaviour(
    delay_ns=9 * MS,
    jitter=Jitter(median_ns=350_000, sigma=0.8, tail=Tail(share=0.02, least_ns=3 * MS, most_ns=90 * MS, shape=1.5)),
    loss=0.01,
    bursts=Bursts(enter=0.01, mean_frames=4),
    bits_per_second=100_000_000,
)

arrivals = st.lists(
    st.tuples(st.integers(0, 10 * MS), st.integers(64, 65_550)), max_size=80
)  # time since the frame before, and size


def departures(direction: Direction, frames: list[tuple[int, int]]) -> list[tuple[int, int | None]]:
    now_ns, seen = 1_000_000_000, []
    for gap_ns, octets in frames:
        now_ns += gap_ns
        seen.append((now_ns, direction.due_ns(now_ns, octets)))
    return seen


def test_a_link_with_nothing_but_delay_adds_exactly_that() -> None:
    direction = Direction(Behaviour(delay_ns=6 * MS), Random(1))
    assert direction.due_ns(5, 1500) == 5 + 6 * MS


@given(arrivals, st.integers())
def test_no_frame_is_early_and_order_is_kept(frames: list[tuple[int, int]], seed: int) -> None:
    seen = departures(Direction(INTERNET, Random(seed)), frames)
    due = [(arrived, due) for arrived, due in seen if due is not None]
    assert all(due_ns >= arrived_ns + INTERNET.delay_ns for arrived_ns, due_ns in due)
    assert [due_ns for _, due_ns in due] == sorted(due_ns for _, due_ns in due)


@given(arrivals, st.integers())
def test_every_frame_has_exactly_one_fate(frames: list[tuple[int, int]], seed: int) -> None:
    direction = Direction(INTERNET, Random(seed))
    seen = departures(direction, frames)
    assert sum(asdict(direction.fates).values()) == len(frames)
    assert direction.fates.carried == sum(due is not None for _, due in seen)


@given(arrivals, st.integers())
def test_the_same_seed_gives_the_same_fates(frames: list[tuple[int, int]], seed: int) -> None:
    assert departures(Direction(INTERNET, Random(seed)), frames) == departures(
        Direction(INTERNET, Random(seed)), frames
    )


def test_a_rate_spaces_frames_by_their_size() -> None:
    direction = Direction(Behaviour(delay_ns=0, bits_per_second=8_000_000), Random(1))
    assert [direction.due_ns(0, 1000) for _ in range(3)] == [1 * MS, 2 * MS, 3 * MS]


def test_a_full_queue_drops_and_does_not_delay_what_follows() -> None:
    direction = Direction(Behaviour(delay_ns=0, bits_per_second=8_000_000, queue_ns=2 * MS), Random(1))
    dues = [direction.due_ns(0, 1000) for _ in range(5)]
    assert dues == [1 * MS, 2 * MS, 3 * MS, None, None]
    assert direction.fates == Fates(carried=3, overflowed=2)
    assert direction.due_ns(10 * MS, 1000) == 11 * MS


def test_a_cut_link_carries_nothing_and_counts_it_apart_from_loss() -> None:
    direction = Direction(Behaviour(delay_ns=0), Random(1))
    direction.is_up = False
    assert direction.due_ns(0, 100) is None
    direction.is_up = True
    assert direction.due_ns(1, 100) == 1
    assert direction.fates == Fates(carried=1, cut=1)


def test_a_burst_loses_every_frame_in_it() -> None:
    direction = Direction(Behaviour(delay_ns=0, bursts=Bursts(enter=1.0, mean_frames=1e12)), Random(1))
    assert [direction.due_ns(at, 100) for at in range(20)] == [None] * 20


@pytest.mark.parametrize(
    ("behaviour", "share"),
    [
        (Behaviour(delay_ns=0, loss=0.01), 0.01),
        (Behaviour(delay_ns=0, bursts=Bursts(enter=0.002, mean_frames=5)), 0.002 * 5 / (1 + 0.002 * 5)),
    ],
)
def test_loss_over_many_frames_is_what_was_asked_for(behaviour: Behaviour, share: float) -> None:
    direction = Direction(behaviour, Random(7))
    for at in range(100_000):
        direction.due_ns(at, 100)
    assert direction.fates.lost / 100_000 == pytest.approx(share, rel=0.3)


def test_without_order_a_frame_overtakes_another() -> None:
    jitter = Jitter(median_ns=MS, sigma=1.0, lasts_ns=0)
    direction = Direction(Behaviour(delay_ns=0, jitter=jitter, keep_order=False), Random(3))
    dues = [direction.due_ns(at, 100) or 0 for at in range(100)]
    assert dues != sorted(dues)


def test_frames_close_together_share_one_draw_and_distant_ones_do_not() -> None:
    jitter = Jitter(median_ns=MS, sigma=1.0, lasts_ns=10 * MS)
    direction = Direction(Behaviour(delay_ns=0, jitter=jitter, keep_order=False), Random(3))
    close = {(direction.due_ns(at * MS, 100) or 0) - at * MS for at in range(10)}
    distant = {(direction.due_ns(at * MS, 100) or 0) - at * MS for at in range(10, 200, 10)}
    assert len(close) == 1
    assert len(distant) == 19


def test_the_tail_is_rare_long_and_bounded() -> None:
    random, jitter = Random(5), INTERNET.jitter
    assert jitter is not None
    delays = sorted(jitter.draw_ns(random) for _ in range(20_000))
    assert delays[10_000] == pytest.approx(350_000, rel=0.05)
    assert sum(delay >= 3 * MS for delay in delays) / 20_000 == pytest.approx(0.024, abs=0.006)
    assert 30 * MS < delays[-1] <= 90 * MS


def test_a_behaviour_survives_the_way_to_the_links_process() -> None:
    assert behaviour_of(asdict(INTERNET)) == INTERNET
    assert behaviour_of(asdict(Behaviour(delay_ns=1))) == Behaviour(delay_ns=1)


def test_lateness_is_summed_up_by_nearest_rank() -> None:
    lateness = Lateness()
    for late_us in range(1, 101):
        lateness.add(late_us * 1000)
    assert lateness.summary() == {"p50": 50_000, "p99": 99_000, "max": 100_000}


def test_lateness_without_frames_is_unknown() -> None:
    assert Lateness().summary() == {"p50": None, "p99": None, "max": None}
