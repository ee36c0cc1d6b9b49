"""What a session's socket may receive beside proper answers: each has its own visible reason, and settles nothing."""

from __future__ import annotations

import random

from collectors.peer import Quirk, Rejection
from collectors.sample import Outcome, Sample
from collectors.stamp.authentication import Key
from collectors.stamp.capabilities import Capabilities
from collectors.stamp.options import StampOptions
from collectors.stamp.tlv import Tlv, TlvType
from tests.collectors.stamp.conversation import KEY, WALL, Conversation, answered

FOLLOW_UPS = Capabilities(stateful=True, understood=frozenset({TlvType.FOLLOW_UP_TELEMETRY}))


def talk(
    options: StampOptions | None = None, *, capabilities: Capabilities | None = None
) -> tuple[Conversation, bytes]:
    conversation = Conversation(options, capabilities=capabilities)
    return conversation, conversation.ask()


def unharmed(conversation: Conversation, data: bytes) -> bool:
    """Whether the packet is still on its way, and the proper answer is taken for it."""
    return conversation.settle(conversation.reply(data)).outcome is Outcome.ANSWERED


def test_a_truncated_answer_is_malformed() -> None:
    conversation, data = talk()
    whole = bytes(conversation.reply(data))
    assert {conversation.take(whole[:size]) for size in range(36)} == {Rejection.MALFORMED}
    assert unharmed(conversation, data)


def test_a_truncated_answer_in_authenticated_mode_is_malformed() -> None:
    conversation, data = talk(StampOptions(key=KEY))
    whole = conversation.reply(data).authenticated(KEY)
    assert {conversation.take(whole[:size]) for size in range(112)} == {Rejection.MALFORMED}
    assert unharmed(conversation, data)


def test_an_oversized_answer_is_used_and_marked() -> None:
    conversation, data = talk()
    sample = conversation.settle(conversation.reply(data, trailing=bytes(1400)))
    assert sample.outcome is Outcome.ANSWERED
    assert sample.quirks == {Quirk.OTHER_SIZE}


def test_octets_at_random_are_rejected_whatever_they_are() -> None:
    conversation, data = talk()
    rng = random.Random(1)
    heard = {conversation.take(rng.randbytes(rng.randrange(100))) for _ in range(2000)}
    assert heard <= {Rejection.MALFORMED, Rejection.UNKNOWN_PACKET, Rejection.WRONG_TIMESTAMP}
    assert unharmed(conversation, data)


def test_a_replayed_answer_is_a_duplicate_and_settles_nothing_again() -> None:
    conversation, data = talk()
    answer = conversation.reply(data)
    assert conversation.settle(answer).outcome is Outcome.ANSWERED
    assert conversation.settle(answer).outcome is Outcome.DUPLICATE


def test_an_answer_replayed_from_an_earlier_run_answers_nothing_here() -> None:
    earlier, old = talk(StampOptions(key=KEY))
    conversation, data = talk(StampOptions(key=KEY))
    replayed = earlier.reply(old, sender_timestamp=bytes(7) + b"\1").authenticated(KEY)
    assert conversation.take(replayed) is Rejection.WRONG_TIMESTAMP
    assert unharmed(conversation, data)


def test_our_own_request_reflected_back_is_no_answer() -> None:
    for options in (StampOptions(), StampOptions(size=500), StampOptions(ptp=True), StampOptions(key=KEY, ssid=9)):
        conversation, data = talk(options)
        assert conversation.take(data) is Rejection.OWN_REQUEST
        later = conversation.ask()
        assert conversation.take(later) is Rejection.OWN_REQUEST
        assert unharmed(conversation, data)


def test_a_spoofed_answer_to_a_packet_on_its_way_does_not_know_the_time_that_it_must_repeat() -> None:
    for ptp in (False, True):
        conversation, data = talk(StampOptions(ptp=ptp))
        proper = conversation.reply(data)
        for bit in range(64):
            forged = (int.from_bytes(proper.sender_timestamp, "big") ^ 1 << bit).to_bytes(8, "big")
            assert conversation.take(proper._replace(sender_timestamp=forged)) is Rejection.WRONG_TIMESTAMP
        assert unharmed(conversation, data)


def test_a_spoofed_answer_to_a_settled_packet_is_not_even_a_duplicate() -> None:
    conversation, data = talk()
    proper = conversation.reply(data)
    conversation.settle(proper)
    assert conversation.take(proper._replace(sender_timestamp=b"guess..!")) is Rejection.WRONG_TIMESTAMP


def test_an_answer_to_a_packet_that_was_never_sent_is_unknown() -> None:
    conversation, data = talk()
    assert conversation.take(conversation.reply(data, sender_sequence=1)) is Rejection.UNKNOWN_PACKET


def test_a_wrong_key_is_not_authentic() -> None:
    conversation, data = talk(StampOptions(key=KEY))
    answer = conversation.reply(data)
    assert conversation.take(answer.authenticated(Key(b"another key, as long"))) is Rejection.NOT_AUTHENTIC
    assert conversation.take(bytes(answer).ljust(112, b"\0")) is Rejection.NOT_AUTHENTIC
    assert unharmed(conversation, data)


def test_a_changed_octet_is_not_authentic() -> None:
    conversation, data = talk(StampOptions(key=KEY))
    octets = bytearray(conversation.reply(data).authenticated(KEY))
    for at in range(112):
        octets[at] ^= 1
        assert conversation.take(bytes(octets)) is Rejection.NOT_AUTHENTIC
        octets[at] ^= 1
    assert unharmed(conversation, data)


def test_another_ssid_is_another_session() -> None:
    conversation, data = talk(StampOptions(ssid=7))
    assert conversation.take(conversation.reply(data, ssid=8)) is Rejection.WRONG_SSID
    assert unharmed(conversation, data)


def test_no_ssid_is_a_quirk_or_where_one_is_required_another_session() -> None:
    conversation, data = talk(StampOptions(ssid=7))
    assert conversation.settle(conversation.reply(data, ssid=0)).quirks == {Quirk.NO_SSID}
    conversation, data = talk(StampOptions(ssid=7, ssid_required=True))
    assert conversation.take(conversation.reply(data, ssid=0)) is Rejection.WRONG_SSID


def test_octets_where_an_ssid_may_be_mean_nothing_to_who_sent_none() -> None:
    conversation, data = talk()
    assert conversation.settle(conversation.reply(data, ssid=4711)).quirks == frozenset()


def test_an_unknown_tlv_is_passed_over() -> None:
    conversation, data = talk(capabilities=FOLLOW_UPS)
    told = Tlv(0, TlvType.FOLLOW_UP_TELEMETRY, bytes(16))
    answer = answered(conversation.hear(conversation.reply(data, tlvs=[Tlv(0x80, 200, b"\1\2\3\4"), told])))
    assert answer.follow_up_due
    assert answer.quirks == {Quirk.OTHER_SIZE}


def test_a_tlv_chain_that_overruns_the_packet_is_not_used() -> None:
    conversation, data = talk(capabilities=FOLLOW_UPS)
    overrun = bytes(Tlv(0, TlvType.FOLLOW_UP_TELEMETRY, bytes(16)))[:-1]
    sample = conversation.settle(conversation.reply(data, trailing=overrun))
    assert sample.quirks == {Quirk.MALFORMED_TLVS, Quirk.OTHER_SIZE}


def test_a_tlv_that_the_reflector_calls_malformed_is_told() -> None:
    conversation, data = talk(capabilities=FOLLOW_UPS)
    refused = Tlv(0x40, TlvType.FOLLOW_UP_TELEMETRY, bytes(16))
    assert conversation.settle(conversation.reply(data, tlvs=[refused])).quirks == {Quirk.MALFORMED_TLVS}


def test_tlvs_that_nothing_vouches_for_leave_the_base_packet_usable() -> None:
    conversation, data = talk(StampOptions(key=KEY), capabilities=FOLLOW_UPS)
    claimed = Tlv(0, TlvType.FOLLOW_UP_TELEMETRY, b"\0\0\0\0" + bytes(conversation.reply(data).timestamp) + bytes(4))
    forged = Tlv(0, TlvType.HMAC, bytes(16))
    sample = conversation.settle(conversation.reply(data, tlvs=[claimed, forged]))
    assert sample.outcome is Outcome.ANSWERED
    assert {Quirk.TLVS_NOT_AUTHENTIC} == sample.quirks


def test_nothing_that_is_rejected_changes_what_is_known_or_when_a_packet_is_lost() -> None:
    conversation, data = talk(StampOptions(ssid=7))
    deadline_ns = conversation.stream.next_deadline_ns
    proper = conversation.reply(data)
    for bad in (b"", data, proper._replace(ssid=1), proper._replace(sender_sequence=5)):
        assert isinstance(conversation.take(bad), Rejection)
    assert conversation.facts is None
    assert conversation.stream.next_deadline_ns == deadline_ns
    assert deadline_ns is not None
    [lost] = conversation.stream.expire(deadline_ns)
    assert isinstance(lost, Sample)
    assert (lost.outcome, lost.sent_at_ns) == (Outcome.LOST, WALL)
