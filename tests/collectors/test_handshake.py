"""The kernel's own time of a handshake, out of TCP_INFO."""

from __future__ import annotations

import socket
import struct

from collectors.handshake import TCP_INFO_SIZE, Handshake, parse_tcp_info


def test_rtt_and_retransmissions_stand_where_linux_has_them() -> None:
    numbers = list(range(100, 124))  # each number of 32 bits says which one it is
    octets = bytes(8) + struct.pack("@24I", *numbers)
    assert len(octets) == TCP_INFO_SIZE
    assert parse_tcp_info(octets) == Handshake(rtt_ns=115_000, syn_retransmits=123)


def test_without_a_measurement_there_is_no_time() -> None:
    assert parse_tcp_info(bytes(TCP_INFO_SIZE)) == Handshake(rtt_ns=None, syn_retransmits=0)


def test_of_a_real_connection_it_is_a_time_shorter_than_a_second() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        found = parse_tcp_info(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE))
    assert found.syn_retransmits == 0
    assert found.rtt_ns is not None
    assert 0 < found.rtt_ns < 1_000_000_000
