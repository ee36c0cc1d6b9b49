"""The true offset of simulated clocks lies within its bounds, and a step is told from a change of route."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.offset import OffsetTrack
from tests.collectors.clocks_apart import MS, US, Apart, Change, Packet, Queueing, S, bursts, exponential, gamma

TELLING_S = 3  # for so long a step of 1 ms may leave bounds as they were
TURNING_NS = 1 * US  # what a drifting offset changes while a packet is under way


def follow(apart: Apart, seed: int = 1) -> tuple[OffsetTrack, list[bool]]:
    """Follow a path to its end; return for each packet whether the bounds then held."""
    track = OffsetTrack()
    return track, [held(track, packet) for packet in apart.packets(random.Random(seed))]


def held(track: OffsetTrack, packet: Packet) -> bool:
    track.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
    bounds = track.bounds
    assert bounds is not None
    return bounds.low_ns - TURNING_NS <= packet.offset_ns <= bounds.high_ns + TURNING_NS


def any_path(seed: int) -> Apart:
    """Draw a path: mostly of unequal directions, on which something happens after two thirds of the time."""
    chance = random.Random(seed)

    def between(low: float, high: float) -> float:
        return math.exp(chance.uniform(math.log(low), math.log(high)))

    busy = [kind(between(10 * US, 5 * MS)) for kind in chance.choices((exponential, bursts), k=2)]
    if chance.random() < 0.3:
        busy = [gamma(chance.uniform(2, 8), between(10 * US, 5 * MS)) for _ in busy]
    step = chance.choice((-1, 1)) * chance.choice((MS, 100 * MS, 3600 * S))
    at_s = chance.uniform(12, 16)
    happens = {
        "nothing": (),
        "the reflector's clock is set": (Change(at_s, reflector_ns=step),),
        "the sender's clock is set": (Change(at_s, sender_ns=step),),
        "another route": (Change(at_s, forward_ns=chance.randrange(20 * MS), backward_ns=chance.randrange(20 * MS)),),
        "another rate": (Change(at_s, skew_ppm=chance.uniform(-100, 100)),),
    }
    return Apart(
        forward_ns=int(between(20 * US, 100 * MS)),
        backward_ns=int(between(20 * US, 100 * MS)),
        queue_forward=busy[0],
        queue_backward=busy[1],
        offset_ns=chance.choice((0, 37 * S, chance.uniform(-1, 1) * S, -1_700_000_000 * S)),
        skew_ppm=chance.uniform(-100, 100),
        per_s=10,
        seconds=20,
        loss=chance.choice((0, 0.05, 0.4)),
        changes=happens[chance.choice(tuple(happens))],
    )


def test_the_true_offset_lies_within_its_bounds_on_three_thousand_paths() -> None:
    packets, missed, missed_at_the_end = 0, 0, 0
    for seed in range(3000):
        apart = any_path(seed)
        _, within = follow(apart, seed)
        happens = round(apart.changes[0].at_s / apart.seconds * len(within)) if apart.changes else 0
        settled = within[:happens] + within[happens + round(TELLING_S * apart.per_s) :]
        packets += len(settled)
        missed += settled.count(False)
        missed_at_the_end += not within[-1]
    assert missed_at_the_end <= 3
    assert missed <= packets / 1000


def test_until_a_step_is_told_its_size_is_all_that_is_missed() -> None:
    for seed in range(300):
        apart = Apart(forward_ns=20 * US, seconds=45, changes=(Change(40, reflector_ns=MS),))
        track = OffsetTrack()
        for packet in apart.packets(random.Random(seed)):
            if not held(track, packet):
                assert track.bounds is not None
                assert track.bounds.high_ns >= packet.offset_ns - MS


def test_no_asymmetry_puts_the_offset_outside_its_bounds() -> None:
    for forward_ns, backward_ns in ((20 * MS, 20 * US), (20 * US, 20 * MS)):
        apart = Apart(forward_ns=forward_ns, backward_ns=backward_ns, skew_ppm=80, queue_forward=exponential(5 * MS))
        track, within = follow(apart)
        assert all(within)
        assert track.steps == 0


def test_the_value_is_that_of_equal_directions_to_microseconds_through_milliseconds_of_queueing() -> None:
    track, _ = follow(Apart(offset_ns=5 * MS))
    assert track.offset_ns() == pytest.approx(5 * MS, abs=20 * US)


def test_bounds_are_as_narrow_as_the_least_round_trip() -> None:
    track, _ = follow(Apart(forward_ns=2 * MS, backward_ns=4 * MS))
    assert track.bounds is not None
    assert 6 * MS <= track.bounds.high_ns - track.bounds.low_ns <= 6 * MS + 500 * US


STEPS = [(way * size) for way in (1, -1) for size in (MS, 100 * MS, 3600 * S)]


@pytest.mark.parametrize("end", ["reflector_ns", "sender_ns"])
@pytest.mark.parametrize("step_ns", STEPS)
@pytest.mark.parametrize("per_s", [1, 10, 100])
def test_a_step_of_either_clock_is_found_once_with_its_size(end: str, step_ns: int, per_s: float) -> None:
    apart = Apart(per_s=per_s, seconds=70, changes=(Change(40.005, **{end: step_ns}),), skew_ppm=10)
    track, within = follow(apart)
    assert track.steps == 1
    assert track.step is not None
    by_ns = step_ns if end == "reflector_ns" else -step_ns
    assert track.step.by_ns == pytest.approx(by_ns, abs=350 * US, rel=2e-5)  # the skew of an hour that never was
    assert all(within[-10:])
    assert track.offset_ns() == pytest.approx(by_ns + 700 * US, abs=700 * US)


def test_a_step_begins_everything_anew() -> None:
    track, _ = follow(Apart(seconds=45, changes=(Change(40, reflector_ns=3600 * S),)))
    assert track.samples < 60
    assert track.skew is None


def test_a_step_within_the_round_trip_is_found_within_a_second_and_a_half() -> None:
    for seed in range(20):
        track, _ = follow(Apart(seconds=41.5, changes=(Change(40, reflector_ns=-MS),)), seed)
        assert track.steps == 1


ROUTES = {
    "longer there": Change(40, forward_ns=5 * MS),
    "shorter there": Change(40, forward_ns=-5 * MS),
    "longer back": Change(40, backward_ns=MS),
    "shorter back": Change(40, backward_ns=-MS),
    "longer both ways": Change(40, forward_ns=3 * MS, backward_ns=7 * MS),
    "shorter both ways": Change(40, forward_ns=-7 * MS, backward_ns=-3 * MS),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("queueing_ns", [20 * US, 300 * US, 3 * MS])
def test_another_route_is_no_step(route: str, queueing_ns: int) -> None:
    queues = exponential(queueing_ns)
    for seed in range(5):
        apart = Apart(queue_forward=queues, queue_backward=queues, skew_ppm=-30, changes=(ROUTES[route],))
        track, within = follow(apart, seed)
        assert track.steps == 0
        assert all(within)


@pytest.mark.parametrize("queue", [bursts(MS), gamma(3, 3 * MS), exponential(5 * MS)])
def test_no_queue_is_a_step(queue: Queueing) -> None:
    for seed in range(5):
        apart = Apart(queue_forward=queue, queue_backward=exponential(MS), skew_ppm=50)
        assert follow(apart, seed)[0].steps == 0


def test_a_clock_that_changes_its_rate_has_not_stepped() -> None:
    for seed in range(5):
        apart = Apart(seconds=240, skew_ppm=20, changes=(Change(100, skew_ppm=-50),))
        track, within = follow(apart, seed)
        assert track.steps == 0
        assert all(within)
        assert track.skew is not None
        assert track.skew.low_ppm <= -30 <= track.skew.high_ppm


def test_one_wild_time_of_a_reflector_is_no_step() -> None:
    track = OffsetTrack()
    for number, packet in enumerate(Apart().packets(random.Random(1))):
        wild_ns = 3600 * S if number == 300 else 0
        believed = track.add(packet.at_ns, packet.forward_ns + wild_ns, packet.backward_ns - wild_ns)
        assert believed is (number != 300)
    assert track.steps == 0


def test_a_clock_set_while_a_change_of_route_is_considered_is_not_missed() -> None:
    track = OffsetTrack()
    for number, packet in enumerate(Apart(seconds=60).packets(random.Random(1))):
        sooner_ns, set_ns = (MS if number >= 400 else 0), (3600 * S if number >= 401 else 0)
        track.add(packet.at_ns, packet.forward_ns - set_ns, packet.backward_ns - sooner_ns + set_ns)
    assert track.steps == 1
    assert track.step is not None
    assert track.step.by_ns == pytest.approx(-3600 * S, abs=MS)


def test_a_packet_that_was_under_way_while_a_clock_was_set_is_not_believed() -> None:
    track = OffsetTrack()
    packets = list(Apart(seconds=10).packets(random.Random(1)))
    for packet in packets:
        assert track.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
    assert not track.add(packets[-1].at_ns + S, packets[-1].forward_ns, packets[-1].backward_ns - 100 * MS)
    assert track.steps == 0


def test_a_time_that_falls_back_by_an_hour_stops_nothing() -> None:
    track = OffsetTrack()
    for number, packet in enumerate(Apart(offset_ns=MS, seconds=80).packets(random.Random(1))):
        track.add(packet.at_ns - (3600 * S if number > 400 else 0), packet.forward_ns, packet.backward_ns)
    assert track.steps == 0
    assert track.samples == 800
    assert track.skew is not None


def test_packets_that_were_overtaken_are_used() -> None:
    track = OffsetTrack()
    packets = list(Apart(skew_ppm=50).packets(random.Random(1)))
    for first, second in zip(packets[::2], packets[1::2], strict=True):
        assert held(track, second)
        track.add(first.at_ns, first.forward_ns, first.backward_ns)
    assert track.samples == len(packets)
    assert track.steps == 0


def test_nothing_is_known_without_packets() -> None:
    track = OffsetTrack()
    assert track.bounds is None
    assert track.offset_ns() is None
    assert track.skew is None
    assert track.span_ns == 0


differences = st.one_of(st.integers(-(10**7), 10**7), st.integers(-(10**19), 10**19))
packets_of_anything = st.lists(st.tuples(st.integers(-(10**12), 10**11), differences, differences), max_size=60)


@given(packets_of_anything)
def test_bounds_are_never_inverted_and_hold_the_value(packets: list[tuple[int, int, int]]) -> None:
    track, at_ns = OffsetTrack(), 0
    for elapsed_ns, forward_ns, backward_ns in packets:
        at_ns += elapsed_ns
        track.add(at_ns, forward_ns, backward_ns)
        bounds, value_ns = track.bounds, track.offset_ns()
        assert (bounds is None) is (value_ns is None)
        if bounds is not None and value_ns is not None:
            assert bounds.low_ns <= value_ns <= bounds.high_ns


@given(st.integers(-(10**19), 10**19))
def test_an_offset_of_any_size_is_followed_alike(offset_ns: int) -> None:
    near, far = OffsetTrack(), OffsetTrack()
    for packet in Apart(seconds=30, changes=(Change(20, reflector_ns=3 * MS),)).packets(random.Random(5)):
        near.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
        far.add(packet.at_ns, packet.forward_ns + offset_ns, packet.backward_ns - offset_ns)
    assert near.bounds is not None
    assert far.bounds is not None
    assert far.bounds.low_ns - near.bounds.low_ns == far.bounds.high_ns - near.bounds.high_ns == offset_ns
    assert (far.offset_ns() or 0) - (near.offset_ns() or 0) == offset_ns
    assert (far.steps, far.skew) == (near.steps, near.skew)


def take_as_streams_do(track: OffsetTrack, packet: Packet) -> bool:
    """Feed a packet unless it passes by; return whether it was fed."""
    times = packet.at_ns, packet.forward_ns, packet.backward_ns
    if track.passes_by(*times):
        return False
    track.add(*times)
    return True


def test_packets_that_are_not_close_are_all_fed() -> None:
    track = OffsetTrack()
    assert all(take_as_streams_do(track, packet) for packet in Apart(per_s=90).packets(random.Random(1)))


@pytest.mark.parametrize("per_s", [500, 1000, 5000])
def test_at_any_rate_a_hundred_packets_a_second_and_few_more_are_fed(per_s: int) -> None:
    track, seconds = OffsetTrack(), 10
    apart = Apart(per_s=per_s, seconds=seconds, skew_ppm=40)
    fed = sum(take_as_streams_do(track, packet) for packet in apart.packets(random.Random(1)))
    assert fed <= 125 * seconds
    assert track.samples == per_s * seconds


def test_bounds_hold_all_the_same() -> None:
    packets = missed = 0
    for seed in range(20):
        apart = replace(any_path(seed), per_s=400)
        track, chance = OffsetTrack(), random.Random(seed)
        starts_s = apart.changes[0].at_s if apart.changes else apart.seconds
        for number, packet in enumerate(apart.packets(chance)):
            take_as_streams_do(track, packet)
            bounds = track.bounds
            assert bounds is not None
            share_s = number / (apart.per_s * (1 - apart.loss)) - starts_s
            if not -1 < share_s < TELLING_S:
                packets += 1
                missed += not bounds.low_ns - TURNING_NS <= packet.offset_ns <= bounds.high_ns + TURNING_NS
    assert missed <= packets / 1000


@pytest.mark.parametrize("step_ns", [-3600 * S, -30 * MS, -2 * MS, 2 * MS, 30 * MS, 3600 * S])
@pytest.mark.parametrize("whose", ["sender_ns", "reflector_ns"])
def test_packets_that_pass_by_make_no_step_late(step_ns: int, whose: str) -> None:
    at_s = 34.0
    step = Change(at_s, **{whose: step_ns})
    quiet = exponential(30 * US)
    apart = Apart(per_s=1000, seconds=35, queue_forward=quiet, queue_backward=quiet, offset_ns=5 * MS, changes=(step,))
    all_fed, few_fed = OffsetTrack(), OffsetTrack()
    for packet in apart.packets(random.Random(3)):
        all_fed.add(packet.at_ns, packet.forward_ns, packet.backward_ns)
        take_as_streams_do(few_fed, packet)
    assert (all_fed.steps, few_fed.steps) == (1, 1)
    assert few_fed.step is not None
    assert all_fed.step is not None
    assert few_fed.step.at_ns - all_fed.step.at_ns <= 10 * MS
    assert few_fed.step.by_ns == pytest.approx(all_fed.step.by_ns, abs=100 * US)
    assert few_fed.samples > (35 - at_s) * 900
