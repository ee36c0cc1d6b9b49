from __future__ import annotations

import pytest

from benchmarks.mmsg import BATCH
from benchmarks.packets import AuthenticatedStamp, Irtt, Packets, Stamp, irtt_open, irtt_token, write_numbers
from collectors.stamp.authentication import Key
from collectors.stamp.wire import parse_sender_packet

NOW_NS = 1_700_000_000_500_000_000
SECRET = b"sixteen octets it has"

# An irtt 0.9.0 client and server, as they were captured: opening a connection, and one echo of it.
OPEN_ANSWER = bytes.fromhex("14a75b03272e6acceddd80c20102028088debe010380c2d72f050606060706")
ECHO_REQUEST = bytes.fromhex("14a75b00272e6acceddd80c203000000") + bytes(44)
TOKEN = int.from_bytes(bytes.fromhex("272e6acceddd80c2"), "little")


def written(packets: Packets, first: int, *, wall_ns: int = NOW_NS) -> list[bytes]:
    octets = packets.blank()
    packets.write(octets, first, wall_ns)
    return [bytes(octets[at : at + packets.size]) for at in range(0, len(octets), packets.size)]


def test_a_batch_of_stamp_is_numbered_without_a_gap() -> None:
    requests = [parse_sender_packet(packet) for packet in written(Stamp(NOW_NS), 250)]
    assert [request.sequence for request in requests] == list(range(250, 250 + BATCH))
    assert {request.sent_ns(now_ns=NOW_NS) for request in requests} == {NOW_NS}
    assert {request.ssid for request in requests} == {0}


def test_numbers_begin_anew_after_the_largest() -> None:
    octets = bytearray(4 * BATCH)
    write_numbers(octets, 4, 0, 2**32 - 1, order="!")
    assert octets[:8] == b"\xff\xff\xff\xff\0\0\0\0"


def test_every_authenticated_packet_verifies_and_carries_its_time() -> None:
    packets = AuthenticatedStamp(SECRET)
    requests = written(packets, 7)
    assert all(len(packet) == 112 and Key(SECRET).verifies(packet[:96], packet[96:]) for packet in requests)
    assert [int.from_bytes(packet[:4], "big") for packet in requests] == list(range(7, 7 + BATCH))
    assert requests[0][16:24] != written(packets, 7, wall_ns=NOW_NS + 1000)[0][16:24]


def test_an_echo_is_what_an_irtt_client_sends() -> None:
    assert written(Irtt(TOKEN), 3)[0] == ECHO_REQUEST


def test_the_connection_is_asked_for_with_a_clients_own_defaults() -> None:
    assert irtt_open()[:8] == bytes.fromhex("14a75b0101020280")
    assert irtt_open().endswith(bytes.fromhex("050606060706"))


def test_the_answer_to_an_open_names_the_connection() -> None:
    assert irtt_token(OPEN_ANSWER) == TOKEN


@pytest.mark.parametrize("answer", [b"", OPEN_ANSWER[:11], b"\0" + OPEN_ANSWER[1:], ECHO_REQUEST])
def test_anything_else_opens_no_connection(answer: bytes) -> None:
    assert irtt_token(answer) is None
