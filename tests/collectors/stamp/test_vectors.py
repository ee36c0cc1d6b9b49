"""Packets written down octet by octet, checked with independent decoders; every one is met in both directions."""

import pytest

from collectors.path import IPNetwork
from collectors.stamp.authentication import Key
from collectors.stamp.extensions import Reception, read_tlvs, reflect_tlvs
from collectors.stamp.reflector import Reflector
from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall, ptp_from_wall
from collectors.stamp.wire import (
    ReflectorPacket,
    SenderPacket,
    parse_reflector_packet,
    parse_sender_packet,
    request,
)
from tests.collectors.stamp.reflecting import Answered, ask

T1 = 1_768_478_400_123_456_789  # 2026-01-15T12:00:00.123456789Z
T2 = T1 + 10_250_000
T3 = T2 + 75_000
TTL = 61
KEY = Key(bytes(range(32)))

T1_NTP = "ed135540 1f9add37"
T2_NTP = "ed135540 223a9bae"
T3_NTP = "ed135540 223f85f8"
ZERO_28 = "00000000 00000000 00000000 00000000 00000000 00000000 00000000"

ONE_MS = ErrorEstimate.from_error_ns(1_000_000, synchronised=True)  # 8f84
TEN_US = ErrorEstimate.from_error_ns(10_000, synchronised=True)  # 88a8
SMALLEST = ErrorEstimate(synchronised=False, scale=0, multiplier=1)  # 0001

V1_REQUEST = f"0000002a {T1_NTP} 8f84 beef {ZERO_28}"
V2_REPLY = f"00000028 {T3_NTP} 88a8 beef {T2_NTP} 0000002a {T1_NTP} 8f84 0000 3d 000000"
ZERO_12 = "00000000 00000000 00000000"
V3_REQUEST = f"0000002a {ZERO_12} {T1_NTP} 8f84 beef {'00' * 68} 2c7ccd158ab0fc069cb6f2842e4a8457"
V4_REPLY = (
    f"00000028 {ZERO_12} {T3_NTP} 88a8 beef 00000000 {T2_NTP} {'00' * 8} 0000002a {ZERO_12} {T1_NTP} 8f84 {'00' * 6}"
    f"3d {'00' * 15} 663a53b0ff86b64bed8cbfec415fd589"
)
V5_TWAMP_MINIMUM = f"00000007 {T1_NTP} 0001"
V6_TWAMP = V5_TWAMP_MINIMUM + "00" * 27
V7_TWAMP_REPLY = f"00000007 {T3_NTP} 0001 0000 {T2_NTP} 00000007 {T1_NTP} 0001 0000 3d"
V7B_STAMP_REPLY_TO_TWAMP = V7_TWAMP_REPLY + "000000"
TWO_TLVS = "80 01 0008 a1b2c3d4e5f60718  80 c8 0004 deadbeef"
V8_REQUEST_WITH_TLVS = f"{V1_REQUEST} {TWO_TLVS}"
V10_PLAIN_REPLY_TO_TLVS = f"00000028 {T3_NTP} 88a8 0000 {T2_NTP} 0000002a {T1_NTP} 8f84 0000 3d 000000 {TWO_TLVS}"
V9_REPLY_TO_TLVS = f"{V2_REPLY} 00 01 0008 a1b2c3d4e5f60718  80 c8 0004 deadbeef"
V11_COS = f"{V1_REQUEST} 80 04 0004 b8000000  80 08 0010 f3100d8018b8e72b4194e37df06586f3  80 01 0004 00000000"
V12_REPLY_TO_COS = f"{V2_REPLY} 00 04 0004 ba840000  00 08 0010 e93c9275ecb009831e45c92f42b2a51d  00 01 0004 00000000"
V13_COS_CHANGED = V11_COS.replace("6586f3", "6586f2")
V13_REPLY_NOT_AUTHENTIC = (
    f"{V2_REPLY} 20 04 0004 b8000000  20 08 0010 f3100d8018b8e72b4194e37df06586f2  20 01 0004 00000000"
)
V14_OVERRUN = f"{V1_REQUEST} 80 04 000c b8000000"
V15_REPLY_MALFORMED = f"{V2_REPLY} 40 04 000c b8000000"
V16_PTP_REQUEST = f"0000002a 6968d6c0 075bcd15 cf84 beef {ZERO_28}"
V17_NTP_ERA_1 = f"00000000 00000005 80000000 0001 0000 {ZERO_28}"


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def times_of(packet: ReflectorPacket) -> tuple[int, int, int]:
    return packet.sender_sent_ns(now_ns=T3), packet.received_ns(now_ns=T3), packet.sent_ns(now_ns=T3)


def answer(
    asked: str,
    *,
    estimate: ErrorEstimate,
    replies_before: int,
    allow: tuple[IPNetwork, ...] = (),
    key: Key | None = None,
) -> bytes:
    """Have a reflector answer, in a session in which it has answered before."""
    reflector = Reflector(allow=allow, key=key)
    reflector.set_error_estimate(estimate)
    for sequence in range(replies_before):
        earlier = request(sequence=sequence, wall_ns=T1 - 10**9, error_estimate=ONE_MS, size=44, key=key)
        assert isinstance(ask(reflector, earlier), Answered)
    answered = ask(reflector, octets(asked), received_ns=T2, sent_ns=T3, ttl=TTL)
    assert isinstance(answered, Answered)
    return answered.data


def test_v1_a_request_of_44_octets() -> None:
    assert request(sequence=42, wall_ns=T1, error_estimate=ONE_MS, size=44, ssid=0xBEEF) == octets(V1_REQUEST)
    packet = parse_sender_packet(octets(V1_REQUEST))
    assert packet == SenderPacket(sequence=42, timestamp=ntp_from_wall(T1), error_estimate=ONE_MS, ssid=0xBEEF)
    assert packet.sent_ns(now_ns=T2) == T1
    assert bytes(packet) == octets(V1_REQUEST)


def test_v2_a_stateful_reply_after_two_losses_on_the_way_there() -> None:
    packet = ReflectorPacket(
        sequence=40,
        timestamp=ntp_from_wall(T3),
        error_estimate=TEN_US,
        ssid=0xBEEF,
        received_timestamp=ntp_from_wall(T2),
        sender_sequence=42,
        sender_timestamp=ntp_from_wall(T1),
        sender_error_estimate=ONE_MS,
        sender_ttl=TTL,
    )
    assert parse_reflector_packet(octets(V2_REPLY)) == packet
    assert bytes(packet) == octets(V2_REPLY)
    assert packet.sender_sent_ns(now_ns=T3) == T1


def test_v1_is_answered_with_v2() -> None:
    assert answer(V1_REQUEST, estimate=TEN_US, replies_before=40) == octets(V2_REPLY)


def test_v3_an_authenticated_request() -> None:
    data = request(sequence=42, wall_ns=T1, error_estimate=ONE_MS, size=44, ssid=0xBEEF, key=KEY)
    assert data == octets(V3_REQUEST)
    packet = parse_sender_packet(data, key=KEY)
    assert packet == SenderPacket(sequence=42, timestamp=ntp_from_wall(T1), error_estimate=ONE_MS, ssid=0xBEEF)
    assert packet.authenticated(KEY) == data


def test_v3_is_answered_with_v4() -> None:
    assert answer(V3_REQUEST, estimate=TEN_US, replies_before=40, key=KEY) == octets(V4_REPLY)
    packet = parse_reflector_packet(octets(V4_REPLY), key=KEY)
    assert (packet.sequence, packet.sender_sequence, packet.ssid, packet.sender_ttl) == (40, 42, 0xBEEF, TTL)
    assert times_of(packet) == (T1, T2, T3)
    assert packet.authenticated(KEY) == octets(V4_REPLY)


@pytest.mark.parametrize(("vector", "padding"), [(V5_TWAMP_MINIMUM, 0), (V6_TWAMP, 27)])
def test_v5_v6_short_requests_of_twamp_light_have_padding_and_no_ssid(vector: str, padding: int) -> None:
    packet = parse_sender_packet(octets(vector))
    assert (packet.sequence, packet.sent_ns(now_ns=T2), packet.error_estimate) == (7, T1, SMALLEST)
    assert packet.ssid is None
    assert packet.trailing == bytes(padding)
    assert bytes(packet) == octets(vector)


def test_v7_a_twamp_reply_of_41_octets_has_all_that_stamp_has() -> None:
    packet = parse_reflector_packet(octets(V7_TWAMP_REPLY))
    assert (packet.sequence, packet.sender_sequence, packet.sender_ttl) == (7, 7, TTL)
    assert times_of(packet) == (T1, T2, T3)
    assert packet.sender_timestamp == octets(T1_NTP)


@pytest.mark.parametrize("asked", [V5_TWAMP_MINIMUM, V6_TWAMP])
def test_v7b_short_requests_are_answered_with_the_base_packet(asked: str, loopback: IPNetwork) -> None:
    answered = answer(asked, estimate=SMALLEST, replies_before=7, allow=(loopback,))
    assert answered == octets(V7B_STAMP_REPLY_TO_TWAMP)
    assert parse_reflector_packet(answered) == parse_reflector_packet(octets(V7_TWAMP_REPLY))


def test_v8_what_follows_the_base_packet_is_kept_as_it_is() -> None:
    packet = parse_sender_packet(octets(V8_REQUEST_WITH_TLVS))
    assert packet.ssid == 0xBEEF
    assert packet.trailing == octets(TWO_TLVS)
    assert bytes(packet) == octets(V8_REQUEST_WITH_TLVS)


def test_v9_what_is_understood_loses_its_flag() -> None:
    assert answer(V8_REQUEST_WITH_TLVS, estimate=TEN_US, replies_before=40) == octets(V9_REPLY_TO_TLVS)


def test_v10_a_reflector_without_tlvs_copies_them_and_promises_nothing_by_an_ssid() -> None:
    packet = parse_reflector_packet(octets(V10_PLAIN_REPLY_TO_TLVS))
    assert packet.ssid == 0
    assert read_tlvs(packet.trailing, sequence=packet.sequence, key=None).understood == frozenset()


@pytest.mark.parametrize(
    ("asked", "answered", "key"),
    [
        (V11_COS, V12_REPLY_TO_COS, KEY),
        (V13_COS_CHANGED, V13_REPLY_NOT_AUTHENTIC, KEY),
        (V14_OVERRUN, V15_REPLY_MALFORMED, None),
    ],
)
def test_v11_to_v15_tlvs_are_answered_octet_by_octet(asked: str, answered: str, key: Key | None) -> None:
    reception = Reception(
        source=bytes([127, 0, 0, 1]),
        source_port=50_000,
        destination=bytes([127, 0, 0, 1]),
        destination_port=862,
        tos=40 << 2 | 1,
        reply_sequence=40,
        received=42,
        sent=41,
        previous=None,
        synchronised=True,
    )
    data = octets(asked)
    reflected = reflect_tlvs(data[44:], sender_sequence=data[:4], reception=reception, key=key, authenticated=False)
    assert reflected.trailing == octets(answered)[44:]


def test_v16_ptp_timestamps_are_read_by_the_z_bit() -> None:
    packet = parse_sender_packet(octets(V16_PTP_REQUEST))
    assert packet.error_estimate.ptp
    assert packet.sent_ns(now_ns=T2) == T1
    assert packet.timestamp == ptp_from_wall(T1)


def test_v16_is_written_with_ptp_and_answered_with_it() -> None:
    ptp = ErrorEstimate.from_bits(0xCF84)
    data = request(sequence=42, wall_ns=T1, error_estimate=ptp, size=44, ssid=0xBEEF)
    assert data == octets(V16_PTP_REQUEST)
    packet = parse_reflector_packet(answer(V16_PTP_REQUEST, estimate=TEN_US, replies_before=0))
    assert times_of(packet) == (T1, T2, T3)
    assert (packet.timestamp, packet.sender_timestamp) == (ptp_from_wall(T3), octets("6968d6c0 075bcd15"))


def test_v17_the_second_ntp_era_begins_in_2036() -> None:
    wall_ns = 2_085_978_501_500_000_000
    assert request(sequence=0, wall_ns=wall_ns, error_estimate=SMALLEST, size=44) == octets(V17_NTP_ERA_1)
    assert parse_sender_packet(octets(V17_NTP_ERA_1)).sent_ns(now_ns=wall_ns - 60 * 10**9) == wall_ns
