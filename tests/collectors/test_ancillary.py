"""The kernel's ancillary messages, byte by byte as Linux writes them."""

from __future__ import annotations

import struct

import pytest

from collectors.ancillary import (
    IP_RECVERR,
    IP_TOS,
    IP_TTL,
    IPV6_HOPLIMIT,
    IPV6_RECVERR,
    IPV6_TCLASS,
    SO_TIMESTAMPING,
    SOL_IP,
    SOL_IPV6,
    SOL_SOCKET,
    Arrival,
    IcmpError,
    TransmitStamp,
    arrival_layout,
    control_message,
    parse_arrival,
    parse_error_queue,
    stamp_layout,
)

STAMPS = struct.pack("@6q", 1_768_478_400, 123_456_789, 0, 0, 0, 0)
STAMP_NS = 1_768_478_400_123_456_789


def extended_error(*, errno: int, origin: int, kind: int = 0, code: int = 0, info: int = 0, data: int = 0) -> bytes:
    return struct.pack("@IBBBBII", errno, origin, kind, code, 0, info, data)


def test_an_ipv4_arrival_has_stamp_ttl_and_tos() -> None:
    items = [(SOL_SOCKET, SO_TIMESTAMPING, STAMPS), (SOL_IP, IP_TTL, struct.pack("@i", 61)), (SOL_IP, IP_TOS, b"\xb8")]
    assert parse_arrival(items) == Arrival(STAMP_NS, 61, 0xB8)


def test_an_ipv6_arrival_has_hop_limit_and_traffic_class() -> None:
    items = [(SOL_IPV6, IPV6_HOPLIMIT, struct.pack("@i", 254)), (SOL_IPV6, IPV6_TCLASS, struct.pack("@i", 0x28))]
    assert parse_arrival(items) == Arrival(None, 254, 0x28)


def test_a_stamp_of_zeros_is_no_stamp() -> None:
    assert parse_arrival([(SOL_SOCKET, SO_TIMESTAMPING, bytes(48))]) == Arrival()


def test_what_is_unknown_is_passed_over() -> None:
    assert parse_arrival([(SOL_SOCKET, 99, b"?")]) == Arrival()
    assert parse_error_queue([(SOL_SOCKET, 99, b"?")]) is None


def test_a_transmit_stamp_has_the_id_given_with_the_packet() -> None:
    for level, kind in ((SOL_IP, IP_RECVERR), (SOL_IPV6, IPV6_RECVERR)):
        entry = extended_error(errno=42, origin=4, data=77)
        assert parse_error_queue([(SOL_SOCKET, SO_TIMESTAMPING, STAMPS), (level, kind, entry)]) == TransmitStamp(
            77, STAMP_NS
        )


def test_an_entry_of_stamping_without_a_time_says_nothing() -> None:
    entry = extended_error(errno=42, origin=4, data=77)
    assert parse_error_queue([(SOL_IP, IP_RECVERR, entry)]) is None


def test_an_icmp_error_names_who_sent_it() -> None:
    offender = struct.pack("@HH4s8x", 2, 0, bytes([192, 168, 11, 18]))
    entry = extended_error(errno=90, origin=2, kind=3, code=4, info=1400) + offender
    assert parse_error_queue([(SOL_IP, IP_RECVERR, entry)]) == IcmpError(90, 3, 4, 1400, "192.168.11.18", 4)


def test_an_icmpv6_error_names_who_sent_it() -> None:
    offender = struct.pack("@HHI16sI", 10, 0, 0, bytes(15) + b"\x01", 0)
    entry = extended_error(errno=111, origin=3, kind=1, code=4) + offender
    found = parse_error_queue([(SOL_IPV6, IPV6_RECVERR, entry)], b"the packet")
    assert found == IcmpError(111, 1, 4, 0, "::1", 6, b"the packet")


def test_an_icmp_error_of_nobody_in_particular_has_no_offender() -> None:
    entry = extended_error(errno=113, origin=2, kind=3, code=1) + bytes(16)
    assert parse_error_queue([(SOL_IP, IP_RECVERR, entry)]) == IcmpError(113, 3, 1, 0, None)


STAMP = control_message(SOL_SOCKET, SO_TIMESTAMPING, STAMPS)
TTL, TOS = control_message(SOL_IP, IP_TTL, struct.pack("@i", 61)), control_message(SOL_IP, IP_TOS, b"\xb8")
HOPS = control_message(SOL_IPV6, IPV6_HOPLIMIT, struct.pack("@i", 61))
CLASS = control_message(SOL_IPV6, IPV6_TCLASS, struct.pack("@i", 0xB8))


@pytest.mark.parametrize("control", [STAMP + TTL + TOS, STAMP + HOPS + CLASS], ids=["ipv4", "ipv6"])
def test_control_areas_like_one_that_was_seen_are_read_at_once(control: bytes) -> None:
    layout = arrival_layout(control)
    assert layout is not None
    assert layout.size == len(control)
    assert layout.unpack(control) == (1_768_478_400, 123_456_789, 61, 0xB8)


@pytest.mark.parametrize(
    "control",
    [
        b"",
        TTL + TOS,
        STAMP + TTL,
        STAMP + TOS + TTL,
        TTL + STAMP + TOS,
        STAMP + TTL + TOS + TOS,
        STAMP + TTL + control_message(SOL_SOCKET, 99, b"?"),
        STAMP + HOPS + TOS[:10],
    ],
)
def test_a_control_area_without_all_items_in_the_usual_order_is_no_example_for_others(control: bytes) -> None:
    assert arrival_layout(control) is None


@pytest.mark.parametrize(
    ("level", "kind", "address_size"), [(SOL_IP, IP_RECVERR, 16), (SOL_IPV6, IPV6_RECVERR, 28)], ids=["ipv4", "ipv6"]
)
def test_transmit_stamps_like_one_that_was_seen_are_read_at_once(level: int, kind: int, address_size: int) -> None:
    entry = extended_error(errno=42, origin=4, data=77) + bytes(address_size)
    layout = stamp_layout(STAMP + control_message(level, kind, entry))
    assert layout is not None
    assert layout.unpack(STAMP + control_message(level, kind, entry)) == (1_768_478_400, 123_456_789, 4, 77)
    assert stamp_layout(control_message(level, kind, entry)) is None
