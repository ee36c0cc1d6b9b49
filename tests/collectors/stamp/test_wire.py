import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.timestamp import ErrorEstimate, ntp_from_wall, ptp_from_wall
from collectors.stamp.wire import (
    ReflectorPacket,
    SenderPacket,
    StampError,
    parse_reflector_packet,
    parse_sender_packet,
    request,
)

NOW = 1_768_478_400_123_456_789
ESTIMATE = ErrorEstimate.from_error_ns(50_000, synchronised=True)

estimates = st.integers(0, 0xFFFF).map(ErrorEstimate.from_bits)
eight_octets = st.binary(min_size=8, max_size=8)
sequences = st.integers(0, 0xFFFFFFFF)


@given(st.binary(max_size=120))
def test_any_octets_are_a_request_or_a_stamp_error(data: bytes) -> None:
    try:
        packet = parse_sender_packet(data)
    except StampError:
        assert len(data) < 14
    else:
        assert parse_sender_packet(bytes(packet)) == packet
        assert len(bytes(packet)) == len(data)


@given(st.binary(max_size=120), st.integers(0, 1 << 63))
def test_any_octets_are_an_answer_or_a_stamp_error(data: bytes, now_ns: int) -> None:
    try:
        packet = parse_reflector_packet(data)
    except StampError:
        assert len(data) < 36
    else:
        assert packet.sender_timestamp == data[28:36]
        assert isinstance(packet.sender_sent_ns(now_ns=now_ns), int)


@given(
    st.builds(
        ReflectorPacket,
        sequence=sequences,
        timestamp=eight_octets,
        error_estimate=estimates,
        ssid=st.integers(0, 0xFFFF),
        received_timestamp=eight_octets,
        sender_sequence=sequences,
        sender_timestamp=eight_octets,
        sender_error_estimate=estimates,
        sender_ttl=st.integers(0, 255),
        trailing=st.binary(max_size=60),
    )
)
def test_an_answer_is_read_as_it_was_written(packet: ReflectorPacket) -> None:
    assert parse_reflector_packet(bytes(packet)) == packet


@given(sequences, st.integers(44, 2000), st.integers(0, 0xFFFF))
def test_a_request_has_the_size_asked_for_and_is_read_as_it_was_written(sequence: int, size: int, ssid: int) -> None:
    data = request(sequence=sequence, wall_ns=NOW, error_estimate=ESTIMATE, size=size, ssid=ssid)
    assert len(data) == size
    packet = parse_sender_packet(data)
    assert (packet.sequence, packet.ssid, packet.error_estimate) == (sequence, ssid, ESTIMATE)
    assert packet.sent_ns(now_ns=NOW) == NOW


def test_a_larger_request_is_padded_so_that_every_reflector_knows_it_for_padding() -> None:
    assert _trailing(size=44) == b""
    assert _trailing(size=47) == bytes(3)  # too little for a TLV's header
    assert _trailing(size=48).hex() == "80010000"
    assert _trailing(size=1472).hex() == "80010590" + "00" * 1424


def _trailing(size: int) -> bytes:
    return request(sequence=0, wall_ns=NOW, error_estimate=ESTIMATE, size=size)[44:]


@pytest.mark.parametrize(
    ("sequence", "size", "ssid", "estimate"),
    [
        (0, 43, 0, ESTIMATE),
        (0, 65_508, 0, ESTIMATE),
        (-1, 44, 0, ESTIMATE),
        (1 << 32, 44, 0, ESTIMATE),
        (0, 44, 1 << 16, ESTIMATE),
        (0, 44, 0, ErrorEstimate.from_bits(0x8F00)),
    ],
)
def test_a_request_that_fits_no_packet_is_a_stamp_error(
    sequence: int, size: int, ssid: int, estimate: ErrorEstimate
) -> None:
    with pytest.raises(StampError):
        request(sequence=sequence, wall_ns=NOW, error_estimate=estimate, size=size, ssid=ssid)


def test_octets_that_must_be_zero_are_ignored_when_they_are_not() -> None:
    data = bytearray(request(sequence=1, wall_ns=NOW, error_estimate=ESTIMATE, size=44))
    data[16:44] = b"\xff" * 28
    expected = SenderPacket(sequence=1, timestamp=ntp_from_wall(NOW), error_estimate=ESTIMATE)
    assert parse_sender_packet(bytes(data)) == expected


def test_answers_that_end_early_leave_unknown_what_they_do_not_have() -> None:
    whole = bytes(
        ReflectorPacket(
            sequence=3,
            timestamp=ntp_from_wall(NOW),
            error_estimate=ESTIMATE,
            received_timestamp=ntp_from_wall(NOW),
            sender_sequence=3,
            sender_timestamp=ntp_from_wall(NOW),
            sender_error_estimate=ESTIMATE,
            sender_ttl=64,
        )
    )
    upto_t1, upto_estimate, upto_ttl = (parse_reflector_packet(whole[:size]) for size in (36, 38, 41))
    assert (upto_t1.sender_error_estimate, upto_t1.sender_ttl) == (None, None)
    assert upto_t1.sender_sent_ns(now_ns=NOW) == NOW
    assert (upto_estimate.sender_error_estimate, upto_estimate.sender_ttl) == (ESTIMATE, None)
    assert upto_ttl == parse_reflector_packet(whole)


def test_each_timestamp_is_read_by_the_z_bit_that_governs_it() -> None:
    reflector_ptp = ReflectorPacket(
        sequence=0,
        timestamp=ptp_from_wall(NOW + 2),
        error_estimate=ErrorEstimate.from_bits(0xCF84),
        received_timestamp=ptp_from_wall(NOW + 1),
        sender_sequence=0,
        sender_timestamp=ntp_from_wall(NOW),
        sender_error_estimate=ESTIMATE,
        sender_ttl=64,
    )
    packet = parse_reflector_packet(bytes(reflector_ptp))
    times = (packet.sender_sent_ns(now_ns=NOW), packet.received_ns(now_ns=NOW), packet.sent_ns(now_ns=NOW))
    assert times == (NOW, NOW + 1, NOW + 2)
