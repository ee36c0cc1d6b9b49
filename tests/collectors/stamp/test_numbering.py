"""Whether a reflector numbers its answers, asked over real sockets of reflectors of both kinds."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from collectors.path import NetworkPath, PacketMarks
from collectors.sockets import open_udp
from collectors.stamp.numbering import NumberingCheck
from collectors.stamp.timestamp import ErrorEstimate
from collectors.stamp.wire import parse_sender_packet, reply, request, write_sent_time

NOW_NS = 1_768_478_400_000_000_000


@pytest.fixture
def reflector() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def asking(reflector: socket.socket) -> NumberingCheck:
    return NumberingCheck(
        open_udp(NetworkPath(name="p"), socket.AF_INET, PacketMarks()),
        reflector.getsockname(),
        lambda number: request(sequence=number, wall_ns=NOW_NS, error_estimate=ErrorEstimate.UNKNOWN, size=44),
    )


def asked(reflector: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    found = []
    while True:
        try:
            found.append(reflector.recvfrom(100))
        except BlockingIOError:
            return found


def answer(reflector: socket.socket, number: int, data: bytes, to: tuple[str, int]) -> None:
    octets = reply(data, number, int(ErrorEstimate.UNKNOWN), NOW_NS, 255)
    write_sent_time(octets, NOW_NS + 1)
    reflector.sendto(octets, to)


def look(check: NumberingCheck, at_s: float = 0) -> bool | None:
    return check.look(wall_ns=NOW_NS, monotonic_ns=int(at_s * 1e9) + 1)


def test_every_second_number_is_left_out(reflector: socket.socket) -> None:
    check = asking(reflector)
    assert look(check) is None
    assert [parse_sender_packet(data).sequence for data, _ in asked(reflector)] == [0, 2]
    check.close()


def test_a_reflector_that_counts_is_stateful(reflector: socket.socket) -> None:
    check = asking(reflector)
    look(check)
    for number, (data, sender) in enumerate(asked(reflector)):
        answer(reflector, number, data, sender)
    assert look(check) is True
    assert look(check, at_s=100) is True


def test_a_reflector_that_copies_is_not(reflector: socket.socket) -> None:
    check = asking(reflector)
    look(check)
    for data, sender in asked(reflector):
        answer(reflector, parse_sender_packet(data).sequence, data, sender)
    assert look(check) is False


def test_the_answer_to_the_first_packet_tells_nothing(reflector: socket.socket) -> None:
    check = asking(reflector)
    look(check)
    data, sender = asked(reflector)[0]
    answer(reflector, 0, data, sender)
    assert look(check) is None
    check.close()


def test_noise_tells_nothing(reflector: socket.socket) -> None:
    check = asking(reflector)
    look(check)
    reflector.sendto(b"noise", asked(reflector)[0][1])
    assert look(check) is None
    check.close()


def test_it_asks_again_every_quarter_of_a_second_and_gives_up_after_three(reflector: socket.socket) -> None:
    check = asking(reflector)
    for step in range(100):
        assert look(check, at_s=step / 20) is None
    assert [parse_sender_packet(data).sequence for data, _ in asked(reflector)] == list(range(0, 24, 2))
