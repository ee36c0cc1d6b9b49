"""Connections over real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from collectors.path import NetworkPath
from collectors.sample import RETRANSMITTED, Outcome, TimestampSource
from tests.collectors.attempting import MS, tcp

LOOPBACKS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
TIME_WAIT = "06"  # as /proc/net/tcp has it


def listening(family: int = socket.AF_INET, host: str = "127.0.0.1", backlog: int = 1024) -> socket.socket:
    sock = socket.socket(family)
    sock.bind((host, 0))
    sock.listen(backlog)
    return sock


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with listening() as sock:
        yield sock


@pytest.fixture
def full() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server whose queue has room for one connection and has one: the kernel drops further SYNs. And that one."""
    with listening(backlog=0) as sock, socket.create_connection(sock.getsockname()) as first:
        yield sock, first


def closed_port(family: int, host: str) -> int:
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def waiting_to_forget(port: int) -> int:
    """Return how many connections with this port are in TIME-WAIT."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return sum(f":{port:04X}" in row[1] + row[2] and row[3] == TIME_WAIT for row in rows)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(("family", "host"), LOOPBACKS)
async def test_a_connection_is_an_answer_with_both_times(family: int, host: str) -> None:
    with listening(family, host) as server:
        running = tcp(host, server.getsockname()[1])
        running.send(0)
        await running.settle()
        running.stream.close()
    [sample] = running.samples()
    assert (sample.outcome, sample.timestamps) == (Outcome.ANSWERED, TimestampSource.USER)
    assert sample.handshake_ns is not None
    assert sample.rtt_ns is not None
    assert 0 < sample.handshake_ns <= sample.rtt_ns < 500 * MS


@pytest.mark.parametrize(("family", "host"), LOOPBACKS)
async def test_a_closed_port_is_refused_each_time_on_either_loop(family: int, host: str) -> None:
    running = tcp(host, closed_port(family, host))
    for slot in range(3):
        running.send(slot)
        await running.settle()
    running.stream.close()
    assert running.outcomes() == [(Outcome.FAILED, "refused")] * 3
    assert len(running.events) == 3  # a reset is no ICMP error


async def test_a_server_that_does_not_answer_is_a_loss_after_the_timeout(
    full: tuple[socket.socket, socket.socket],
) -> None:
    server, _ = full
    running = tcp("127.0.0.1", server.getsockname()[1], timeout_ns=100 * MS)
    running.send(0, 1)
    await running.settle()
    running.stream.close()
    assert running.outcomes() == [(Outcome.LOST, None)] * 2


async def test_a_syn_that_was_sent_again_is_a_loss_with_its_reason_and_no_round_trip_of_a_second(
    full: tuple[socket.socket, socket.socket],
) -> None:
    server, _ = full
    running = tcp("127.0.0.1", server.getsockname()[1], timeout_ns=9000 * MS)
    running.send(0)
    connection, _ = server.accept()  # there is room for the second SYN, which the kernel sends after a second
    await running.settle()
    connection.close()
    running.stream.close()
    [sample] = running.samples()
    assert (sample.outcome, sample.reason, sample.rtt_ns) == (Outcome.LOST, RETRANSMITTED, None)


async def test_connections_are_reset_so_that_none_stays_behind_at_either_end(server: socket.socket) -> None:
    port = server.getsockname()[1]
    before = waiting_to_forget(port)  # a port may be that of another test's connection of a minute ago
    running = tcp("127.0.0.1", port)
    running.send(*range(20))
    await running.settle()
    running.stream.close()
    for _ in range(20):
        connection, _ = server.accept()
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert waiting_to_forget(port) <= before


async def test_a_server_that_resets_at_once_has_answered(server: socket.socket) -> None:
    running = tcp("127.0.0.1", server.getsockname()[1])
    running.send(0)
    connection, _ = server.accept()  # nobody has looked at our end yet
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    connection.close()
    await running.settle()
    running.stream.close()
    assert running.outcomes() == [(Outcome.ANSWERED, None)]


async def test_many_attempts_at_once_end_each_by_itself_and_leave_no_descriptor(server: socket.socket) -> None:
    before = open_files()
    running = tcp("127.0.0.1", server.getsockname()[1], timeout_ns=5000 * MS)
    running.send(*range(300))
    await running.settle()
    assert running.outcomes() == [(Outcome.ANSWERED, None)] * 300
    assert sorted(sample.slot for sample in running.samples()) == list(range(300))
    running.stream.close()
    assert open_files() == before


async def test_connections_that_came_about_while_the_program_stood_still_are_not_lost(server: socket.socket) -> None:
    running = tcp("127.0.0.1", server.getsockname()[1], timeout_ns=100 * MS)
    running.send(*range(10))
    time.sleep(0.3)  # noqa: ASYNC251  # the loop stands still: its timer is overdue when it goes on
    await running.settle()
    running.stream.close()
    assert running.outcomes() == [(Outcome.ANSWERED, None)] * 10
    assert {sample.timestamps for sample in running.samples()} == {TimestampSource.KERNEL}
    assert all((sample.rtt_ns or 0) < 100 * MS for sample in running.samples())


async def test_the_source_of_the_path_is_where_connections_come_from(server: socket.socket) -> None:
    path = NetworkPath(name="p", source=ip_address("127.9.8.7"))
    running = tcp("127.0.0.1", server.getsockname()[1], path)
    running.send(0)
    await running.settle()
    running.stream.close()
    connection, (host, _) = server.accept()
    connection.close()
    assert host == "127.9.8.7"


async def test_a_source_that_this_host_does_not_have_is_not_sent_with_its_reason() -> None:
    running = tcp("127.0.0.1", 9, NetworkPath(name="er", source=ip_address("192.0.2.77")))
    running.send(0)
    assert running.outcomes() == [(Outcome.NOT_SENT, "source_unavailable")]
    assert "path er: cannot send from 192.0.2.77" in str(running.stream.trouble)


async def test_an_address_that_the_kernel_does_not_connect_to_is_not_sent_and_the_trouble_says_where() -> None:
    running = tcp("255.255.255.255", 443)
    running.send(0)
    [(outcome, reason)] = running.outcomes()
    assert (outcome, reason) == (Outcome.NOT_SENT, "network_unreachable")
    assert "does not connect to 255.255.255.255 port 443" in str(running.stream.trouble)
    await asyncio.wait_for(running.stream.idle(), 1)
    running.stream.close()


async def test_closing_in_the_middle_leaves_no_descriptor(full: tuple[socket.socket, socket.socket]) -> None:
    server, _ = full
    before = open_files()
    running = tcp("127.0.0.1", server.getsockname()[1])
    running.send(0, 1)
    running.stream.close()
    assert open_files() == before
    assert running.events == []
