"""A reflector that follows its answers up (RFC 8972, section 4.7) delays samples, and changes nothing else of them."""

from __future__ import annotations

from collectors.peer import Rejection
from collectors.roundtrip import Answer, FollowUp
from collectors.sample import DirectionalLoss, Outcome, Sample
from collectors.stream import FOLLOW_UP_GRACE_NS, Stream, StreamEvent
from tests.collectors.journeys import MS, TIMEOUT_NS, WALL, departure, outcomes, samples, send

INTERVAL_NS = 150 * MS
LAG_NS = 40_000  # between T3, which the reflector's program writes, and its kernel's transmit stamp


def followed(sequence: int, at_ns: int, *, reflected: int, about: int | None = None, lag_ns: int = LAG_NS) -> Answer:
    """Answer 75 µs after the arrival, and say when the answer ``about`` left, by default the one before."""
    about = reflected - 1 if about is None else about
    return Answer(
        sequence=sequence,
        stamp_ns=WALL + at_ns,
        wall_ns=WALL + at_ns,
        monotonic_ns=at_ns,
        reflector_sequence=reflected,
        reflector_received_ns=WALL + at_ns - 5 * MS - 75_000,
        reflector_sent_ns=WALL + at_ns - 5 * MS,
        follow_up=FollowUp(reflector_sequence=about, sent_ns=left_ns(about) + lag_ns) if about >= 0 else None,
        follow_up_due=True,
    )


def arrival_ns(number: int) -> int:
    """Say when the answer with this number arrives, 20 ms after its packet left."""
    return number * INTERVAL_NS + 20 * MS


def left_ns(number: int) -> int:
    return WALL + arrival_ns(number) - 5 * MS


def sending(count: int) -> Stream:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    for number in range(count):
        send(stream, number * INTERVAL_NS)
    return stream


def settled(events: list[StreamEvent] | Rejection) -> list[int | None]:
    return [sample.sequence for sample in samples(events)]


def test_the_next_answer_brings_the_time_at_which_the_kernel_sent_the_last() -> None:
    stream = sending(2)
    assert stream.answered(followed(0, arrival_ns(0), reflected=0)) == []
    [sample] = samples(stream.answered(followed(1, arrival_ns(1), reflected=1)))
    assert (sample.sequence, sample.outcome, sample.reflector_stamped) == (0, Outcome.ANSWERED, True)
    assert (sample.residence_ns, sample.rtt_ns) == (75_000 + LAG_NS, 20 * MS - 75_000 - LAG_NS)
    assert sample.backward_ns == 5 * MS - LAG_NS
    assert stream.outstanding == 1


def test_a_follow_up_that_got_lost_is_not_waited_for_once_a_later_one_comes() -> None:
    stream = sending(3)
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    [first] = samples(stream.answered(followed(2, arrival_ns(2), reflected=2)))
    assert (first.sequence, first.reflector_stamped, first.residence_ns) == (0, False, 75_000)


def test_a_packet_lost_on_the_way_there_leaves_the_follow_up_to_the_one_behind_it() -> None:
    stream = sending(3)
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    [first] = samples(stream.answered(followed(2, arrival_ns(2), reflected=1, about=0)))
    assert (first.sequence, first.reflector_stamped) == (0, True)


def test_without_a_further_answer_a_sample_waits_for_two_intervals() -> None:
    stream = sending(2)
    stream.answered(followed(0, 20 * MS, reflected=0))
    assert stream.next_deadline_ns == 20 * MS + 2 * INTERVAL_NS
    assert stream.expire(20 * MS + 2 * INTERVAL_NS - 1) == []
    [sample] = samples(stream.expire(20 * MS + 2 * INTERVAL_NS))
    assert (sample.sequence, sample.reflector_stamped, sample.residence_ns) == (0, False, 75_000)


def test_the_first_packets_answer_waits_for_an_interval_that_is_not_known_yet() -> None:
    stream = sending(1)
    stream.answered(followed(0, 20 * MS, reflected=0))
    assert stream.next_deadline_ns == TIMEOUT_NS


def test_close_packets_wait_a_little_longer_so_that_timers_are_few() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    send(stream, MS)
    stream.answered(followed(0, 20 * MS, reflected=0))
    assert stream.next_deadline_ns == 20 * MS + FOLLOW_UP_GRACE_NS


def test_no_sample_comes_later_than_a_loss_would() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    send(stream, 700 * MS)
    stream.answered(followed(0, 20 * MS, reflected=0))
    assert stream.next_deadline_ns == TIMEOUT_NS


def test_an_interval_that_exceeds_the_timeout_leaves_nothing_to_wait_for() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    send(stream, 0)
    stream.expire(TIMEOUT_NS)
    send(stream, 2 * TIMEOUT_NS)
    assert settled(stream.answered(followed(1, 2 * TIMEOUT_NS + 20 * MS, reflected=0))) == [1]


def test_the_answer_to_the_last_packet_waits_for_nothing() -> None:
    stream = sending(2)
    assert stream.ended() == []
    assert stream.answered(followed(0, arrival_ns(0), reflected=0)) == []
    assert settled(stream.answered(followed(1, arrival_ns(1), reflected=1))) == [0, 1]


def test_the_end_releases_the_last_packet_that_waits() -> None:
    stream = sending(1)
    assert stream.answered(followed(0, arrival_ns(0), reflected=0)) == []
    assert settled(stream.ended()) == [0]
    send(stream, INTERVAL_NS)
    assert stream.answered(followed(1, arrival_ns(1), reflected=1)) == []


def test_a_reflector_may_have_written_its_time_a_little_ahead() -> None:
    stream = sending(2)
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    [sample] = samples(stream.answered(followed(1, arrival_ns(1), reflected=1, lag_ns=-30_000)))
    assert (sample.reflector_stamped, sample.residence_ns) == (True, 45_000)


def test_a_time_before_the_packet_came_or_long_behind_the_reflectors_own_is_not_believed() -> None:
    for lag_ns in (-76_000, 500 * MS, 1_500 * MS):
        stream = sending(2)
        stream.answered(followed(0, arrival_ns(0), reflected=0))
        [sample] = samples(stream.answered(followed(1, arrival_ns(1), reflected=1, lag_ns=lag_ns)))
        assert (sample.reflector_stamped, sample.residence_ns) == (False, 75_000)


def test_a_copy_made_on_the_way_there_brings_the_follow_up_of_the_first() -> None:
    stream = sending(1)
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    answered, copy = samples(stream.answered(followed(0, arrival_ns(0) + MS, reflected=1)))
    assert (answered.outcome, answered.reflector_stamped) == (Outcome.ANSWERED, True)
    assert copy.outcome is Outcome.DUPLICATE


def test_a_copy_made_on_the_way_back_settles_what_waits() -> None:
    stream = sending(2)
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    events = stream.answered(followed(0, arrival_ns(0) + MS, reflected=0))
    assert outcomes(events) == [Outcome.ANSWERED, Outcome.DUPLICATE]


def test_answers_that_overtake_each_other_on_the_way_back_keep_their_follow_ups() -> None:
    stream = sending(4)
    events: list[StreamEvent] = []
    for number, at_ns in ((1, arrival_ns(1)), (0, arrival_ns(1) + MS), (2, arrival_ns(2)), (3, arrival_ns(3))):
        arrived = stream.answered(followed(number, at_ns, reflected=number))
        assert not isinstance(arrived, Rejection)
        events += arrived
    found = [(sample.sequence, sample.outcome) for sample in samples(events)]
    assert found == [(1, Outcome.ANSWERED), (0, Outcome.REORDERED), (2, Outcome.ANSWERED)]
    assert [sample.reflector_stamped for sample in samples(events)] == [True, False, True]  # 0 came behind its own


def test_an_answer_beyond_its_timeout_is_lost_and_late_at_once() -> None:
    stream = sending(1)
    assert outcomes(stream.answered(followed(0, TIMEOUT_NS + 1 * MS, reflected=0))) == [Outcome.LOST, Outcome.LATE]


def test_a_transmit_stamp_that_comes_behind_the_follow_up_settles() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    stream.sent(departure(0, 0))
    send(stream, INTERVAL_NS)
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    assert stream.answered(followed(1, arrival_ns(1), reflected=1)) == []
    [sample] = samples(stream.transmitted(0, WALL + 10_000))
    assert (sample.sequence, sample.reflector_stamped) == (0, True)


def test_a_transmit_stamp_alone_does_not_end_the_wait() -> None:
    stream = Stream(timeout_ns=TIMEOUT_NS)
    stream.sent(departure(0, 0))
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    assert stream.transmitted(0, WALL + 10_000) == []
    assert stream.outstanding == 1


def test_another_port_is_another_numbering() -> None:
    stream = sending(2)
    stream.answered(followed(0, arrival_ns(0), reflected=0))
    [first] = samples(stream.reopened())
    assert (first.sequence, first.reflector_stamped) == (0, False)
    assert stream.answered(followed(1, arrival_ns(1), reflected=1, about=0)) == []
    assert settled(stream.expire(2 * TIMEOUT_NS)) == [1]


def test_what_waited_at_another_port_is_no_restart_here() -> None:
    stream = sending(3)
    stream.answered(followed(0, arrival_ns(0), reflected=1000))
    stream.reopened()
    for number in (1, 2):
        stream.answered(followed(number, arrival_ns(number), reflected=number - 1))
    stream.expire(2 * TIMEOUT_NS)
    assert stream.restarts == 0


def test_numbers_of_the_reflector_may_go_beyond_32_bits() -> None:
    stream = sending(2)
    stream.answered(followed(0, arrival_ns(0), reflected=0xFFFFFFFF))
    assert settled(stream.answered(followed(1, arrival_ns(1), reflected=0, about=0xFFFFFFFF))) == [0]


def test_a_reflector_that_restarts_follows_nothing_up_that_it_sent_before() -> None:
    stream = sending(3)
    stream.answered(followed(0, arrival_ns(0), reflected=5))
    [first] = samples(stream.answered(followed(1, arrival_ns(1), reflected=0)))
    assert (first.sequence, first.reflector_stamped) == (0, False)
    [second] = samples(stream.answered(followed(2, arrival_ns(2), reflected=1)))
    assert second.sequence == 1


def test_losses_keep_their_directions() -> None:
    stream = sending(5)
    events: list[StreamEvent] = []
    for sequence, reflected in ((0, 0), (3, 2), (4, 3)):  # packet 1 was lost on one way, 2 on the other
        arrived = stream.answered(followed(sequence, arrival_ns(sequence), reflected=reflected))
        assert not isinstance(arrived, Rejection)
        events += arrived
    events += stream.expire(10 * TIMEOUT_NS)
    assert [event.outcome for event in events if isinstance(event, Sample)].count(Outcome.LOST) == 2
    told = [event for event in events if isinstance(event, DirectionalLoss)]
    assert (sum(loss.forward for loss in told), sum(loss.backward for loss in told)) == (1, 1)
