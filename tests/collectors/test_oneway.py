"""One-way delays are shown where the clocks support them, with bounds that hold; elsewhere a reason, and no value."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.claim import ClockClaim
from collectors.oneway import Bounded, Doubt, OneWay, OneWayTrack
from collectors.timescale import Timescale
from tests.collectors.clocks_apart import EPOCH_NS, MS, US, Apart, Change, Packet, S, exponential

KEPT = ClockClaim(synchronised=True, error_ns=100 * US)
FREE = ClockClaim(synchronised=False, error_ns=100 * US)


def follow(apart: Apart, here: ClockClaim = KEPT, there: ClockClaim = KEPT, seed: int = 1) -> tuple[OneWay, Packet]:
    """Follow a path to its end; return what is known then, and the last packet."""
    track = OneWayTrack()
    track.clocks(here, there)
    packets = list(apart.packets(random.Random(seed)))
    for packet in packets:
        track.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
    return track.figures(), packets[-1]


def holds(bounded: Bounded | None, truth_ns: float) -> bool:
    assert bounded is not None
    return bounded.low_ns - US <= truth_ns <= bounded.high_ns + US


def test_clocks_that_are_kept_give_one_way_delays_on_an_asymmetric_path() -> None:
    known, packet = follow(Apart(forward_ns=15 * MS, backward_ns=5 * MS, offset_ns=-50 * US))
    assert known.valid
    assert known.reason is None
    assert known.error_ns == 200 * US
    assert known.forward is not None
    assert known.backward is not None
    assert known.forward.value_ns == pytest.approx(packet.forward_ns + 50 * US, abs=200 * US)
    assert known.backward.value_ns == pytest.approx(packet.backward_ns - 50 * US, abs=200 * US)
    assert known.forward.high_ns - known.forward.low_ns == 400 * US


def test_true_delays_lie_within_their_bounds_where_errors_are_honest() -> None:
    missed = 0
    for seed in range(500):
        chance = random.Random(seed)
        forward_ns, backward_ns = chance.randrange(20 * US, 30 * MS), chance.randrange(20 * US, 30 * MS)
        apart = Apart(
            forward_ns=forward_ns, backward_ns=backward_ns, offset_ns=chance.uniform(-190, 190) * US, seconds=5
        )
        known, packet = follow(apart, seed=seed)
        assert known.valid
        missed += not holds(known.offset, packet.offset_ns)
        missed += not holds(known.forward, packet.forward_ns - packet.offset_ns)
        missed += not holds(known.backward, packet.backward_ns + packet.offset_ns)
    assert missed == 0


def test_on_a_short_path_round_trips_say_more_than_the_clocks() -> None:
    queues = exponential(10 * US)
    apart = Apart(forward_ns=40 * US, backward_ns=40 * US, queue_forward=queues, queue_backward=queues)
    known, packet = follow(apart)
    assert known.valid
    assert known.forward is not None
    assert known.forward.high_ns - known.forward.low_ns < 150 * US
    assert holds(known.forward, packet.forward_ns)


@pytest.mark.parametrize(
    ("here", "there", "reason"),
    [
        (FREE, KEPT, Doubt.NOT_SYNCHRONISED),
        (KEPT, FREE, Doubt.NOT_SYNCHRONISED),
        (KEPT, ClockClaim(), Doubt.NOT_SYNCHRONISED),
        (KEPT, ClockClaim(synchronised=True), Doubt.ERROR_UNKNOWN),
        (ClockClaim(synchronised=True, error_ns=0), KEPT, Doubt.ERROR_UNKNOWN),
        (KEPT, ClockClaim(synchronised=True, error_ns=MS), Doubt.ERROR_TOO_LARGE),
    ],
)
def test_clocks_that_do_not_support_it_give_bounds_alone(here: ClockClaim, there: ClockClaim, reason: Doubt) -> None:
    known, packet = follow(Apart(forward_ns=15 * MS, backward_ns=5 * MS, offset_ns=300 * MS), here, there)
    assert not known.valid
    if here.error_ns and there.error_ns and here.synchronised and there.synchronised:
        assert known.reason is Doubt.CONTRADICTED
        known, packet = follow(Apart(forward_ns=15 * MS, backward_ns=5 * MS), here, there)
    assert known.reason is reason
    for bounded, truth_ns in (
        (known.forward, packet.forward_ns - packet.offset_ns),
        (known.backward, packet.backward_ns + packet.offset_ns),
    ):
        assert bounded is not None
        assert bounded.value_ns is None
        assert bounded.low_ns >= 0
        assert holds(bounded, truth_ns)


def test_before_anybody_claims_anything_nothing_is_synchronised() -> None:
    track = OneWayTrack()
    for packet in Apart(seconds=5).packets(random.Random(1)):
        track.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
    assert track.reason() is Doubt.NOT_SYNCHRONISED
    assert track.delays_ns() is None


def test_a_claim_is_disproved_by_packets_that_arrive_before_they_leave() -> None:
    known, _ = follow(Apart(offset_ns=-30 * MS))
    assert known.reason is Doubt.CONTRADICTED
    assert known.offset is not None
    assert known.offset.value_ns == pytest.approx(-30 * MS, abs=100 * US)


def test_a_claim_is_disproved_by_drift_long_before_delays_turn_negative() -> None:
    assert follow(Apart(skew_ppm=50, seconds=30))[0].reason is Doubt.CONTRADICTED
    assert follow(Apart(skew_ppm=0.5, seconds=100))[0].valid


def test_clocks_that_drift_apart_faster_than_kept_ones_do_are_not_believed_whatever_they_admit() -> None:
    wide = ClockClaim(synchronised=True, error_ns=450 * US)
    quiet = exponential(10 * US)
    for skew_ppm, reason in ((40, Doubt.CONTRADICTED), (20, None)):
        apart = Apart(skew_ppm=skew_ppm, seconds=20, queue_forward=quiet, queue_backward=quiet)
        assert follow(apart, wide, wide)[0].reason is reason


def test_an_error_claimed_too_small_leaves_the_offsets_own_bounds_right() -> None:
    known, packet = follow(Apart(offset_ns=5 * MS))  # within what the round trip allows: nothing can disprove it
    assert known.valid
    assert holds(known.offset, packet.offset_ns)
    assert known.believed != known.offset


def test_too_few_packets_have_disproved_nothing_yet() -> None:
    assert follow(Apart(seconds=1))[0].reason is Doubt.TOO_FEW_SAMPLES
    assert follow(Apart(seconds=1.6))[0].valid


@pytest.mark.parametrize("step_ns", [MS, -100 * MS, 3600 * S])
def test_after_a_step_a_clock_has_to_hold_still_for_a_window(step_ns: int) -> None:
    step_and_back = (Change(40, reflector_ns=step_ns), Change(80, reflector_ns=-step_ns))
    known, _ = follow(Apart(seconds=85, changes=step_and_back))
    assert known.reason is Doubt.CLOCK_STEPPED
    assert known.steps == 2
    assert known.step is not None
    assert known.step.by_ns == pytest.approx(-step_ns, abs=300 * US)
    known, _ = follow(Apart(seconds=220, changes=step_and_back))
    assert known.valid


def test_a_step_of_an_hour_costs_no_delay_that_was_not_true() -> None:
    track = OneWayTrack()
    track.clocks(KEPT, KEPT)
    for packet in Apart(seconds=60, changes=(Change(40, sender_ns=-3600 * S),)).packets(random.Random(1)):
        track.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
        delays_ns = track.delays_ns()
        if delays_ns is not None:
            assert delays_ns[0] == pytest.approx(packet.forward_ns - packet.offset_ns, abs=200 * US)
    assert track.reason() is Doubt.CLOCK_STEPPED


@pytest.mark.parametrize(
    ("offset_s", "name"), [(37, Timescale.REFLECTOR_TAI), (-37, Timescale.SENDER_TAI), (18, Timescale.REFLECTOR_GPS)]
)
@pytest.mark.parametrize("there", [KEPT, FREE])
def test_a_clock_on_another_timescale_is_named(offset_s: int, name: Timescale, there: ClockClaim) -> None:
    known, _ = follow(Apart(offset_ns=offset_s * S, forward_ns=12 * MS, backward_ns=6 * MS), KEPT, there)
    assert known.reason is Doubt.TAI_UTC
    assert known.timescale is name


def test_a_kernel_that_nobody_told_its_tai_offset_knows_todays() -> None:
    track = OneWayTrack(tai_utc_s=0)
    for packet in Apart(offset_ns=37 * S, seconds=5).packets(random.Random(1)):
        track.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
    assert track.figures().timescale is Timescale.REFLECTOR_TAI


def test_the_limit_is_the_operators() -> None:
    track = OneWayTrack(limit_ns=150 * US)
    track.clocks(KEPT, KEPT)
    for packet in Apart(seconds=5).packets(random.Random(1)):
        track.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
    assert track.reason() is Doubt.ERROR_TOO_LARGE


def test_raw_differences_of_the_same_time_can_be_read_as_delays() -> None:
    known, packet = follow(Apart(offset_ns=50 * US))
    assert known.forward_of(packet.forward_ns) == known.forward
    assert known.backward_of(packet.backward_ns) == known.backward


def test_nothing_is_known_without_packets() -> None:
    known = OneWayTrack().figures()
    assert known.reason is Doubt.TOO_FEW_SAMPLES
    assert known.offset is None
    assert known.forward is None
    assert known.forward_of(5) is None
    assert known.backward_of(5) is None


claims = st.builds(ClockClaim, synchronised=st.booleans(), error_ns=st.none() | st.integers(0, 2 * MS))
differences = st.one_of(st.integers(-(10**7), 10**7), st.integers(9 * MS, 11 * MS), st.integers(-(10**14), 10**14))
happenings = st.lists(st.tuples(st.integers(-(10**8), 10**10), differences, differences), max_size=80)


@given(happenings, claims, claims)
def test_there_is_a_value_where_it_is_valid_and_bounds_are_never_inverted(
    packets: list[tuple[int, int, int]], here: ClockClaim, there: ClockClaim
) -> None:
    track, at_ns = OneWayTrack(), EPOCH_NS
    track.clocks(here, there)
    for elapsed_ns, forward_ns, backward_ns in packets:
        at_ns += elapsed_ns
        track.add(at_ns, forward_ns, backward_ns)
        known = track.figures()
        assert known.valid is (known.reason is None)
        one_by_one = track.reason(), track.error_ns, track.skew, track.steps, track.timescale()
        assert one_by_one == (known.reason, known.error_ns, known.skew, known.steps, known.timescale)
        assert (track.bounds is None) is (known.offset is None)
        if track.bounds is not None and known.offset is not None:
            assert (track.bounds.low_ns, track.bounds.high_ns) == (known.offset.low_ns, known.offset.high_ns)
        for bounded in (known.forward, known.backward):
            if bounded is not None:
                assert (bounded.value_ns is not None) is known.valid
        for bounded in (known.offset, known.believed, known.forward, known.backward):
            if bounded is not None:
                assert bounded.low_ns <= bounded.high_ns
                assert bounded.value_ns is None or bounded.low_ns <= bounded.value_ns <= bounded.high_ns
        assert (track.delays_ns() is not None) is (known.valid and known.forward is not None)
