from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.authentication import Key
from collectors.stamp.extensions import (
    ASK_FOLLOW_UP,
    ASK_LOCATION,
    ASK_TIMESTAMP_INFORMATION,
    Reception,
    Reflected,
    Telemetry,
    ask_class_of_service,
    ask_direct_measurement,
    read_tlvs,
    reflect_tlvs,
    request_tlvs,
)
from collectors.stamp.tlv import (
    INTEGRITY,
    MALFORMED,
    UNRECOGNISED,
    ClassOfService,
    DirectMeasurement,
    FollowUp,
    Method,
    SubTlvType,
    SyncSource,
    TimestampInformation,
    Tlv,
    TlvError,
    TlvType,
    extra_padding,
    parse_chain,
)

KEY = Key(bytes(range(32)))
OTHER_KEY = Key(bytes(range(1, 33)))
SENDER_SEQUENCE = 42
PREVIOUS = FollowUp(sequence=39, timestamp=bytes.fromhex("ed1355401f9add37"))
RECEPTION = Reception(
    source=bytes([10, 0, 0, 1]),
    source_port=4000,
    destination=bytes([10, 0, 0, 2]),
    destination_port=862,
    tos=40 << 2 | 1,
    reply_sequence=40,
    received=43,
    sent=41,
    previous=PREVIOUS,
    synchronised=True,
)
EVERYTHING = (
    ASK_FOLLOW_UP,
    ask_class_of_service(46),
    ASK_LOCATION,
    ASK_TIMESTAMP_INFORMATION,
    ask_direct_measurement(43),
)

V8_REQUEST = bytes.fromhex("80010008 a1b2c3d4e5f60718 80c80004 deadbeef")
V9_REPLY = bytes.fromhex("00010008 a1b2c3d4e5f60718 80c80004 deadbeef")
V11_REQUEST = bytes.fromhex("80040004 b8000000 80080010 f3100d8018b8e72b4194e37df06586f3 80010004 00000000")
V12_REPLY = bytes.fromhex("00040004 ba840000 00080010 e93c9275ecb009831e45c92f42b2a51d 00010004 00000000")
V13_REQUEST = bytes.fromhex("80040004 b8000000 80080010 f3100d8018b8e72b4194e37df06586f2 80010004 00000000")
V13_REPLY = bytes.fromhex("20040004 b8000000 20080010 f3100d8018b8e72b4194e37df06586f2 20010004 00000000")
V14_REQUEST = bytes.fromhex("8004000c b8000000")
V15_REPLY = bytes.fromhex("4004000c b8000000")


def reflect(
    trailing: bytes, *, reception: Reception = RECEPTION, key: Key | None = None, authenticated: bool = False
) -> Reflected:
    sender_sequence = SENDER_SEQUENCE.to_bytes(4, "big")
    return reflect_tlvs(
        trailing, sender_sequence=sender_sequence, reception=reception, key=key, authenticated=authenticated
    )


def ask(*asked: Tlv, size: int = 0, key: Key | None = None) -> bytes:
    return request_tlvs(asked, sequence=SENDER_SEQUENCE, size=size, key=key)


def read(trailing: bytes, *, key: Key | None = None) -> Telemetry:
    return read_tlvs(trailing, sequence=RECEPTION.reply_sequence, key=key)


def asked_and_answered(*asked: Tlv, reception: Reception = RECEPTION) -> Telemetry:
    return read(reflect(ask(*asked), reception=reception).trailing)


def flags(trailing: bytes) -> list[int]:
    return [tlv.flags for tlv in parse_chain(trailing).tlvs]


def raw(kind: int, value: bytes, tlv_flags: int = UNRECOGNISED) -> bytes:
    return bytes(Tlv(tlv_flags, kind, value))


def test_v8_a_request_with_padding_and_a_type_of_the_future() -> None:
    padding, unknown = parse_chain(V8_REQUEST).tlvs
    assert ask(padding, unknown, size=20) == V8_REQUEST


def test_v9_padding_is_understood_and_an_unknown_type_is_not() -> None:
    assert reflect(V8_REQUEST) == Reflected(V9_REPLY, None, False)
    assert read(V9_REPLY) == Telemetry(understood=frozenset((TlvType.EXTRA_PADDING,)))


@pytest.mark.parametrize("key", [None, KEY])
def test_v10_a_reflector_without_tlvs_has_understood_nothing(key: Key | None) -> None:
    assert read(V8_REQUEST, key=key) == Telemetry()
    assert read(V11_REQUEST, key=key) == Telemetry()


def test_v11_the_hmac_follows_what_it_vouches_for_and_padding_follows_it() -> None:
    assert ask(ask_class_of_service(46), size=36, key=KEY) == V11_REQUEST


@pytest.mark.parametrize("authenticated", [True, False])
def test_v12_the_reply_has_the_marks_that_arrived_and_an_hmac_of_its_own(authenticated: bool) -> None:
    assert reflect(V11_REQUEST, key=KEY, authenticated=authenticated) == Reflected(V12_REPLY, 46, False)
    assert read(V12_REPLY, key=KEY) == Telemetry(
        understood=frozenset((TlvType.CLASS_OF_SERVICE, TlvType.HMAC, TlvType.EXTRA_PADDING)),
        class_of_service=ClassOfService(dscp1=46, dscp2=40, ecn=1, rp=0),
    )


@pytest.mark.parametrize("authenticated", [True, False])
def test_v13_tlvs_that_fail_the_hmac_are_all_marked_and_none_is_acted_upon(authenticated: bool) -> None:
    assert reflect(V13_REQUEST, key=KEY, authenticated=authenticated) == Reflected(V13_REPLY, None, False)
    for key in (None, KEY):
        assert read(V13_REPLY, key=key) == Telemetry(not_authentic=True)


def test_v14_v15_a_tlv_that_overruns_the_packet_is_marked_and_copied() -> None:
    assert reflect(V14_REQUEST) == Reflected(V15_REPLY, None, False)
    for key in (None, KEY):
        assert read(V15_REPLY, key=key) == Telemetry(malformed=True)


@given(st.integers(0, 400), st.lists(st.sampled_from(EVERYTHING), max_size=4), st.sampled_from([None, KEY]))
def test_a_question_has_the_size_asked_for_or_just_what_its_tlvs_need(
    size: int, asked: list[Tlv], key: Key | None
) -> None:
    needed = sum(len(bytes(tlv)) for tlv in asked) + (20 if asked and key else 0)
    question = ask(*asked, size=size, key=key)
    assert len(question) == max(size, needed)
    chain = parse_chain(question)
    assert list(chain.tlvs[: len(asked)]) == asked
    assert not any(chain.rest)
    assert set(flags(question)) <= {UNRECOGNISED}


def test_a_sender_sets_u_whatever_the_flags_of_what_it_asks() -> None:
    assert ask(Tlv(0, TlvType.FOLLOW_UP_TELEMETRY, bytes(16))) == bytes(ASK_FOLLOW_UP)


def test_padding_needs_no_hmac() -> None:
    assert ask(size=12, key=KEY) == extra_padding(12)
    padding = Tlv(UNRECOGNISED, TlvType.EXTRA_PADDING, b"random")
    assert ask(padding, key=KEY) == bytes(padding)
    assert reflect(ask(size=12), key=KEY, authenticated=True).trailing == b"\0" + extra_padding(12)[1:]
    two = bytes(padding) + extra_padding(8)
    assert flags(reflect(two, key=KEY, authenticated=True).trailing) == [0, 0]
    assert not read(reflect(two).trailing, key=KEY).not_authentic


def test_a_dscp_beyond_six_bits_is_refused() -> None:
    with pytest.raises(TlvError, match="a DSCP is 0 to 63"):
        ask_class_of_service(64)


def test_the_count_of_sent_packets_goes_round_at_32_bits() -> None:
    assert ask_direct_measurement((1 << 32) + 5) == ask_direct_measurement(5)


def test_all_that_is_asked_is_answered() -> None:
    telemetry = asked_and_answered(*EVERYTHING)
    assert telemetry.understood == {TlvType(tlv.type) for tlv in EVERYTHING}
    assert telemetry.follow_up == PREVIOUS
    assert telemetry.class_of_service == ClassOfService(dscp1=46, dscp2=40, ecn=1)
    assert telemetry.location is not None
    assert telemetry.location.source == "10.0.0.1:4000"
    assert telemetry.location.destination == "10.0.0.2:862"
    assert telemetry.timestamp_information == TimestampInformation.parse(bytes((SyncSource.NTP, Method.SOFTWARE) * 2))
    assert telemetry.direct_measurement == DirectMeasurement(sent=43, reflector_received=43, reflector_sent=41)
    assert not telemetry.malformed
    assert not telemetry.not_authentic


def test_a_reflector_that_does_not_know_when_it_sent_writes_zeros() -> None:
    reflected = reflect(ask(ASK_FOLLOW_UP), reception=replace(RECEPTION, previous=None))
    assert reflected == Reflected(raw(TlvType.FOLLOW_UP_TELEMETRY, bytes(16), 0), None, True)
    telemetry = read(reflected.trailing)
    assert telemetry.follow_up is None
    assert TlvType.FOLLOW_UP_TELEMETRY in telemetry.understood


def test_the_first_reply_can_be_followed_up_though_its_number_is_zero() -> None:
    first = PREVIOUS._replace(sequence=0)
    assert asked_and_answered(ASK_FOLLOW_UP, reception=replace(RECEPTION, previous=first)).follow_up == first


@given(st.sampled_from([None, PREVIOUS, PREVIOUS._replace(sequence=0)]), st.integers(20, 80), st.integers(0, 3))
def test_a_follow_up_before_padding_is_read_as_it_is_anywhere(
    previous: FollowUp | None, size: int, further_octets: int
) -> None:
    reply = reflect(ask(ASK_FOLLOW_UP, size=size), reception=replace(RECEPTION, previous=previous)).trailing
    telemetry = read(reply + bytes(further_octets))
    assert telemetry.follow_up == previous
    assert telemetry.understood == {TlvType(tlv.type) for tlv in parse_chain(reply).tlvs}


def test_a_follow_up_and_a_dscp_are_wanted_only_of_those_who_ask() -> None:
    assert reflect(ask(ASK_FOLLOW_UP, size=60))[1:] == (None, True)
    assert reflect(ask(ask_class_of_service(0), size=60))[1:] == (0, False)
    assert reflect(ask(ASK_LOCATION, size=60))[1:] == (None, False)


def test_a_clock_that_nothing_keeps_is_called_free_running() -> None:
    information = asked_and_answered(
        ASK_TIMESTAMP_INFORMATION, reception=replace(RECEPTION, synchronised=False)
    ).timestamp_information
    assert information is not None
    assert (information.sync_source_in, information.sync_source_out) == (SyncSource.FREE_RUNNING,) * 2


def test_counts_go_round_at_32_bits() -> None:
    reception = replace(RECEPTION, received=(1 << 32) + 7, sent=(1 << 32) + 6, reply_sequence=(1 << 32) + 5)
    counts = asked_and_answered(ask_direct_measurement(9), reception=reception).direct_measurement
    assert counts == DirectMeasurement(sent=9, reflector_received=7, reflector_sent=6)
    reflected = reflect(ask(ASK_FOLLOW_UP, key=KEY), reception=reception, key=KEY).trailing
    assert not read_tlvs(reflected, sequence=5, key=KEY).not_authentic


def test_the_addresses_of_ipv6_are_told_by_types_of_their_own() -> None:
    reception = replace(
        RECEPTION, source=IPv6Address("2001:db8::1").packed, destination=IPv6Address("2001:db8::2").packed
    )
    location = asked_and_answered(ASK_LOCATION, reception=reception).location
    assert location is not None
    assert (location.source, location.destination) == ("[2001:db8::1]:4000", "[2001:db8::2]:862")
    assert [sub.type for sub in location.sub_tlvs] == [SubTlvType.DESTINATION_IPV6, SubTlvType.SOURCE_IPV6]


def test_the_mac_address_that_no_udp_socket_sees_stays_unrecognised() -> None:
    asked_mac = raw(SubTlvType.SOURCE_MAC, bytes(8))
    reflected = reflect(raw(TlvType.LOCATION, bytes(4) + asked_mac)).trailing
    assert reflected == raw(TlvType.LOCATION, bytes.fromhex("035e 0fa0") + asked_mac, 0)
    location = read(reflected).location
    assert location is not None
    assert location.source is None
    assert location.source_port == 4000


def test_the_access_report_is_not_understood() -> None:
    report = raw(TlvType.ACCESS_REPORT, bytes.fromhex("10010000"))
    assert reflect(report).trailing == report


def test_reserved_flags_are_ignored_and_not_sent() -> None:
    asked = raw(TlvType.CLASS_OF_SERVICE, bytes(4), 0x9F) + raw(200, b"", 0x1F)
    assert flags(reflect(asked).trailing) == [0, UNRECOGNISED]


def test_octets_too_few_for_a_tlv_are_copied() -> None:
    asked = bytes(ASK_FOLLOW_UP) + b"\x80\x01\x00"
    reflected = reflect(asked).trailing
    assert reflected[-3:] == b"\x80\x01\x00"
    telemetry = read(reflected)
    assert telemetry.follow_up == PREVIOUS
    assert not telemetry.malformed
    assert reflect(b"\x80\x01\x00").trailing == b"\x80\x01\x00"


WRONG_LENGTHS = [
    raw(TlvType.LOCATION, bytes(3)),
    raw(TlvType.LOCATION, bytes(4) + bytes.fromhex("80070010")),
    raw(TlvType.TIMESTAMP_INFORMATION, bytes(3)),
    raw(TlvType.CLASS_OF_SERVICE, bytes(5)),
    raw(TlvType.DIRECT_MEASUREMENT, bytes(11)),
    raw(TlvType.FOLLOW_UP_TELEMETRY, bytes(15)),
]
WRONG_LENGTH_OF_A_SUB_TLV = raw(TlvType.LOCATION, bytes(4) + raw(SubTlvType.SOURCE_ADDRESS, bytes(4)))


@pytest.mark.parametrize("malformed", [*WRONG_LENGTHS, WRONG_LENGTH_OF_A_SUB_TLV])
def test_from_a_tlv_of_the_wrong_length_on_everything_is_copied(malformed: bytes) -> None:
    asked = bytes(ask_class_of_service(46)) + malformed + bytes(ASK_FOLLOW_UP)
    reflected = reflect(asked)
    assert flags(reflected.trailing) == [0, MALFORMED, UNRECOGNISED]
    assert reflected.trailing[9:] == asked[9:]
    assert reflected[1:] == (46, False)
    telemetry = read(reflected.trailing)
    assert telemetry.malformed
    assert telemetry.understood == {TlvType.CLASS_OF_SERVICE}
    assert telemetry.follow_up is None


@pytest.mark.parametrize("malformed", WRONG_LENGTHS)
def test_a_reply_with_a_tlv_of_the_wrong_length_is_read_up_to_there(malformed: bytes) -> None:
    before = raw(TlvType.CLASS_OF_SERVICE, bytes(4), 0)
    telemetry = read(before + b"\0" + malformed[1:] + raw(TlvType.FOLLOW_UP_TELEMETRY, bytes(PREVIOUS), 0))
    assert telemetry == Telemetry(
        understood=frozenset((TlvType.CLASS_OF_SERVICE,)), class_of_service=ClassOfService(dscp1=0), malformed=True
    )


def test_what_precedes_an_overrun_is_answered_and_read() -> None:
    reflected = reflect(bytes(ASK_FOLLOW_UP) + V14_REQUEST)
    assert reflected.trailing[20:] == V15_REPLY
    assert reflected.wants_follow_up
    telemetry = read(reflected.trailing)
    assert telemetry.follow_up == PREVIOUS
    assert telemetry.malformed


def test_a_packet_full_of_headers_is_answered_up_to_a_bound() -> None:
    reflected = reflect(b"\x80\xc8\x00\x00" * 357)
    assert reflected.trailing == b"\x80\xc8\x00\x00" * 32 + b"\x40\xc8\x00\x00" + b"\x80\xc8\x00\x00" * 324


def test_authenticated_mode_takes_no_tlvs_without_an_hmac() -> None:
    reflected = reflect(ask(ASK_FOLLOW_UP, ask_class_of_service(46), size=60), key=KEY, authenticated=True)
    assert flags(reflected.trailing) == [INTEGRITY] * 3
    assert reflected[1:] == (None, False)


def test_unauthenticated_mode_takes_tlvs_without_an_hmac_also_where_it_has_a_key() -> None:
    assert reflect(ask(ASK_FOLLOW_UP), key=KEY) == reflect(ask(ASK_FOLLOW_UP))


def test_an_overrun_in_authenticated_mode_has_lost_its_hmac() -> None:
    reflected = reflect(V14_REQUEST, key=KEY, authenticated=True)
    assert reflected.trailing[0] == INTEGRITY | MALFORMED
    assert reflected.trailing[1:] == V14_REQUEST[1:]
    assert read(reflected.trailing, key=KEY) == Telemetry(not_authentic=True)


def test_without_a_key_an_hmac_is_not_understood() -> None:
    reflected = reflect(ask(ASK_FOLLOW_UP, key=KEY))
    assert flags(reflected.trailing) == [0, UNRECOGNISED]
    assert read(reflected.trailing).follow_up == PREVIOUS
    assert read(reflected.trailing, key=KEY) == Telemetry(not_authentic=True)


def test_authenticated_mode_without_a_key_verifies_nothing() -> None:
    assert flags(reflect(ask(ASK_FOLLOW_UP, key=KEY), authenticated=True).trailing) == [INTEGRITY] * 2


@pytest.mark.parametrize("after", [bytes(ASK_FOLLOW_UP), raw(200, b""), V14_REQUEST, ask(ASK_FOLLOW_UP, key=KEY)[20:]])
@pytest.mark.parametrize("authenticated", [True, False])
def test_nothing_but_padding_may_follow_the_hmac(after: bytes, authenticated: bool) -> None:
    reflected = reflect(ask(ASK_FOLLOW_UP, key=KEY) + after, key=KEY, authenticated=authenticated)
    assert all(tlv_flags & INTEGRITY for tlv_flags in flags(reflected.trailing))
    assert reflected[1:] == (None, False)


def test_the_hmac_covers_the_number_of_the_packet() -> None:
    asked = request_tlvs((ASK_FOLLOW_UP,), sequence=SENDER_SEQUENCE + 1, size=0, key=KEY)
    assert flags(reflect(asked, key=KEY).trailing) == [INTEGRITY] * 2


def test_an_answer_under_another_key_or_number_is_not_believed() -> None:
    reflected = reflect(ask(*EVERYTHING, size=200, key=KEY), key=KEY, authenticated=True).trailing
    assert read(reflected, key=KEY).follow_up == PREVIOUS
    assert read(reflected, key=OTHER_KEY) == Telemetry(not_authentic=True)
    assert read_tlvs(reflected, sequence=41, key=KEY) == Telemetry(not_authentic=True)


def test_an_answer_without_hmac_is_not_believed_where_there_is_a_key() -> None:
    assert read(reflect(ask(ASK_FOLLOW_UP)).trailing, key=KEY) == Telemetry(not_authentic=True)


def test_a_malformed_tlv_before_the_hmac_leaves_the_rest_unverifiable() -> None:
    wrong = parse_chain(raw(TlvType.FOLLOW_UP_TELEMETRY, bytes(15))).tlvs
    reflected = reflect(ask(ask_class_of_service(46), *wrong, key=KEY), key=KEY, authenticated=True)
    assert flags(reflected.trailing) == [0, MALFORMED, UNRECOGNISED]
    assert read(reflected.trailing, key=KEY) == Telemetry(malformed=True, not_authentic=True)


chains = st.lists(
    st.builds(
        Tlv,
        st.sampled_from([0, UNRECOGNISED, MALFORMED, INTEGRITY]) | st.integers(0, 255),
        st.integers(0, 9) | st.integers(0, 255),
        st.sampled_from([0, 4, 12, 16, 44]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
        | st.binary(max_size=50),
    ).map(bytes),
    max_size=6,
).map(b"".join)
trailings = st.binary(max_size=200) | st.builds(bytes.__add__, chains, st.binary(max_size=8))
keys = st.sampled_from([None, KEY])
booleans = st.booleans()


@given(trailings, keys, booleans, st.sampled_from([None, PREVIOUS]))
def test_any_octets_are_answered_with_as_many(
    trailing: bytes, key: Key | None, authenticated: bool, previous: FollowUp | None
) -> None:
    reflected = reflect(trailing, reception=replace(RECEPTION, previous=previous), key=key, authenticated=authenticated)
    assert len(reflected.trailing) == len(trailing)
    assert reflected.dscp is None or 0 <= reflected.dscp <= 63
    old, new = parse_chain(trailing), parse_chain(reflected.trailing)
    assert [(tlv.type, len(tlv.value)) for tlv in new.tlvs] == [(tlv.type, len(tlv.value)) for tlv in old.tlvs]


@given(trailings, st.integers(0, 0xFFFFFFFF), keys)
def test_any_octets_are_read(trailing: bytes, sequence: int, key: Key | None) -> None:
    telemetry = read_tlvs(trailing, sequence=sequence, key=key)
    if telemetry.not_authentic:
        assert telemetry == Telemetry(not_authentic=True, malformed=telemetry.malformed)


@given(st.lists(st.sampled_from(EVERYTHING), unique=True), st.integers(0, 300), keys, booleans)
def test_what_our_own_ends_say_to_each_other_is_understood(
    asked: list[Tlv], size: int, key: Key | None, authenticated: bool
) -> None:
    question = ask(*asked, size=size, key=key)
    answer = reflect(question, key=key, authenticated=authenticated and key is not None)
    telemetry = read(answer.trailing, key=key)
    assert {tlv.type for tlv in asked} <= telemetry.understood
    assert not telemetry.malformed
    assert not telemetry.not_authentic


@given(st.integers(0, 59), st.integers(1, 255))
def test_no_octet_of_an_answer_can_be_changed_unnoticed(at: int, change: int) -> None:
    answer = bytearray(reflect(ask(*EVERYTHING[:2], key=KEY), key=KEY).trailing)
    good = read(bytes(answer), key=KEY)
    at %= len(answer)
    answer[at] ^= change
    telemetry = read(bytes(answer), key=KEY)
    believed = (telemetry.follow_up, telemetry.class_of_service)
    assert believed in ((None, None), (good.follow_up, good.class_of_service))
