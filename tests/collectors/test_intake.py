"""Real loopback sockets, read many datagrams at a time: nothing depends on what the kernel tells beside them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from collectors.ancillary import (
    SO_TIMESTAMPING,
    SOFTWARE_STAMPS,
    SOL_SOCKET,
    Datagram,
    IcmpError,
    TransmitStamp,
)
from collectors.intake import READ_AT_MOST, Intake
from collectors.messages import CONTROL_SIZE, Inbox

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
MARKS = {socket.AF_INET: ((0, 12), (0, 13)), socket.AF_INET6: ((41, 51), (41, 66))}  # wishes for TTL and TOS
TTL = {socket.AF_INET: (0, 2), socket.AF_INET6: (41, 16)}

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture(params=HOSTS, ids=["ipv4", "ipv6"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """Two sockets that know each other; the first is told nothing beside its datagrams yet."""
    family = request.param
    with (
        socket.socket(family, socket.SOCK_DGRAM) as near,
        socket.socket(family, socket.SOCK_DGRAM) as far,
    ):
        for sock in (near, far):
            sock.bind((HOSTS[family], 0))
        near.setblocking(False)
        far.setsockopt(*TTL[family], 77)
        yield near, far


def ask_for_all(sock: socket.socket) -> None:
    sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE_STAMPS)
    for wish in MARKS[sock.family]:
        sock.setsockopt(*wish, 1)


def read(intake: Intake, near: socket.socket, far: socket.socket) -> Datagram:
    far.sendto(b"x", near.getsockname())
    [datagram] = intake.datagrams()
    return datagram


def test_what_is_told_beside_a_datagram_may_change_from_one_to_the_next(ends: Ends) -> None:
    near, far = ends
    intake = Intake(near)
    assert read(intake, near, far) == Datagram(b"x", far.getsockname())
    ask_for_all(near)
    while read(intake, near, far).stamp_ns is None:  # a kernel's first ones may be missing
        pass
    told = [read(intake, near, far) for _ in range(3)]
    assert [(datagram.ttl, datagram.tos) for datagram in told] == [(77, 0)] * 3
    stamps_ns = [datagram.stamp_ns or 0 for datagram in told]
    assert stamps_ns == sorted(stamps_ns)
    assert stamps_ns[0] > 1_600_000_000_000_000_000
    for wish in MARKS[near.family]:
        near.setsockopt(*wish, 0)
    assert [read(intake, near, far)[3:] for _ in range(2)] == [(None, None)] * 2
    near.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, 0)
    assert read(intake, near, far) == Datagram(b"x", far.getsockname())


def test_more_than_are_read_in_one_go_come_in_the_order_of_their_arrival(ends: Ends) -> None:
    near, far = ends
    intake = Intake(near)
    count = 2 * READ_AT_MOST + 3
    for number in range(count):
        far.sendto(number.to_bytes(2, "big"), near.getsockname())
    found = [intake.datagrams() for _ in range(4)]
    assert [len(part) for part in found] == [READ_AT_MOST, READ_AT_MOST, 3, 0]
    assert [int.from_bytes(each.data, "big") for part in found for each in part] == list(range(count))


def test_the_largest_datagram_is_read_whole_and_an_empty_one_too(ends: Ends) -> None:
    near, far = ends
    intake = Intake(near)
    largest = bytes(range(256)) * 255
    for octets in (largest, b"", b"next"):
        far.sendto(octets, near.getsockname())
    assert [datagram.data for datagram in intake.datagrams()] == [largest, b"", b"next"]


def test_each_datagram_has_its_own_source(ends: Ends) -> None:
    near, far = ends
    intake = Intake(near)
    with socket.socket(near.family, socket.SOCK_DGRAM) as third:
        third.bind((HOSTS[near.family], 0))
        for sock in (far, third, far):
            sock.sendto(b"x", near.getsockname())
        assert [each.source for each in intake.datagrams()] == [
            far.getsockname(),
            third.getsockname(),
            far.getsockname(),
        ]


def test_sockets_of_both_families_read_through_the_same_inbox() -> None:
    inbox = Inbox(slots=3, slot_size=100)
    for family in (*HOSTS, *HOSTS):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((HOSTS[family], 0))
            sock.setblocking(False)
            sock.sendto(b"to itself", sock.getsockname())
            assert Intake(sock, inbox).datagrams() == [Datagram(b"to itself", sock.getsockname())]


def test_a_datagram_larger_than_its_slot_is_cut_and_touches_no_other() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        for octets in (b"1234567890", b"abc"):
            sock.sendto(octets, sock.getsockname())
        found = Intake(sock, Inbox(slots=2, slot_size=4)).datagrams()
        assert [datagram.data for datagram in found] == [b"1234", b"abc"]


def test_transmit_stamps_and_icmp_errors_are_told_apart(ends: Ends) -> None:
    near, far = ends
    ask_for_all(near)
    near.setsockopt(*((0, 11) if near.family == socket.AF_INET else (41, 25)), 1)  # IP_RECVERR, IPV6_RECVERR
    nobody = far.getsockname()
    far.close()
    intake = Intake(near)
    stamps: list[TransmitStamp] = []
    errors: list[IcmpError] = []
    for number in range(3):
        near.sendto(bytes([number]) * 200, nobody)
        with pytest.raises(ConnectionRefusedError):
            intake.datagrams()
        more_stamps, more_errors = intake.errors()
        stamps += more_stamps
        errors += more_errors
    assert [stamp.id for stamp in stamps] == [0, 1, 2]
    assert [(error.offender, error.quoted) for error in errors] == [
        (HOSTS[near.family], bytes([number]) * 64) for number in range(3)
    ]
    assert intake.errors() == ([], [])


def test_a_closed_socket_is_an_error_and_not_the_one_that_has_its_number_now() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    intake = Intake(sock)
    sock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        intake.datagrams()


def test_the_control_area_has_room_for_an_icmp_error_with_all_that_is_told_beside_it() -> None:
    largest = {"stamp": 48, "sock_extended_err and sockaddr_in6": 44, "hop limit": 4, "traffic class": 4}
    assert sum(16 + size + -size % 8 for size in largest.values()) <= CONTROL_SIZE
