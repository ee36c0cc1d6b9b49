"""TCP sockets on a path, as the kernel has them; those of datagrams are in the tests of what is built on them."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from collectors.errors import CollectorError
from collectors.path import NetworkPath, PacketMarks
from collectors.pinning import new_socket, open_tcp
from collectors.sockets import open_echo, open_udp

ANY = NetworkPath(name="any")
NEVER_THERE = 60  # a number that no family of sockets has
LOOPBACKS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
# Levels and numbers of TOS and TTL, traffic class and hop limit.
MARKS = {socket.AF_INET: ((0, 1), (0, 2)), socket.AF_INET6: ((41, 67), (41, 16))}


@pytest.mark.parametrize(("family", "host"), LOOPBACKS)
def test_a_tcp_socket_has_the_marks_of_its_path_and_does_not_wait(family: int, host: str) -> None:
    with open_tcp(NetworkPath(name="p", source=ip_address(host)), family, PacketMarks(dscp=46)) as sock:
        assert [sock.getsockopt(*option) for option in MARKS[socket.AddressFamily(family)]] == [46 << 2, 255]
        assert sock.getsockname()[0] == host
        assert not sock.getblocking()


def test_a_port_is_taken_only_when_connecting_so_that_many_sockets_of_one_source_do_not_use_ports_up() -> None:
    with open_tcp(NetworkPath(name="p", source=ip_address("127.0.0.1")), socket.AF_INET, PacketMarks()) as sock:
        assert sock.getsockname()[1] == 0


@pytest.mark.parametrize(
    ("path", "reason", "words"),
    [
        (NetworkPath(name="er", source=ip_address("192.0.2.77")), "source_unavailable", "path er: cannot send from"),
        (NetworkPath(name="er", interface="nosuch0"), "interface_unavailable", "path er: cannot use interface nosuch0"),
    ],
)
def test_a_pinning_that_the_host_cannot_give_is_refused_as_for_packets(
    path: NetworkPath, reason: str, words: str
) -> None:
    with pytest.raises(CollectorError, match=words) as caught:
        open_tcp(path, socket.AF_INET, PacketMarks())
    assert caught.value.reason == reason


@pytest.mark.parametrize("opened", [open_tcp, open_udp, open_echo])
def test_a_process_with_too_many_open_files_is_told_what_to_do(
    opened: Callable[[NetworkPath, int, PacketMarks], object],
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        with pytest.raises(CollectorError, match="raise LimitNOFILE") as caught:
            opened(ANY, socket.AF_INET, PacketMarks())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.reason == "too_many_files"


def test_a_host_without_an_ip_version_is_told_to_give_an_address_of_the_other() -> None:
    with pytest.raises(CollectorError, match="give the target an address of the other") as caught:
        new_socket(ANY, NEVER_THERE, socket.SOCK_DGRAM)
    assert caught.value.reason == "address_family"
