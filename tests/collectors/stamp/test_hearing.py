"""What answers tell beside their times: marks, counts, follow-ups, and facts of the reflector."""

from __future__ import annotations

from collectors.path import PacketMarks
from collectors.peer import DirectMeasurement, ReflectorFacts, Rejection
from collectors.sample import Sample
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.extensions import read_tlvs
from collectors.stamp.options import StampOptions
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall, ptp_from_wall
from collectors.stamp.tlv import ClassOfService, FollowUp, Tlv, TlvType
from collectors.stamp.tlv import DirectMeasurement as Counts
from collectors.stamp.wire import ReflectorPacket, parse_sender_packet
from collectors.stream import Stream
from tests.collectors.stamp.conversation import (
    INTERVAL_NS,
    KEY,
    MS,
    RESIDENCE_NS,
    THERE_NS,
    WALL,
    Conversation,
    answered,
)

EF = PacketMarks(dscp=46)
ALL = frozenset({TlvType.FOLLOW_UP_TELEMETRY, TlvType.CLASS_OF_SERVICE, TlvType.DIRECT_MEASUREMENT})
EVERYTHING = Capabilities(stateful=True, understood=ALL)
LAG_NS = 40_000


def followed_up(number: int | None, *, ptp: bool = False) -> Tlv:
    """Tell that the answer with this number left some time after its T3; ``None``: there is nothing to tell."""
    if number is None:
        return Tlv(0, TlvType.FOLLOW_UP_TELEMETRY, bytes(16))
    left_ns = WALL + number * INTERVAL_NS + THERE_NS + RESIDENCE_NS + LAG_NS
    timestamp = ptp_from_wall(left_ns) if ptp else ntp_from_wall(left_ns)
    return Tlv(0, TlvType.FOLLOW_UP_TELEMETRY, bytes(FollowUp(sequence=number, timestamp=timestamp)))


def asked_tlvs(conversation: Conversation) -> list[int]:
    trailing = parse_sender_packet(conversation.ask(), key=conversation.options.key).trailing
    kinds = []
    while trailing:
        kinds.append(trailing[1])
        trailing = trailing[4 + int.from_bytes(trailing[2:4], "big") :]
    return kinds


def test_packets_carry_no_tlv_before_the_reflector_was_seen_to_understand_it() -> None:
    assert asked_tlvs(Conversation()) == []
    nothing = Capabilities(stateful=True, understood=frozenset())
    assert asked_tlvs(Conversation(capabilities=nothing)) == []


def test_packets_carry_what_serves_and_is_understood() -> None:
    assert asked_tlvs(Conversation(capabilities=EVERYTHING)) == [TlvType.FOLLOW_UP_TELEMETRY]
    marked = Conversation(StampOptions(marks=EF), capabilities=EVERYTHING)
    assert asked_tlvs(marked) == [TlvType.CLASS_OF_SERVICE, TlvType.FOLLOW_UP_TELEMETRY]
    half = Capabilities(stateful=True, understood=frozenset({TlvType.CLASS_OF_SERVICE}))
    assert asked_tlvs(Conversation(StampOptions(marks=EF), capabilities=half)) == [TlvType.CLASS_OF_SERVICE]


def test_packets_carry_what_is_wished_for_or_nothing() -> None:
    wished = StampOptions(tlvs=("direct_measurement",))
    assert asked_tlvs(Conversation(wished, capabilities=EVERYTHING)) == [TlvType.DIRECT_MEASUREMENT]
    assert asked_tlvs(Conversation(StampOptions(tlvs=()), capabilities=EVERYTHING)) == []


def test_a_reflector_without_state_is_asked_for_no_follow_up() -> None:
    stateless = Capabilities(stateful=False, understood=ALL)
    assert asked_tlvs(Conversation(capabilities=stateless)) == []


def test_with_a_key_the_hmac_tlv_vouches_for_the_others() -> None:
    conversation = Conversation(StampOptions(key=KEY), capabilities=EVERYTHING)
    packet = parse_sender_packet(conversation.ask(), key=KEY)
    understood = packet.trailing.replace(b"\x80", b"\0")
    assert asked_tlvs(conversation) == [TlvType.FOLLOW_UP_TELEMETRY, TlvType.HMAC]
    assert read_tlvs(understood, sequence=0, key=KEY).not_authentic  # the flags are covered too


def test_a_follow_up_makes_the_round_trip_of_four_kernel_times() -> None:
    for options in (StampOptions(), StampOptions(ptp=True)):
        conversation = Conversation(options, capabilities=EVERYTHING)
        estimate = ErrorEstimate.from_bits(0x4F84 if options.ptp else 0x0F84)
        first, second = conversation.ask(), conversation.ask()
        assert conversation.take(conversation.reply(first, tlvs=[followed_up(None)], error_estimate=estimate)) == []
        told = [followed_up(0, ptp=options.ptp)]
        sample = conversation.settle(conversation.reply(second, tlvs=told, error_estimate=estimate), number=1)
        assert (sample.sequence, sample.reflector_stamped) == (0, True)
        assert (sample.residence_ns, sample.rtt_ns) == (RESIDENCE_NS + LAG_NS, 2 * THERE_NS - LAG_NS)


def test_a_reflector_that_never_follows_up_delays_only_the_first_answers() -> None:
    conversation = Conversation(capabilities=EVERYTHING)
    held = [
        answered(
            conversation.hear(conversation.reply(conversation.ask(), tlvs=[followed_up(None)]), number=number)
        ).follow_up_due
        for number in range(20)
    ]
    assert held.index(False) < 10
    assert not any(held[10:])


def test_the_marks_of_a_packet_as_it_arrived_there_and_of_its_answer_here() -> None:
    conversation = Conversation(StampOptions(marks=EF), capabilities=EVERYTHING)
    there = ClassOfService(dscp1=46, dscp2=10, ecn=1)
    sample = conversation.settle(
        conversation.reply(conversation.ask(), tlvs=[Tlv(0, TlvType.CLASS_OF_SERVICE, bytes(there))]), tos=46 << 2 | 3
    )
    assert (sample.forward_tos, sample.backward_tos) == (10 << 2 | 1, 46 << 2 | 3)


def test_the_marks_of_an_answer_say_nothing_where_the_reflector_chose_them() -> None:
    conversation = Conversation(StampOptions(marks=EF), capabilities=EVERYTHING)
    refused = ClassOfService(dscp1=46, dscp2=46, rp=1)
    sample = conversation.settle(
        conversation.reply(conversation.ask(), tlvs=[Tlv(0, TlvType.CLASS_OF_SERVICE, bytes(refused))]), tos=0
    )
    assert (sample.forward_tos, sample.backward_tos) == (46 << 2, None)


def test_both_ends_count_the_packets_of_a_session() -> None:
    conversation = Conversation(StampOptions(tlvs=("direct_measurement",)), capabilities=EVERYTHING)
    conversation.ask()
    data = conversation.ask()
    assert parse_sender_packet(data).trailing[4:8] == (2).to_bytes(4, "big")
    counts = Tlv(0, TlvType.DIRECT_MEASUREMENT, bytes(Counts(sent=2, reflector_received=1, reflector_sent=1)))
    heard = answered(conversation.hear(conversation.reply(data, tlvs=[counts]), number=1))
    assert heard.direct_measurement == DirectMeasurement(sent=2, reflector_received=1, reflector_sent=1)


def test_answers_to_packets_from_before_the_tlvs_have_their_own_size() -> None:
    conversation = Conversation()
    before = conversation.ask()
    conversation.asking.carry(EVERYTHING)
    after = conversation.ask()
    assert len(before) < len(after)
    for number, data in ((1, after), (0, before)):
        heard = answered(conversation.hear(conversation.reply(data), number=number))
        assert heard.quirks == frozenset()


def test_packets_of_many_sizes_may_be_on_their_way_at_once() -> None:
    conversation = Conversation()
    asked = []
    for understood in (frozenset(), ALL, frozenset(), ALL):
        conversation.asking.carry(Capabilities(stateful=True, understood=understood))
        asked.append(conversation.ask())
    assert {len(data) for data in asked} == {44, 64}
    for number in (3, 0, 1, 2):
        heard = answered(conversation.hear(conversation.reply(asked[number]), number=number))
        assert heard.quirks == frozenset()


def test_a_size_is_remembered_however_many_packets_have_it() -> None:
    conversation = Conversation()
    conversation.ask()
    conversation.asking.carry(EVERYTHING)
    conversation.ask()
    conversation.stream = Stream(timeout_ns=1000 * MS, first_sequence=2**31 + 10)
    data = conversation.ask()
    assert answered(conversation.hear(conversation.reply(data), number=2**31 + 10)).quirks == frozenset()


def claiming(conversation: Conversation, bits: int) -> ReflectorPacket:
    return conversation.reply(conversation.ask(), error_estimate=ErrorEstimate.from_bits(bits))


def test_claims_of_a_clock_are_facts() -> None:
    conversation = Conversation()
    conversation.settle(claiming(conversation, 0x8F84))
    assert conversation.facts == ReflectorFacts(synchronised=True, error_ns=1_007_081)
    conversation.settle(claiming(conversation, 0x3FFF))
    assert conversation.facts == ReflectorFacts(synchronised=False)


def test_another_error_is_told_ten_times_a_second_at_most_and_none_is_forgotten() -> None:
    conversation = Conversation()
    told: list[int | None] = []
    for number, bits in ((0, 0x8F84), (0, 0x8F85), (0, 0x8F86), (1, 0x8F86), (1, 0x8F86), (1, 0x3FFF), (1, 0x8F84)):
        conversation.hear(claiming(conversation, bits), number=number)
        assert conversation.facts is not None
        told.append(conversation.facts.error_ns)
    first, third = 1_007_081, 1_022_339
    assert told == [first, first, first, third, third, None, first]


def test_the_largest_error_is_told_as_none() -> None:
    conversation = Conversation()
    conversation.settle(claiming(conversation, 0xBFFF))
    assert conversation.facts == ReflectorFacts(synchronised=True)


def test_what_the_check_beside_found_is_told_with_the_claims() -> None:
    found = Capabilities(stateful=True, understood=ALL, seen_from="198.51.100.1:4000", clock_source="ptp")
    conversation = Conversation(capabilities=found)
    conversation.take(conversation.reply(conversation.ask()))
    assert conversation.facts == ReflectorFacts(
        stateful=True,
        understands=("class_of_service", "direct_measurement", "follow_up"),
        seen_from="198.51.100.1:4000",
        clock_source="ptp",
        synchronised=False,
    )


def test_a_stateful_reflector_tells_of_losses_on_the_way_back_at_once() -> None:
    conversation = Conversation(StampOptions(tlvs=()), capabilities=EVERYTHING)
    requests = [conversation.ask() for _ in range(3)]
    for number in (0, 2):
        conversation.settle(conversation.reply(requests[number]), number=number)
    events = conversation.stream.expire(INTERVAL_NS + 1000 * MS)
    assert not isinstance(events, Rejection)
    assert [type(event) is Sample for event in events] == [True, False]
