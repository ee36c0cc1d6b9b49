"""Reflectors as they are in the field: each is used as far as it can be told apart safely, and marked."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from collectors.peer import Quirk, Rejection
from collectors.roundtrip import Answer
from collectors.sample import DirectionalLoss, Outcome, Sample
from collectors.stamp import quirks
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.options import StampOptions
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall, ptp_from_wall
from collectors.stamp.tlv import TlvType
from collectors.stream import StreamEvent
from tests.collectors.stamp.conversation import (
    INTERVAL_NS,
    MS,
    RESIDENCE_NS,
    THERE_NS,
    WALL,
    Conversation,
    answered,
)

FOLLOW_UPS = frozenset({TlvType.FOLLOW_UP_TELEMETRY})
SYNCHRONISED = ErrorEstimate.from_error_ns(1 * MS, synchronised=True)
RTT_NS = 2 * THERE_NS
RAW_RTT_NS = RTT_NS + RESIDENCE_NS
ARRIVED_NS = WALL + THERE_NS


def test_a_proper_answer_has_no_quirk() -> None:
    for options in (StampOptions(), StampOptions(ptp=True), StampOptions(size=1400, ssid=5)):
        conversation = Conversation(options)
        sample = conversation.settle(conversation.reply(conversation.ask()))
        assert (sample.outcome, sample.rtt_ns, sample.residence_ns) == (Outcome.ANSWERED, RTT_NS, RESIDENCE_NS)
        assert sample.quirks == frozenset()


def test_swapped_timestamps_are_put_right() -> None:
    conversation = Conversation()
    proper = conversation.reply(conversation.ask())
    swapped = proper._replace(timestamp=proper.sender_timestamp, sender_timestamp=proper.timestamp)
    sample = conversation.settle(swapped)
    assert (sample.rtt_ns, sample.residence_ns, sample.backward_ns) == (RTT_NS, RESIDENCE_NS, THERE_NS)
    assert sample.quirks == {Quirk.SWAPPED_TIMESTAMPS}


def test_an_answer_of_38_octets_has_one_time_for_two_and_no_ttl() -> None:
    conversation = Conversation()
    proper = conversation.reply(conversation.ask())
    sample = conversation.settle(bytes(proper._replace(timestamp=proper.received_timestamp))[:38])
    assert (sample.outcome, sample.rtt_ns, sample.residence_ns) == (Outcome.ANSWERED, RAW_RTT_NS, None)
    assert sample.quirks == {Quirk.SHORT_ANSWER, Quirk.ONE_TIME_FOR_TWO}


def test_an_answer_of_41_octets_is_twamp_lights_and_not_as_long_as_the_request() -> None:
    conversation = Conversation()
    sample = conversation.settle(bytes(conversation.reply(conversation.ask()))[:41])
    assert sample.residence_ns == RESIDENCE_NS
    assert sample.quirks == {Quirk.OTHER_SIZE}


def test_an_answer_from_another_address_that_repeats_our_time_is_used() -> None:
    for source in (("192.0.2.8", 862), ("192.0.2.7", 50_000)):
        conversation = Conversation()
        proper = conversation.reply(conversation.ask())
        assert conversation.settle(proper, source=source).quirks == {Quirk.OTHER_SOURCE}
        conversation.ask()
        forged = proper._replace(sender_sequence=1)
        assert conversation.take(forged, source=source) is Rejection.WRONG_TIMESTAMP


def test_one_address_written_in_several_ways_is_one() -> None:
    assert quirks.is_same_end(("2001:db8::1", 862, 0, 0), ("2001:0DB8:0::1", 862, 0, 0))
    assert quirks.is_same_end(("fe80::1%eth0", 862, 0, 2), ("fe80::1", 862, 0, 0))
    assert not quirks.is_same_end(("fe80::1", 863, 0, 2), ("fe80::1", 862, 0, 2))
    looks = quirks.Looks(("2001:0db8::0001", 862, 0, 0), ssid=0)
    conversation = Conversation()
    recognised = conversation.hearing.recognise(
        bytes(conversation.reply(conversation.ask())), conversation.stream.departure
    )
    assert not isinstance(recognised, Rejection)
    for _ in range(2):
        seen = looks.examine(recognised, size=44, source=("2001:db8::1", 862, 0, 0), now_ns=WALL)
        assert seen == frozenset()


def test_a_residence_that_cannot_be_leaves_the_raw_round_trip_and_no_other_time() -> None:
    before = ntp_from_wall(ARRIVED_NS - 1000)
    long_after = ntp_from_wall(ARRIVED_NS + 1001 * MS)
    longer_than_it_was_away = ntp_from_wall(ARRIVED_NS + RAW_RTT_NS + 2 * MS)
    for sent in (before, long_after, longer_than_it_was_away, bytes(8)):
        conversation = Conversation()
        sample = conversation.settle(conversation.reply(conversation.ask(), timestamp=sent))
        assert (sample.rtt_ns, sample.residence_ns) == (RAW_RTT_NS, None)
        assert (sample.forward_ns, sample.backward_ns) == (None, None)
        assert sample.quirks == {Quirk.IMPOSSIBLE_RESIDENCE}


def test_zeros_for_both_times_are_none() -> None:
    conversation = Conversation()
    sample = conversation.settle(
        conversation.reply(conversation.ask(), timestamp=bytes(8), received_timestamp=bytes(8))
    )
    assert (sample.rtt_ns, sample.forward_ns) == (RAW_RTT_NS, None)
    assert sample.quirks == {Quirk.IMPOSSIBLE_RESIDENCE}


def test_a_zero_error_estimate_is_an_unknown_error() -> None:
    conversation = Conversation()
    estimate = ErrorEstimate.from_bits(0x8000)
    sample = conversation.settle(conversation.reply(conversation.ask(), error_estimate=estimate))
    assert sample.rtt_ns == RTT_NS
    assert sample.quirks == {Quirk.NO_ERROR_ESTIMATE}
    assert conversation.facts is not None
    assert (conversation.facts.synchronised, conversation.facts.error_ns) == (True, None)


def test_a_clock_that_claims_to_be_within_nanoseconds_of_utc_is_not_believed() -> None:
    conversation = Conversation()
    sample = conversation.settle(conversation.reply(conversation.ask(), error_estimate=ErrorEstimate.from_bits(0x8001)))
    assert sample.quirks == {Quirk.IMPOSSIBLE_SYNCHRONISATION}


def test_an_error_without_synchronisation_means_nothing() -> None:
    for bits in (0x0001, 0x3FFF):
        conversation = Conversation()
        estimate = ErrorEstimate.from_bits(bits)
        assert (
            conversation.settle(conversation.reply(conversation.ask(), error_estimate=estimate)).quirks == frozenset()
        )


def test_two_synchronised_clocks_are_disproved_by_a_packet_that_arrives_before_it_left() -> None:
    for ours, shift_ns, disproved in (
        (SYNCHRONISED, -THERE_NS - 3 * MS, True),
        (SYNCHRONISED, THERE_NS + 4 * MS, True),
        (SYNCHRONISED, -THERE_NS - 1 * MS, False),  # as far apart as they may be, by their own words
        (ErrorEstimate.UNKNOWN, -THERE_NS - 3 * MS, False),
    ):
        conversation = Conversation(ours=ours)
        arrived_ns = ARRIVED_NS + shift_ns
        sample = conversation.settle(
            conversation.reply(
                conversation.ask(),
                error_estimate=SYNCHRONISED,
                received_timestamp=ntp_from_wall(arrived_ns),
                timestamp=ntp_from_wall(arrived_ns + RESIDENCE_NS),
            )
        )
        assert sample.rtt_ns == RTT_NS
        assert sample.quirks == ({Quirk.IMPOSSIBLE_SYNCHRONISATION} if disproved else frozenset())


def test_a_time_that_was_written_ahead_a_little_disproves_nothing() -> None:
    exact = ErrorEstimate.from_error_ns(100, synchronised=True)
    conversation = Conversation(ours=exact)
    ahead = ntp_from_wall(ARRIVED_NS + RESIDENCE_NS + THERE_NS + MS // 2)
    sample = conversation.settle(conversation.reply(conversation.ask(), error_estimate=exact, timestamp=ahead))
    assert sample.quirks == frozenset()


def test_ptp_counts_tai_or_utc_and_either_is_proper() -> None:
    for ahead_ns in (0, 37_000 * MS):
        conversation = Conversation(StampOptions(ptp=True), ours=SYNCHRONISED)
        sample = conversation.settle(
            conversation.reply(
                conversation.ask(),
                error_estimate=replace(SYNCHRONISED, ptp=True),
                received_timestamp=ptp_from_wall(ARRIVED_NS + ahead_ns),
                timestamp=ptp_from_wall(ARRIVED_NS + ahead_ns + RESIDENCE_NS),
            )
        )
        assert (sample.rtt_ns, sample.forward_ns) == (RTT_NS, THERE_NS + ahead_ns)
        assert sample.quirks == frozenset()


def test_a_step_of_our_own_clock_while_a_packet_is_on_its_way_proves_nothing_of_the_reflectors() -> None:
    for step_ns in (-3_600_000 * MS, -15 * MS, 3_600_000 * MS):
        conversation = Conversation(ours=SYNCHRONISED)
        proper = conversation.reply(conversation.ask(), error_estimate=SYNCHRONISED)
        assert answered(conversation.hear(proper, step_ns=step_ns)).quirks == frozenset()


def test_ten_thousand_proper_answers_of_any_reflector_have_no_quirk() -> None:
    rng = random.Random(7)
    for ptp, ssid, understood in itertools.product((False, True), (0, 9), (frozenset(), FOLLOW_UPS)):
        conversation = Conversation(
            StampOptions(ptp=ptp, ssid=ssid, size=rng.randrange(44, 1400)),
            capabilities=Capabilities(stateful=True, understood=understood),
            ours=SYNCHRONISED,
        )
        estimate = replace(SYNCHRONISED, ptp=rng.random() < 0.5)
        encode = ptp_from_wall if estimate.ptp else ntp_from_wall
        for number in range(1250):
            asked = conversation.ask()
            arrived_ns = ARRIVED_NS + number * INTERVAL_NS + rng.randrange(-2 * MS, 2 * MS)  # two clocks, 2 ms apart
            proper = conversation.reply(
                asked,
                error_estimate=estimate,
                received_timestamp=encode(arrived_ns),
                timestamp=encode(arrived_ns + 1 + int(rng.expovariate(1 / 50_000))),
            )
            heard = answered(conversation.hear(proper, number=number))
            assert heard.quirks == frozenset()
            conversation.stream.answered(heard)


def test_a_z_bit_that_names_the_wrong_format_is_seen_through() -> None:
    for options, bits, encode in (
        (StampOptions(ptp=True), 0x4F84, ntp_from_wall),
        (StampOptions(), 0x0F84, ptp_from_wall),
    ):
        conversation = Conversation(options)
        sample = conversation.settle(
            conversation.reply(
                conversation.ask(),
                error_estimate=ErrorEstimate.from_bits(bits),
                received_timestamp=encode(ARRIVED_NS),
                timestamp=encode(ARRIVED_NS + RESIDENCE_NS),
            )
        )
        assert (sample.rtt_ns, sample.residence_ns) == (RTT_NS, RESIDENCE_NS)
        assert sample.quirks == {Quirk.OTHER_TIME_FORMAT}


def test_a_clock_that_is_years_off_has_no_other_format() -> None:
    for encode, ptp in ((ntp_from_wall, False), (ptp_from_wall, True)):
        years_ago = encode(WALL - 10 * 365 * 86_400_000 * MS)
        assert not quirks.is_other_format(years_ago, ptp=ptp, now_ns=WALL)


def test_a_reflector_that_uses_the_other_format_and_says_so_is_proper() -> None:
    conversation = Conversation(StampOptions(ptp=True))
    sample = conversation.settle(conversation.reply(conversation.ask()))
    assert (sample.residence_ns, sample.quirks) == (RESIDENCE_NS, frozenset())


def test_a_reflector_without_numbers_of_its_own_tells_no_direction() -> None:
    conversation = Conversation(capabilities=Capabilities(stateful=False, understood=frozenset()))
    events = through(conversation, [0, 1, 4, 5], reflected=[0, 1, 4, 5])
    assert outcomes(events).count(Outcome.LOST) == 2
    assert not [event for event in events if isinstance(event, DirectionalLoss)]


def test_a_reflector_that_restarts_in_the_middle_begins_a_new_count() -> None:
    conversation = Conversation(capabilities=Capabilities(stateful=True, understood=frozenset()))
    events = through(conversation, [0, 1, 2, 4, 5, 7], reflected=[0, 1, 2, 0, 1, 2])
    assert conversation.stream.restarts == 1
    told = [event for event in events if isinstance(event, DirectionalLoss)]
    assert [(loss.sequence, loss.forward, loss.backward) for loss in told] == [(7, 1, 0)]


def test_a_reflector_that_goes_backwards_in_sequence_attributes_nothing() -> None:
    conversation = Conversation(capabilities=Capabilities(stateful=True, understood=frozenset()))
    events = through(conversation, list(range(200)), reflected=list(range(1200, 1000, -1)))
    assert outcomes(events) == [Outcome.ANSWERED] * 200
    assert not [event for event in events if isinstance(event, DirectionalLoss)]


def through(conversation: Conversation, answers: list[int], *, reflected: list[int]) -> list[StreamEvent]:
    """Send packets up to the last one answered; answer these with these numbers, and let the rest be lost."""
    requests = [conversation.ask() for _ in range(answers[-1] + 1)]
    events: list[StreamEvent] = []
    for number, sequence in zip(answers, reflected, strict=True):
        arrived = conversation.take(conversation.reply(requests[number], sequence=sequence), number=number)
        assert not isinstance(arrived, Rejection)
        events += arrived
    return events + conversation.stream.expire(len(requests) * INTERVAL_NS + 2000 * MS)


def outcomes(events: list[StreamEvent]) -> list[Outcome]:
    return [event.outcome for event in events if isinstance(event, Sample)]


@given(st.binary(max_size=120), st.binary(max_size=60), st.booleans())
def test_any_octets_are_an_answer_or_a_reason(noise: bytes, tail: bytes, keeps_proof: bool) -> None:
    conversation = Conversation(capabilities=Capabilities(stateful=True, understood=frozenset()))
    data = conversation.ask()
    octets = bytearray(noise.ljust(44, b"\0"))
    if keeps_proof:
        octets[24:36] = bytes(conversation.reply(data))[24:36]
    heard = conversation.hear(bytes(octets) + tail)
    assert isinstance(heard, Answer | Rejection)
    if keeps_proof:
        conversation.stream.answered(answered(heard))
