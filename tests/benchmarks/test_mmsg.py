from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address

import pytest

from benchmarks.mmsg import BATCH, Batch

LOOPBACK = IPv4Address("127.0.0.1")


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two sockets; what the first one sends is in the second one's queue when the call returns."""
    with ExitStack() as opened:
        one, other = (opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        one.bind(("0.0.0.0", 0))
        other.bind(("127.0.0.1", 0))
        other.settimeout(5)
        yield one, other


def test_each_datagram_of_a_batch_has_its_own_octets(sockets: tuple[socket.socket, socket.socket]) -> None:
    one, other = sockets
    batch = Batch(bytearray(b"abcdefgh"), 4, count=2, addressed=True)
    batch.address_to(LOOPBACK, other.getsockname()[1])
    assert batch.send(one.fileno(), 2) == 2
    assert [other.recv(100) for _ in range(2)] == [b"abcd", b"efgh"]


def test_what_is_written_after_a_batch_was_made_is_sent(sockets: tuple[socket.socket, socket.socket]) -> None:
    one, other = sockets
    octets = bytearray(4)
    batch = Batch(octets, 4, count=1, addressed=True)
    batch.address_to(LOOPBACK, other.getsockname()[1])
    octets[:] = b"late"
    batch.send(one.fileno(), 1)
    assert other.recv(100) == b"late"


def test_each_datagram_leaves_from_the_address_of_its_place(sockets: tuple[socket.socket, socket.socket]) -> None:
    one, other = sockets
    sources = [IPv4Address("127.1.0.1"), IPv4Address("127.1.0.2")]
    batch = Batch(bytearray(8), 4, count=2, addressed=True, sources=sources)
    batch.address_to(LOOPBACK, other.getsockname()[1])
    batch.send(one.fileno(), 2)
    assert [other.recvfrom(100)[1] for _ in sources] == [(str(source), one.getsockname()[1]) for source in sources]


def test_what_was_received_goes_back_where_it_came_from(sockets: tuple[socket.socket, socket.socket]) -> None:
    asking, answering = sockets
    asking.settimeout(5)
    asking.sendto(b"ping", answering.getsockname())
    room = Batch(bytearray(4 * BATCH), 4, addressed=True)
    assert room.receive(answering.fileno()) == 1
    assert room.size_of(0) == 4
    room.send(answering.fileno(), 1)
    assert asking.recvfrom(100) == (b"ping", answering.getsockname())


def test_an_empty_queue_is_no_error(sockets: tuple[socket.socket, socket.socket]) -> None:
    assert Batch(bytearray(4), 4, count=1).receive(sockets[0].fileno()) == 0


def test_other_failures_are_told(sockets: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(OSError, match="Destination address required"):
        Batch(bytearray(4), 4, count=1).send(sockets[0].fileno(), 1)
