from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capture import CaptureError, Passage, Way, passages
from benchmarks.dialects import eragent
from collectors.icmp.wire import echo_request
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.wire import request
from tests.collectors.stamp.reflecting import reply_to

PORT = 8862
NANO, MICRO = 0xA1B23C4D, 0xA1B2C3D4


def capture(*frames: bytes, order: str = "<", magic: int = NANO, link_type: int = 1) -> bytes:
    """Write a pcap file, a second and 7 fractions of the next between the frames."""
    records = [
        struct.pack(f"{order}IIII", number + 1, 7, len(frame), len(frame)) + frame
        for number, frame in enumerate(frames)
    ]
    return struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 262144, link_type) + b"".join(records)


def ipv4(protocol: int, message: bytes, *, options: bytes = b"") -> bytes:
    header = bytes([0x45 + len(options) // 4]) + bytes(8) + bytes([protocol]) + bytes(10) + options
    return bytes(12) + b"\x08\x00" + header + message


def udp(source: int, destination: int, payload: bytes) -> bytes:
    return ipv4(17, struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload)


def echo(sequence: int, *, message_type: int = 8) -> bytes:
    message = echo_request(version=4, identifier=1, sequence=sequence, token=b"sesstokn", size=56)
    return bytes([message_type]) + message[1:]


def stamp_request(sequence: int) -> bytes:
    return request(sequence=sequence, wall_ns=10**18, error_estimate=ErrorEstimate.UNKNOWN, size=44)


def test_an_echo_and_its_reply_carry_the_probes_own_number() -> None:
    data = capture(ipv4(1, echo(70_000)), ipv4(1, echo(70_000, message_type=0)))
    assert passages(data, eragent(PORT)) == [
        Passage(1_000_000_007, Way.REQUEST, 70_000, flow=1),
        Passage(2_000_000_007, Way.REPLY, 70_000, flow=1),
    ]


def test_a_stamp_answer_is_found_by_the_senders_number_not_the_reflectors() -> None:
    asked = stamp_request(12)
    answered = reply_to(asked, 999, received_ns=10**18, sent_ns=10**18)
    data = capture(udp(40_000, PORT, asked), udp(PORT, 40_000, answered))
    found = [(p.way, p.flow, p.sequence) for p in passages(data, eragent(PORT))]
    assert found == [(Way.REQUEST, 40_000, 12), (Way.REPLY, 40_000, 12)]


def test_ip_options_are_passed_over() -> None:
    data = capture(ipv4(1, echo(3), options=bytes(8)))
    assert passages(data, eragent(PORT))[0].sequence == 3


def test_other_packets_are_not_test_packets() -> None:
    other_port = udp(40_000, 53, stamp_request(1))
    unreachable = ipv4(1, echo(1, message_type=3))
    tcp = ipv4(6, bytes(40))
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    assert passages(capture(other_port, unreachable, tcp, arp, b"short"), eragent(PORT)) == []


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "at_ns"), [(NANO, 1_000_000_007), (MICRO, 1_000_007_000)])
def test_the_magic_number_tells_octet_order_and_unit_of_times(order: str, magic: int, at_ns: int) -> None:
    data = capture(ipv4(1, echo(1)), order=order, magic=magic)
    assert passages(data, eragent(PORT))[0].at_ns == at_ns


def test_a_record_that_the_file_ends_within_is_left_out() -> None:
    data = capture(ipv4(1, echo(1)), ipv4(1, echo(2)))
    assert [p.sequence for p in passages(data[:-1], eragent(PORT))] == [1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a pcap file has at least 24 octets, not 0"),
        (bytes(24), "0x0 is not the magic number of a pcap file"),
        (capture(link_type=113), "the frames are of link type 113, not Ethernet's 1"),
    ],
)
def test_what_is_no_capture_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(CaptureError, match=message):
        passages(data, eragent(PORT))


@given(st.lists(st.binary(max_size=120)))
def test_no_frame_makes_the_parser_fail(frames: list[bytes]) -> None:
    assert len(passages(capture(*frames), eragent(PORT))) <= len(frames)


@given(st.data())
def test_a_damaged_file_is_a_capture_or_an_error_of_ours(data: st.DataObject) -> None:
    octets = bytearray(capture(ipv4(1, echo(1)), udp(40_000, PORT, stamp_request(2))))
    for at in data.draw(st.lists(st.integers(0, len(octets) - 1), max_size=8)):
        octets[at] = data.draw(st.integers(0, 255))
    with suppress(CaptureError):
        passages(bytes(octets[: data.draw(st.integers(0, len(octets)))]), eragent(PORT))
