from __future__ import annotations

import struct

import pytest

from benchmarks import dialects
from benchmarks.capture import Recognised, Way
from benchmarks.packets import IRTT_MAGIC, Irtt, irtt_open
from collectors.icmp.wire import echo_request

ICMP, UDP = 1, 17
PORT = 2112


def udp(source: int, destination: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def irtt_packet(number: int, *, flags: int = 0) -> bytes:
    packets = Irtt(token=7)
    room = packets.blank()
    packets.write(room, number, 0)
    packet = bytearray(room[: packets.size])
    packet[len(IRTT_MAGIC)] = flags
    return bytes(packet)


def test_ping_is_recognised_by_its_own_sequence_number_and_identifier() -> None:
    echo = struct.pack("!BBHHH", 8, 0, 0, 4711, 12) + bytes(48)
    assert dialects.ping(ICMP, echo) == Recognised(Way.REQUEST, flow=4711, sequence=12)
    assert dialects.ping(ICMP, b"\x00" + echo[1:]) == Recognised(Way.REPLY, flow=4711, sequence=12)


def test_icmp_errors_and_other_protocols_are_no_pings() -> None:
    unreachable = struct.pack("!BBHHH", 3, 0, 0, 0, 0)
    assert dialects.ping(ICMP, unreachable) is None
    assert dialects.ping(UDP, struct.pack("!BBHHH", 8, 0, 0, 1, 1)) is None
    assert dialects.ping(ICMP, b"\x08\x00") is None


def test_eragents_echo_is_recognised_by_the_number_behind_its_token() -> None:
    message = echo_request(version=4, identifier=3, sequence=70_000, token=b"sesstokn", size=56)
    assert dialects.eragent(PORT)(ICMP, message) == Recognised(Way.REQUEST, flow=3, sequence=70_000)


def test_an_irtt_echo_and_its_answer_have_the_same_flow_and_number() -> None:
    recognise = dialects.irtt(PORT)
    assert recognise(UDP, udp(40_000, PORT, irtt_packet(5))) == Recognised(Way.REQUEST, 40_000, 5)
    assert recognise(UDP, udp(PORT, 40_000, irtt_packet(5, flags=2))) == Recognised(Way.REPLY, 40_000, 5)


@pytest.mark.parametrize("payload", [irtt_open().ljust(60, b"\0"), irtt_packet(1, flags=4), bytes(60), b"short"])
def test_what_opens_or_closes_a_connection_of_irtt_is_no_test_packet(payload: bytes) -> None:
    assert dialects.irtt(PORT)(UDP, udp(40_000, PORT, payload)) is None


def test_irtts_packets_at_another_port_are_not_ours() -> None:
    assert dialects.irtt(PORT)(UDP, udp(40_000, 53, irtt_packet(5))) is None
