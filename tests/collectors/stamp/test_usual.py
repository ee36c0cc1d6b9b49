"""Answers like the one before take a short way, which must tell what the long one tells, whatever comes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from collectors.path import Address, PacketMarks
from collectors.peer import Quirk, Rejection
from collectors.roundtrip import Answer
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.options import StampOptions
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall, ptp_from_wall
from collectors.stamp.tlv import ClassOfService, FollowUp, Tlv, TlvType
from tests.collectors.stamp.conversation import (
    INTERVAL_NS,
    KEY,
    MS,
    REFLECTOR,
    RESIDENCE_NS,
    THERE_NS,
    WALL,
    Conversation,
    answered,
)

ELSEWHERE: Address = ("192.0.2.8", 862)
BOTH = Capabilities(
    stateful=True, understood=frozenset({TlvType.FOLLOW_UP_TELEMETRY, TlvType.CLASS_OF_SERVICE, TlvType.EXTRA_PADDING})
)
MARKED = StampOptions(marks=PacketMarks(dscp=46), ssid=7)
SYNCHRONISED = ErrorEstimate.from_error_ns(20_000, synchronised=True)
OTHER = ErrorEstimate.from_error_ns(5 * MS, synchronised=False)
FAR_NS = 90_000_000_000_000  # more than a day


def told(number: int, *, ecn: int = 0, marks: bool = True, known: bool = True) -> list[Tlv]:
    """Tell with answer ``number`` when the one before it left, and with which marks its request came."""
    left_ns = WALL + number * INTERVAL_NS - INTERVAL_NS + THERE_NS + RESIDENCE_NS + 40_000
    before = bytes(FollowUp(sequence=max(number - 1, 0), timestamp=ntp_from_wall(left_ns)))
    follow_up = Tlv(0, TlvType.FOLLOW_UP_TELEMETRY, before if known else bytes(16))
    arrived = ClassOfService(dscp1=46, dscp2=46, ecn=ecn)
    return [follow_up, Tlv(0, TlvType.CLASS_OF_SERVICE, bytes(arrived))] if marks else [follow_up]


def at(number: int, late_ns: int = 0) -> bytes:
    return ntp_from_wall(WALL + number * INTERVAL_NS + THERE_NS + late_ns)


def odd_answer(number: int, rng: random.Random) -> dict[str, Any]:
    """Return how an answer differs from the usual ones; most do not."""
    came_ns = WALL + number * INTERVAL_NS + THERE_NS
    odd: list[dict[str, Any]] = [
        {"error_estimate": rng.choice((SYNCHRONISED, OTHER, replace(OTHER, ptp=True)))},
        {"ssid": 8},
        {"ssid": 0},
        {"sequence": number + 3},
        {"received_timestamp": at(number, RESIDENCE_NS)},
        {"received_timestamp": at(number, 2 * RESIDENCE_NS)},
        {"received_timestamp": at(number, -MS), "timestamp": at(number, 300 * MS)},
        {"received_timestamp": at(number, FAR_NS - 1000), "timestamp": at(number, FAR_NS)},
        {"received_timestamp": ptp_from_wall(came_ns), "timestamp": ptp_from_wall(came_ns + RESIDENCE_NS)},
        {"timestamp": bytes(8)},
        {"sender_timestamp": at(number)},
        {"sender_sequence": number + 1},
        {"tlvs": told(number, ecn=1)},
        {"tlvs": told(number, known=False)},
        {"tlvs": told(number, marks=False)},
        {"tlvs": [Tlv(0x40, TlvType.FOLLOW_UP_TELEMETRY, bytes(16))]},
        {"tlvs": [*told(number), Tlv(0, TlvType.EXTRA_PADDING, bytes(8))]},
        {"tlvs": []},
    ]
    return rng.choice(odd) if rng.random() < 0.3 else {}


def heard_both_ways(options: StampOptions, seed: int) -> list[tuple[Answer | Rejection, Answer | Rejection]]:
    """Let two hear the same; to one each answer comes from elsewhere first, so that no other is like it."""
    rng = random.Random(seed)
    ours = rng.choice((ErrorEstimate.UNKNOWN, SYNCHRONISED))
    usual, other = (Conversation(options, capabilities=BOTH, ours=ours) for _ in range(2))
    pairs = []
    for number in range(200):
        data = usual.ask()
        other.ask()
        answer = usual.reply(data, **{"tlvs": told(number), **odd_answer(number, rng)})
        copy = usual.reply(data, tlvs=told(number), error_estimate=answer.error_estimate)
        other.hear(copy, number=number, source=ELSEWHERE)
        octets, tos = bytes(answer), rng.choice((0, 0, 0, 184))
        step_ns = rng.choice((0, 0, 0, 0, 60 * MS))
        source = rng.choice((REFLECTOR,) * 8 + (ELSEWHERE,))
        short, long = (
            each.hear(octets, number=number, source=source, tos=tos, step_ns=step_ns) for each in (usual, other)
        )
        pairs.append((short, long))
        assert usual.facts == other.facts or isinstance(short, Rejection)
    return pairs


def but_for_patience(heard: Answer | Rejection) -> Answer | Rejection:
    """Leave out what counts the answers that followed nothing up: copies count too."""
    return heard._replace(follow_up_due=False) if isinstance(heard, Answer) else heard


@pytest.mark.parametrize("seed", range(20))
def test_the_short_way_tells_what_the_long_one_tells(seed: int) -> None:
    for short, long in heard_both_ways(MARKED, seed):
        assert but_for_patience(short) == but_for_patience(long)


def test_an_answer_like_the_one_before_is_understood_in_full() -> None:
    conversation = Conversation(MARKED, capabilities=BOTH)
    for number in range(3):
        answer = answered(
            conversation.hear(conversation.reply(conversation.ask(), tlvs=told(number)), number=number, tos=184)
        )
    assert answer.sequence == answer.reflector_sequence == 2
    assert answer.reflector_received_ns == WALL + 2 * INTERVAL_NS + THERE_NS
    assert answer.follow_up is not None
    assert answer.follow_up.reflector_sequence == 1
    assert (answer.stateful, answer.follow_up_due, answer.forward_tos, answer.backward_tos) == (True, True, 184, 184)


def test_what_a_reflector_is_found_to_be_shows_in_the_next_answer() -> None:
    conversation = Conversation(StampOptions(tlvs=()))
    assert not answered(conversation.hear(conversation.reply(conversation.ask()))).stateful
    conversation.sheet.learn(BOTH)
    assert answered(conversation.hear(conversation.reply(conversation.ask()), number=1)).stateful


def test_a_clock_that_is_found_out_after_many_answers_is_marked() -> None:
    conversation = Conversation(StampOptions(tlvs=()), ours=SYNCHRONISED)
    for number in range(5):
        data = conversation.ask()
        late_ns = 0 if number < 4 else -2 * THERE_NS
        answer = conversation.reply(
            data,
            error_estimate=SYNCHRONISED,
            received_timestamp=at(number, late_ns),
            timestamp=at(number, late_ns + RESIDENCE_NS),
        )
        quirks = answered(conversation.hear(answer, number=number)).quirks
        assert quirks == (frozenset() if number < 4 else {Quirk.IMPOSSIBLE_SYNCHRONISATION})


def test_with_a_key_every_answer_is_verified() -> None:
    conversation = Conversation(StampOptions(key=KEY), capabilities=BOTH)
    for number in range(3):
        octets = conversation.encoded(conversation.reply(conversation.ask(), tlvs=()))
        answered(conversation.hear(octets, number=number, source=REFLECTOR))
        assert conversation.hear(octets[:100] + b"?" + octets[101:], number=number) is Rejection.NOT_AUTHENTIC


def test_an_answer_that_differs_in_nothing_but_where_it_comes_from_is_marked() -> None:
    conversation = Conversation(MARKED, capabilities=BOTH)
    for number, source in enumerate((REFLECTOR, REFLECTOR, ELSEWHERE, REFLECTOR)):
        answer = conversation.reply(conversation.ask(), tlvs=told(number))
        quirks = answered(conversation.hear(answer, number=number, source=source)).quirks
        assert quirks == (frozenset() if source is REFLECTOR else {Quirk.OTHER_SOURCE})
