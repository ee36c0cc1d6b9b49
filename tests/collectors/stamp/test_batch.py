import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.ancillary import control_items, control_message, host_and_port
from collectors.messages import CONTROL_SIZE
from collectors.stamp.batch import SLOT_SIZE, SLOTS, Batch, knows_bundles, runs


@given(st.sets(st.integers(0, SLOTS - 1)))
def test_adjacent_slots_are_sent_together(slots: set[int]) -> None:
    ordered = sorted(slots)
    found = list(runs(ordered))
    assert [slot for first, number in found for slot in range(first, first + number)] == ordered
    assert all(first + number not in slots for first, number in found)


Ends = tuple[socket.socket, socket.socket, Batch]


@pytest.fixture(params=[("127.0.0.1", 4), ("::1", 6)], ids=["IPv4", "IPv6"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    host, version = request.param
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as near, socket.socket(family, socket.SOCK_DGRAM) as far:
        for sock in (near, far):
            sock.bind((host, 0))
            sock.settimeout(10)
        far.setblocking(False)
        near.connect(far.getsockname())
        yield near, far, Batch(version)


NO_LAYOUT = struct.Struct(f"{CONTROL_SIZE}x")


def test_many_datagrams_are_received_at_once_each_with_its_source(
    ends: Ends,
) -> None:
    near, far, batch = ends
    sent = [bytes([number]) * (number * 10) for number in range(70)]
    for data in sent:
        near.send(data)
    received = []
    while count := batch.receive(far.fileno()):
        for slot, (_, size), (peer,), _ in batch.datagrams(count, NO_LAYOUT):
            host, port = host_and_port(peer)
            assert (socket.inet_ntop(far.family, host), port) == near.getsockname()[:2]
            received.append(batch.octets[slot * SLOT_SIZE : slot * SLOT_SIZE + size])
    assert received == sent


def test_replies_go_back_from_where_their_requests_lay(ends: Ends) -> None:
    near, far, batch = ends
    for data in (b"one", b"two", b"three"):
        near.send(data)
    assert batch.receive(far.fileno()) == 3
    for slot, size in ((1, 3), (2, 5)):
        batch.octets[slot * SLOT_SIZE] = ord("T")
        batch.set_reply(slot, size, b"")
    assert batch.send(far.fileno(), 1, 2) == 2
    assert [near.recv(10) for _ in range(2)] == [b"Two", b"Three"]


def test_a_reply_is_sent_with_its_control_messages_and_the_next_without_them() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near, socket.socket(type=socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)
        near.connect(far.getsockname())
        near.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
        batch, seen = Batch(4), []
        for control in (control_message(socket.IPPROTO_IP, socket.IP_TOS, struct.pack("@i", 184)), b""):
            near.send(b"x")
            assert batch.receive(far.fileno()) == 1
            batch.set_reply(0, 1, control)
            batch.send(far.fileno(), 0, 1)
            seen.append(near.recvmsg(10, 100)[1][0][2])
        assert seen == [bytes([184]), bytes([0])]


def test_control_messages_that_are_too_long_overwrite_nothing() -> None:
    batch = Batch(6)
    with pytest.raises(AssertionError):
        batch.set_reply(SLOTS - 2, 44, bytes(161))
    with pytest.raises(BufferError):  # where the kernel was told to look, the buffer must stay
        batch.octets.close()


def test_the_largest_datagram_fits_and_its_answer_may_be_longer_than_a_short_one() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as near, socket.socket(type=socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)
        near.connect(far.getsockname())
        batch = Batch(4)
        for size, answered in ((65_507, 65_507), (14, 44)):
            near.send(bytes(size))
            assert batch.receive(far.fileno()) == 1
            assert [size for _, (_, size), _, _ in batch.datagrams(1, NO_LAYOUT)] == [size]
            batch.set_reply(0, answered, b"")
            batch.send(far.fileno(), 0, 1)
            assert len(near.recv(65_536)) == answered


def test_a_refused_reply_is_an_error_and_an_empty_socket_is_none() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as near, socket.socket(type=socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)
        batch = Batch(4)
        assert batch.receive(far.fileno()) == 0
        near.sendto(b"x", far.getsockname())
        assert batch.receive(far.fileno()) == 1
        source = struct.pack("@i4s4s", 0, bytes([192, 0, 2, 1]), bytes(4))
        batch.set_reply(0, 1, control_message(socket.IPPROTO_IP, 8, source))  # IP_PKTINFO, of a foreign address
        with pytest.raises(OSError, match=r"."):
            batch.send(far.fileno(), 0, 1)
        far.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            batch.receive(-1)


def test_what_does_not_know_bundles_is_told_before_it_is_sent_one() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        assert knows_bundles(udp)
        assert not knows_bundles(other)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.binary(max_size=20)), max_size=5))
def test_control_messages_are_read_as_they_were_written(items: list[tuple[int, int, bytes]]) -> None:
    control = b"".join(control_message(level, kind, value) for level, kind, value in items)
    assert control_items(control) == items


@given(st.binary(max_size=100))
def test_any_octets_beside_a_datagram_are_items_or_none(control: bytes) -> None:
    assert all(len(value) <= len(control) for _, _, value in control_items(control))
