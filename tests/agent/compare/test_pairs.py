"""Pairs of the same slot, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from agent.compare.pairs import Excluded, Gathering, Pairs, pair
from collectors.sample import Outcome
from tests.agent.compare.streams import MIDNIGHT_NS, S, stream


def joined(parts: Sequence[Pairs]) -> Pairs:
    gathering = Gathering()
    for part in parts:
        gathering.take(part)
    return gathering.pairs()


def test_only_slots_of_both_paths_are_pairs() -> None:
    pairs = pair(stream([1, 2, 3], slots=[0, 1, 2]), stream([4, 5, 6], slots=[1, 2, 9]))
    assert pairs.slot.tolist() == [1, 2]
    assert pairs.baseline.rtt_ns.tolist() == [2e6, 3e6]
    assert pairs.candidate.rtt_ns.tolist() == [4e6, 5e6]
    assert pairs.excluded == Excluded(unpaired=2)


def test_each_slot_that_is_left_out_counts_once_with_its_first_reason() -> None:
    ours = stream([1] * 7, noisy=[0, 1, 4], outcomes={0: Outcome.NOT_SENT})
    theirs = stream([1] * 7, noisy=[5], outcomes={0: Outcome.OVERLOOKED, 2: Outcome.OVERLOOKED})
    pairs = pair(ours, theirs)
    assert pairs.slot.tolist() == [3, 6]
    assert pairs.excluded == Excluded(not_sent=1, overlooked=1, noisy=3)
    assert pairs.excluded.total == 5


def test_packets_of_one_slot_that_left_at_different_times_are_no_pair() -> None:
    ours = stream([1] * 100)
    theirs = stream([1] * 100, clock_step_ns=(99, 5 * S))
    assert pair(ours, theirs).excluded == Excluded(apart=1)


def test_a_clock_that_is_stepped_for_both_paths_changes_nothing() -> None:
    stepped = [stream([1] * 100, clock_step_ns=(50, step * S)) for step in (3600, -3600, 0)]
    forward, backward, still = (pair(one, one) for one in stepped)
    assert forward.interval_ns == backward.interval_ns == still.interval_ns == 100_000_000
    assert forward.duration_s == backward.duration_s == still.duration_s == 10
    assert {pairs.begins_ns for pairs in (forward, backward, still)} == {MIDNIGHT_NS}


def test_slots_may_count_from_anywhere() -> None:
    ours = stream([1] * 100)
    theirs = replace(ours, slot=ours.slot + 2**61)
    near, far = pair(ours, ours), pair(theirs, theirs)
    assert (far.duration_s, far.begins_ns) == (near.duration_s, MIDNIGHT_NS)
    assert np.array_equal(far.units(S), near.units(S))


def test_units_of_time_have_their_pairs_and_those_without_any_are_not_there() -> None:
    slots = np.array([0, 5, 9, 10, 11, 35, 99])
    path = stream([1] * len(slots), slots=slots.tolist())
    number, begins = pair(path, path).units(S, since_ns=MIDNIGHT_NS)
    assert number.tolist() == [0, 1, 3, 9]
    assert begins.tolist() == [0, 3, 5, 6]
    nothing = pair(stream([]), stream([]))
    assert [found.tolist() for found in nothing.units(S)] == [[], []]


def test_units_go_on_where_one_stretch_of_pairs_ends_and_the_next_begins() -> None:
    path = stream([1] * 150_000)
    number, begins = pair(path, path).units(7 * S, since_ns=MIDNIGHT_NS)
    assert begins.tolist() == list(range(0, 150_000, 70))
    assert number.tolist() == list(range(len(begins)))


def test_what_failed_was_not_delivered_as_what_was_lost_and_has_no_delay() -> None:
    ours = stream([1, None, 1], outcomes={2: Outcome.FAILED})
    side = pair(ours, stream([1, 1, 1])).baseline
    assert side.lost.tolist() == [False, True, True]
    assert side.received.tolist() == [True, False, False]
    assert side.rtt_ns[:1].tolist() == [1e6]
    ours.rtt_ns[2] = -(2**63)
    assert pair(ours, stream([1, 1, 1])).baseline.received.tolist() == [True, False, False]


@pytest.mark.parametrize("empty", [stream([]), stream([1], slots=[7])], ids=["nothing", "another slot"])
def test_without_a_common_slot_there_are_no_pairs(empty: object) -> None:
    pairs = pair(stream([1, 2]), empty)  # type: ignore[arg-type]  # a parameter of pytest is any object
    assert len(pairs) == 0
    assert pairs.duration_s == 0


def test_stretches_are_joined_in_order_with_all_that_was_left_out() -> None:
    first = pair(stream([1, 2], slots=[0, 1]), stream([1, 2], slots=[0, 1], noisy=[1]))
    nothing = pair(stream([]), stream([]))
    second = pair(stream([3] * 5, slots=range(10, 15)), stream([4] * 5, slots=range(10, 15)))
    pairs = joined([nothing, first, second])
    assert pairs.slot.tolist() == [0, 10, 11, 12, 13, 14]
    assert pairs.excluded == Excluded(noisy=1)
    assert pairs.interval_ns == 100_000_000
    assert pairs.begins_ns == MIDNIGHT_NS
    assert np.array_equal(pairs.candidate.rtt_ns[1:], np.full(5, 4e6))


def test_stretches_that_overlap_in_slots_are_put_in_order() -> None:
    later = pair(stream([3, 4], slots=[7, 20]), stream([3, 4], slots=[7, 20]))
    earlier = pair(stream([1, 2, 9], slots=[1, 2, 7]), stream([1, 2, 9], slots=[1, 2, 7]))
    pairs = joined([later, earlier])
    assert (pairs.slot - pairs.slot[0]).tolist() == [0, 1, 6, 19]
    assert pairs.baseline.rtt_ns.tolist() == [1e6, 2e6, 3e6, 4e6]


def test_slots_that_are_far_apart_keep_their_distance() -> None:
    parts = [pair(stream([1], slots=[slot]), stream([1], slots=[slot])) for slot in (5, 2**40, 2**41)]
    assert np.diff(joined(parts).slot).tolist() == [2**40 - 5, 2**40]


def test_stretches_without_pairs_join_to_none() -> None:
    nothing = pair(stream([]), stream([]))
    assert len(joined([nothing, nothing])) == 0
