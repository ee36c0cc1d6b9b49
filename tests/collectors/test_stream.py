"""Each packet ends in exactly one outcome, whatever the order of what happens to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from collectors.peer import Rejection
from collectors.roundtrip import Answer, Departure, FollowUp, Quote
from collectors.sample import NOISE_NS, DirectionalLoss, Outcome, Sample, TimestampSource
from collectors.stream import STAMP_GRACE_NS, Stream, StreamEvent
from tests.collectors.journeys import MS, TIMEOUT_NS, WALL, answer, departure, outcomes, samples, send

HOUR_NS = 3_600_000 * MS


def test_an_answered_packet_has_the_round_trip_between_the_kernels_stamps() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    stream.sent(departure(7, 0, lateness_ns=5))
    stream.transmitted(0, WALL + 40_000)
    [sample] = samples(stream.answered(answer(0, 12 * MS)._replace(ttl=61)))
    assert sample == Sample(
        slot=7,
        sequence=0,
        sent_at_ns=WALL + 40_000,
        outcome=Outcome.ANSWERED,
        rtt_ns=12 * MS - 40_000,
        ttl=61,
        timestamps=TimestampSource.KERNEL,
        lateness_ns=5,
    )


def test_the_time_in_the_reflector_is_not_the_networks() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    answered = answer(0, 20 * MS)._replace(
        reflector_received_ns=WALL + 9 * MS, reflector_sent_ns=WALL + 9 * MS + 75_000
    )
    [sample] = samples(stream.answered(answered))
    assert (sample.rtt_ns, sample.residence_ns) == (20 * MS - 75_000, 75_000)
    assert (sample.forward_ns, sample.backward_ns) == (9 * MS, 11 * MS - 75_000)


def test_a_reflector_with_impossible_times_leaves_the_raw_round_trip() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    answered = answer(0, 20 * MS)._replace(reflector_received_ns=WALL + 9 * MS, reflector_sent_ns=WALL + 8 * MS)
    [sample] = samples(stream.answered(answered))
    assert (sample.rtt_ns, sample.residence_ns) == (20 * MS, None)


def test_a_transmit_stamp_may_come_behind_the_answer() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0, stamped=False)
    assert stream.answered(answer(0, 3 * MS)) == []
    [sample] = samples(stream.transmitted(0, WALL + 10_000))
    assert (sample.rtt_ns, sample.timestamps) == (3 * MS - 10_000, TimestampSource.KERNEL)


def test_a_transmit_stamp_that_never_comes_is_replaced_by_our_own_time() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0, stamped=False)
    stream.answered(answer(0, 3 * MS))
    deadline_ns = stream.next_deadline_ns
    assert deadline_ns == 3 * MS + STAMP_GRACE_NS
    assert stream.expire(deadline_ns - 1) == []
    [sample] = samples(stream.expire(deadline_ns))
    assert (sample.rtt_ns, sample.timestamps) == (3 * MS, TimestampSource.USER)


def test_an_answer_without_a_kernel_stamp_says_so() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    [sample] = samples(stream.answered(answer(0, 3 * MS, stamped=False)))
    assert sample.timestamps is TimestampSource.USER


def test_a_packet_in_flight_is_not_lost() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    assert stream.expire(TIMEOUT_NS - 1) == []
    assert stream.outstanding == 1
    assert outcomes(stream.expire(TIMEOUT_NS)) == [Outcome.LOST]


def test_each_packet_has_its_own_timeout() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    send(stream, 300 * MS)
    assert [sample.sequence for sample in samples(stream.expire(TIMEOUT_NS))] == [0]
    assert stream.next_deadline_ns == TIMEOUT_NS + 300 * MS


def test_a_late_answer_stays_lost_and_is_told_as_late() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.expire(TIMEOUT_NS)
    [late] = samples(stream.answered(answer(0, 1200 * MS)))
    assert (late.outcome, late.slot, late.rtt_ns) == (Outcome.LATE, 0, 1200 * MS)
    assert not late.outcome.settles
    assert outcomes(stream.answered(answer(0, 1201 * MS))) == [Outcome.DUPLICATE]


def test_an_answer_that_came_too_late_is_lost_even_if_it_is_read_before_the_timeout_is_noticed() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    assert outcomes(stream.answered(answer(0, TIMEOUT_NS + 1))) == [Outcome.LOST, Outcome.LATE]


def test_an_answer_that_came_in_time_is_received_even_if_it_is_read_late() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    read_late = answer(0, 10 * MS)._replace(wall_ns=WALL + 5000 * MS, monotonic_ns=5000 * MS)
    assert outcomes(stream.answered(read_late)) == [Outcome.ANSWERED]


def test_a_second_copy_is_a_duplicate() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    assert outcomes(stream.answered(answer(0, 2 * MS))) == [Outcome.ANSWERED]
    assert outcomes(stream.answered(answer(0, 3 * MS))) == [Outcome.DUPLICATE]


def test_an_answer_behind_a_later_packets_answer_is_reordered() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for slot in range(3):
        send(stream, slot * MS)
    arrived = [outcomes(stream.answered(answer(sequence, 10 * MS))) for sequence in (1, 0, 2)]
    assert arrived == [[Outcome.ANSWERED], [Outcome.REORDERED], [Outcome.ANSWERED]]


def test_a_packet_that_could_not_be_sent_takes_no_number() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    sample = stream.not_sent(departure(4, 0), "no_buffers")
    assert (sample.outcome, sample.sequence, sample.slot, sample.reason) == (Outcome.NOT_SENT, None, 4, "no_buffers")
    assert stream.next_sequence == 0
    assert stream.next_deadline_ns is None


def test_an_answer_to_nothing_is_none() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    assert stream.answered(answer(12, MS)) is Rejection.UNKNOWN_PACKET


def test_departures_are_remembered_beyond_the_settling() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 5)
    assert (stream.departure(0), stream.departure(1)) == (departure(0, 5), None)
    stream.answered(answer(0, MS))
    assert stream.departure(0) == departure(0, 5)


def test_a_copy_of_an_answer_is_known_for_ten_seconds_and_then_an_unknown_packets() -> None:
    for pause_ns, known in ((9_900 * MS, True), (10_100 * MS, False)):
        stream = Stream(timeout_ns=TIMEOUT_NS)
        send(stream, 0)
        stream.answered(answer(0, 5 * MS))
        send(stream, pause_ns)
        stream.answered(answer(1, pause_ns + 5 * MS))
        again = stream.answered(answer(0, pause_ns + 6 * MS))
        assert again == Rejection.UNKNOWN_PACKET if not known else outcomes(again) == [Outcome.DUPLICATE]


def test_a_stepped_wall_clock_does_not_change_the_round_trip() -> None:
    for step_ns in (HOUR_NS, -HOUR_NS):
        stream = Stream(timeout_ns=TIMEOUT_NS)
        send(stream, 0)
        stepped = answer(0, 12 * MS)._replace(stamp_ns=WALL + 12 * MS + step_ns, wall_ns=WALL + 12 * MS + step_ns)
        [sample] = samples(stream.answered(stepped))
        assert (sample.rtt_ns, sample.timestamps) == (12 * MS, TimestampSource.USER)


def test_the_delay_of_a_late_answer_is_not_changed_by_a_step_either() -> None:
    for step_ns in (HOUR_NS, -HOUR_NS):
        stream = Stream(timeout_ns=TIMEOUT_NS)
        send(stream, 0)
        stream.expire(TIMEOUT_NS)
        stepped = answer(0, 2000 * MS)._replace(stamp_ns=WALL + step_ns, wall_ns=WALL + 2000 * MS + step_ns)
        assert [late.rtt_ns for late in samples(stream.answered(stepped))] == [2000 * MS]


def test_a_clock_that_steps_in_the_middle_of_a_stream_changes_the_ways_of_no_packet_and_loses_none() -> None:
    for step_ns in (HOUR_NS, -HOUR_NS):
        stream = Stream(timeout_ns=TIMEOUT_NS)
        told: list[Sample] = []
        for slot in range(20):
            at_ns = slot * 100 * MS
            wall_ns = WALL + at_ns + (step_ns if slot > 10 else 0)
            stream.sent(Departure(slot=slot, wall_ns=wall_ns, monotonic_ns=at_ns, lateness_ns=0))
            stream.transmitted(slot, wall_ns)
            back_ns = WALL + at_ns + 12 * MS + (step_ns if slot >= 10 else 0)  # it steps between T1 and T4 of packet 10
            arrived = answer(slot, at_ns + 12 * MS)._replace(
                stamp_ns=back_ns,
                wall_ns=back_ns,
                reflector_received_ns=WALL + at_ns + 5 * MS,
                reflector_sent_ns=WALL + at_ns + 7 * MS,
            )
            told += samples(stream.answered(arrived))
        assert {(sample.outcome, sample.rtt_ns) for sample in told} == {(Outcome.ANSWERED, 10 * MS)}
        assert [sample.forward_ns is None for sample in told] == [slot == 10 for slot in range(20)]


def test_a_reflector_cannot_have_kept_a_packet_for_longer_than_it_was_away() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    answered = answer(0, 20 * MS)._replace(reflector_received_ns=WALL + 5 * MS, reflector_sent_ns=WALL + 805 * MS)
    [sample] = samples(stream.answered(answered))
    assert (sample.rtt_ns, sample.residence_ns, sample.forward_ns) == (20 * MS, None, None)


def test_a_time_that_was_written_ahead_a_little_is_possible() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    answered = answer(0, 40_000)._replace(reflector_received_ns=WALL + 10_000, reflector_sent_ns=WALL + 70_000)
    [sample] = samples(stream.answered(answered))
    assert (sample.rtt_ns, sample.residence_ns) == (0, 60_000)


def test_copies_of_a_late_answer_hide_no_loss() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for slot in range(6):
        send(stream, slot * MS)
    events: list[StreamEvent] = []
    for number, at_ns in ((0, 10 * MS), (2, 10 * MS), (1, 1500 * MS), (1, 1500 * MS), (3, 20 * MS), (5, 20 * MS)):
        arrived = stream.answered(answer(number, at_ns, reflected=number + 1 - (number == 5)))
        assert not isinstance(arrived, Rejection)
        events += [*arrived, *stream.expire(1001 * MS)]
    events += stream.expire(5 * TIMEOUT_NS)
    told = [event for event in events if isinstance(event, DirectionalLoss)]
    assert (sum(loss.forward for loss in told), sum(loss.backward for loss in told)) == (1, 1)


def test_numbers_go_on_beyond_32_bits() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS, first_sequence=0xFFFFFFFF)
    stream.sent(departure(0, 0))
    stream.sent(departure(1, MS))
    stream.transmitted(0xFFFFFFFF, WALL)
    stream.transmitted(0, WALL + MS)
    settled = [samples(stream.answered(answer(sequence, 5 * MS)))[0].sequence for sequence in (0xFFFFFFFF, 0)]
    assert settled == [0xFFFFFFFF, 0x1_0000_0000]


def test_a_stream_goes_on_beyond_32_bits_with_its_losses_late_answers_and_copies() -> None:
    first = 2**32 - 5
    stream = Stream(timeout_ns=TIMEOUT_NS, first_sequence=first)
    events: list[StreamEvent] = []
    for slot in range(10):
        sequence = send(stream, slot * 10 * MS)
        if slot in (3, 7):
            continue
        for _ in range(1 + (slot == 8)):
            low_bits = sequence % 2**32
            reflected = (low_bits - 1 - (slot > 7)) % 2**32  # packet 7 did not arrive there
            arrived = stream.answered(answer(low_bits, slot * 10 * MS + MS, reflected=reflected))
            assert not isinstance(arrived, Rejection)
            events += arrived
    events += stream.expire(10 * TIMEOUT_NS)
    late = stream.answered(answer((first + 7) % 2**32, 10 * TIMEOUT_NS))
    assert [(sample.sequence, sample.outcome) for sample in samples(late)] == [(first + 7, Outcome.LATE)]
    settled = [sample.sequence for sample in samples(events) if sample.outcome.settles]
    assert sorted(settled, key=lambda number: number or 0) == list(range(first, first + 10))
    assert outcomes(events).count(Outcome.LOST) == 2
    assert outcomes(events).count(Outcome.DUPLICATE) == 1
    told = [event for event in events if isinstance(event, DirectionalLoss)]
    assert (sum(loss.forward for loss in told), sum(loss.backward for loss in told)) == (1, 1)
    assert stream.restarts == 0


def test_losses_are_told_by_direction_once_a_later_answer_shows_them() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for slot in range(4):
        send(stream, slot * MS)
    stream.answered(answer(0, 10 * MS, reflected=0))
    stream.answered(answer(3, 13 * MS, reflected=2))  # of packets 1 and 2 the reflector saw one
    events = stream.expire(2 * TIMEOUT_NS)
    assert outcomes(events) == [Outcome.LOST, Outcome.LOST]
    assert DirectionalLoss(sequence=3, forward=1, backward=1) in events


def test_a_reflector_that_is_known_to_number_its_answers_tells_of_losses_on_the_way_back_at_once() -> None:
    told = []
    for stateful in (False, True):
        stream = Stream(timeout_ns=TIMEOUT_NS)
        for slot in range(3):
            send(stream, slot * MS)
        for sequence in (0, 2):
            stream.answered(answer(sequence, 10 * MS, reflected=sequence)._replace(stateful=stateful))
        told.append(stream.expire(2 * TIMEOUT_NS)[1:])
    assert told == [[], [DirectionalLoss(sequence=2, forward=0, backward=1)]]


@dataclass(frozen=True)
class Fate:
    """What a network does to one packet: whether it can be sent, and when copies of its answer arrive."""

    sendable: bool
    stamp_delay_ms: int | None
    answers_ms: tuple[int, ...]
    followed_up: bool


fates = st.lists(
    st.builds(
        Fate,
        sendable=st.booleans() | st.just(True),
        stamp_delay_ms=st.none() | st.integers(0, 60),
        answers_ms=st.lists(st.integers(0, 3000), max_size=3).map(tuple),
        followed_up=st.booleans(),
    ),
    max_size=40,
)


def next_answer(reflected: int, number: int, at_ns: int, fate: Fate) -> Answer:
    """Number the answers as they arrive; each may tell when the one before it left."""
    plain = answer(number, at_ns, reflected=reflected)
    if not fate.followed_up:
        return plain
    return plain._replace(follow_up_due=True, follow_up=FollowUp(reflector_sequence=reflected - 1, sent_ns=WALL))


@given(fates, st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_every_packet_ends_in_exactly_one_outcome(packets: list[Fate], expiry_steps_ms: list[int]) -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    moments: list[tuple[int, int, str, int]] = []  # (when, tie-break, what, slot)
    for slot, fate in enumerate(packets):
        moments.append((slot * 10 * MS, 0, "send", slot))
        if fate.sendable:
            if fate.stamp_delay_ms is not None:
                moments.append((slot * 10 * MS + fate.stamp_delay_ms * MS, 1, "stamp", slot))
            moments += [(slot * 10 * MS + delay_ms * MS, 2, "answer", slot) for delay_ms in fate.answers_ms]
    now_ns = 0
    for step_ms in expiry_steps_ms:
        now_ns += step_ms * MS
        moments.append((now_ns, 3, "expire", 0))
    moments.append((10**12, 3, "expire", 0))

    events: list[StreamEvent] = []
    numbers: dict[int, int] = {}
    reflected = 0
    for at_ns, _, what, slot in sorted(moments):
        if what == "send" and packets[slot].sendable:
            numbers[slot] = stream.sent(departure(slot, at_ns))
        elif what == "send":
            events.append(stream.not_sent(departure(slot, at_ns), "other"))
        elif what == "stamp":
            events += stream.transmitted(numbers[slot], WALL + slot * 10 * MS)
        elif what == "answer":
            arrived = stream.answered(next_answer(reflected, numbers[slot], at_ns, packets[slot]))
            reflected += 1
            assert not isinstance(arrived, Rejection)
            events += arrived
        else:
            events += stream.expire(at_ns)

    assert stream.outstanding == 0
    settled = Counter(sample.slot for sample in samples(events) if sample.outcome.settles)
    assert settled == Counter(range(len(packets)))
    by_slot = {sample.slot: sample.outcome for sample in samples(events) if sample.outcome.settles}
    for slot, fate in enumerate(packets):
        in_time = any(delay_ms * MS <= TIMEOUT_NS for delay_ms in fate.answers_ms)
        assert by_slot[slot].received == (fate.sendable and in_time)
        assert (by_slot[slot] is Outcome.NOT_SENT) == (not fate.sendable)
    further = Counter(sample.outcome for sample in samples(events) if not sample.outcome.settles)
    copies = sum(len(fate.answers_ms) for fate in packets if fate.sendable)
    received = sum(outcome.received for outcome in by_slot.values())
    assert further.total() + received == copies


def test_a_packet_is_overlooked_where_this_host_dropped_a_datagram_after_it_left() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.dropped(1)
    assert outcomes(stream.expire(TIMEOUT_NS)) == [Outcome.OVERLOOKED]


def test_what_was_dropped_before_a_packet_left_explains_nothing_of_it() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    stream.dropped(5)
    send(stream, 0)
    assert outcomes(stream.expire(TIMEOUT_NS)) == [Outcome.LOST]


def test_each_dropped_datagram_explains_one_packet() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for number in range(4):
        send(stream, number * MS)
    stream.dropped(2)
    send(stream, 4 * MS)
    found = outcomes(stream.expire(TIMEOUT_NS + 4 * MS))
    assert found == [Outcome.OVERLOOKED, Outcome.OVERLOOKED, Outcome.LOST, Outcome.LOST, Outcome.LOST]


def test_an_answer_that_came_too_late_was_not_dropped() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.dropped(1)
    late = answer(0, TIMEOUT_NS - MS)._replace(stamp_ns=WALL + TIMEOUT_NS + MS)
    assert outcomes(stream.answered(late)) == [Outcome.LOST, Outcome.LATE]


def test_the_late_answer_of_an_overlooked_packet_is_late() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.dropped(1)
    stream.expire(TIMEOUT_NS)
    assert outcomes(stream.answered(answer(0, TIMEOUT_NS + MS))) == [Outcome.LATE]


def test_overlooked_packets_are_no_losses_on_the_way_back() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for number in range(4):
        send(stream, number * MS)
    stream.answered(answer(0, 5 * MS, reflected=1)._replace(stateful=True))
    stream.dropped(1)
    stream.answered(answer(3, 6 * MS, reflected=4))
    found = stream.expire(TIMEOUT_NS + 4 * MS)
    assert outcomes(found) == [Outcome.OVERLOOKED, Outcome.LOST]
    assert [event for event in found if isinstance(event, DirectionalLoss)] == [
        DirectionalLoss(sequence=3, forward=0, backward=1)
    ]


def test_a_sample_of_a_host_that_is_as_late_as_timers_are_is_not_noisy() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    stream.sent(departure(0, 0, lateness_ns=NOISE_NS))
    stream.transmitted(0, WALL)
    [sample] = samples(stream.answered(answer(0, 5 * MS)._replace(wall_ns=WALL + 5 * MS + NOISE_NS)))
    assert not sample.noisy


def test_a_sample_is_noisy_whose_packet_left_late() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    stream.sent(departure(0, 0, lateness_ns=NOISE_NS + 1))
    stream.sent(departure(1, 0, lateness_ns=NOISE_NS + 1))
    stream.transmitted(0, WALL)
    [sample] = samples(stream.answered(answer(0, 5 * MS)))
    [lost] = samples(stream.expire(TIMEOUT_NS))
    assert sample.noisy
    assert lost.noisy


def test_a_sample_is_noisy_whose_answer_waited_to_be_read() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    waited = answer(0, 7 * MS)._replace(stamp_ns=WALL + 5 * MS)
    [sample] = samples(stream.answered(waited))
    assert sample.noisy
    assert sample.rtt_ns == 5 * MS  # which the kernel's stamps tell all the same


def test_an_answer_that_had_come_before_a_stall_and_was_read_after_it_is_not_noisy() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for sent_ns in (0, MS, 2 * MS):
        send(stream, sent_ns)
    stream.disturbed(5 * MS, 30 * MS)
    came_ns = (4 * MS, 6 * MS)
    settled = [*samples(stream.answered(answer(0, came_ns[0]))), *samples(stream.answered(answer(1, came_ns[1])))]
    settled += samples(stream.expire(2 * MS + TIMEOUT_NS))
    assert [(sample.sequence, sample.noisy) for sample in settled] == [(0, False), (1, True), (2, True)]


def test_each_stall_makes_noisy_what_it_met_and_not_what_lay_between_it_and_the_next() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.disturbed(5 * MS, 10 * MS)
    send(stream, 11 * MS)
    stream.disturbed(20 * MS, 25 * MS)
    came = {0: 12 * MS, 1: 13 * MS}  # read later
    settled = [sample for number, at_ns in came.items() for sample in samples(stream.answered(answer(number, at_ns)))]
    assert [sample.noisy for sample in settled] == [True, False]


def test_a_stall_while_nothing_was_on_its_way_concerns_nothing() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    stream.disturbed(0, 10 * MS)
    send(stream, 5 * MS)
    [sample] = samples(stream.answered(answer(0, 12 * MS)))
    assert not sample.noisy


def test_a_stall_makes_noisy_what_was_on_its_way_and_nothing_else() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    send(stream, MS, stamped=False)
    stream.answered(answer(1, 3 * MS))  # answered before the stall, and waits for its stamp
    stream.disturbed(4 * MS, 19 * MS)
    send(stream, 20 * MS)
    settled = [*samples(stream.transmitted(1, WALL + MS))]
    settled += samples(stream.answered(answer(0, 21 * MS)))
    settled += samples(stream.answered(answer(2, 22 * MS)))
    assert {sample.sequence: sample.noisy for sample in settled} == {0: True, 1: False, 2: False}


UNREACHABLE = ("host_unreachable", "192.0.2.254")


def test_a_packet_that_an_error_quotes_fails_at_once_with_reason_and_offender() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for slot in range(2):
        send(stream, slot)
    [sample] = samples(stream.failed(Quote(1, 32), *UNREACHABLE))
    assert (sample.sequence, sample.outcome, sample.rtt_ns) == (1, Outcome.FAILED, None)
    assert (sample.reason, sample.offender) == UNREACHABLE
    assert stream.outstanding == 1


def test_a_second_error_about_a_packet_changes_nothing() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    assert outcomes(stream.failed(Quote(0, 32), *UNREACHABLE)) == [Outcome.FAILED]
    assert stream.failed(Quote(0, 32), *UNREACHABLE) == []


def test_what_was_answered_does_not_fail() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0, stamped=False)
    stream.answered(answer(0, MS))
    assert stream.failed(Quote(0, 32), *UNREACHABLE) == []
    assert outcomes(stream.transmitted(0, WALL)) == [Outcome.ANSWERED]


def test_an_answer_to_a_copy_of_what_failed_is_late() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.failed(Quote(0, 32), *UNREACHABLE)
    again = answer(0, MS)
    first, second = stream.answered(again), stream.answered(again)
    assert not isinstance(first, Rejection)
    assert not isinstance(second, Rejection)
    assert (outcomes(first), outcomes(second)) == ([Outcome.LATE], [Outcome.DUPLICATE])


def test_the_low_16_bits_of_a_number_are_completed() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS, first_sequence=0x2_FFFF)
    for slot in range(2):
        send(stream, slot)
    assert [sample.sequence for sample in samples(stream.failed(Quote(0xFFFF, 16), *UNREACHABLE))] == [0x2_FFFF]
    assert [sample.sequence for sample in samples(stream.failed(Quote(0, 16), *UNREACHABLE))] == [0x3_0000]


def test_an_error_that_tells_no_number_is_about_the_only_packet_on_its_way_or_nobody_knows_which() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    assert stream.failed(Quote(0, 0), *UNREACHABLE) == []
    send(stream, 0)
    send(stream, 1)
    assert stream.failed(Quote(0, 0), *UNREACHABLE) == []
    stream.answered(answer(0, MS))
    assert [sample.sequence for sample in samples(stream.failed(Quote(0, 0), *UNREACHABLE))] == [1]


def test_what_is_on_its_way_when_its_socket_is_closed_is_overlooked_and_not_lost() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.unheard()
    send(stream, MS)
    assert not stream.is_overdue(TIMEOUT_NS - 1)
    assert stream.is_overdue(TIMEOUT_NS)
    assert outcomes(stream.expire(TIMEOUT_NS + MS)) == [Outcome.OVERLOOKED, Outcome.LOST]
