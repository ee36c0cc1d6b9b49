import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_address

import pytest

from collectors.errors import CollectorError
from collectors.stamp.control.sockets import open_control_listeners, prepare

V4, V6 = "127.0.0.1", "::1"


@contextmanager
def accepted(host: str, tos: int) -> Iterator[socket.socket]:
    """Yield the server's end of a connection whose client's packets carry ``tos``."""
    is_ipv6 = host == V6
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    option = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if is_ipv6 else (socket.IPPROTO_IP, socket.IP_TOS)
    (listener,) = open_control_listeners(ip_address(host), 0)
    with listener, socket.socket(family) as client:
        client.setsockopt(*option, tos)
        client.connect(listener.getsockname())
        sock, _ = listener.accept()
        with sock:
            yield sock


def test_all_addresses_means_both_families_on_one_port() -> None:
    listeners = open_control_listeners(ip_address("::"), 0)
    ports = {listener.getsockname()[1] for listener in listeners}
    families = {listener.family for listener in listeners}
    for listener in listeners:
        listener.close()
    assert len(ports) == 1
    assert families == {socket.AF_INET, socket.AF_INET6}


@pytest.mark.parametrize(
    ("host", "level", "option"),
    [(V4, socket.IPPROTO_IP, socket.IP_TOS), (V6, socket.IPPROTO_IPV6, socket.IPV6_TCLASS)],
)
def test_control_packets_carry_the_dscp_of_the_clients_first(host: str, level: int, option: int) -> None:
    with accepted(host, tos=46 << 2) as sock:
        prepare(sock)
        assert sock.getsockopt(level, option) == 46 << 2


def test_an_accepted_socket_never_waits_and_notices_that_its_client_vanished() -> None:
    with accepted(V4, tos=0) as sock:
        prepare(sock)
        assert not sock.getblocking()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_a_taken_port_is_told_with_a_remedy() -> None:
    (listener,) = open_control_listeners(ip_address(V4), 0)
    port = listener.getsockname()[1]
    with closing(listener), pytest.raises(CollectorError, match=rf"cannot listen on TCP 127\.0\.0\.1:{port}: .*ss -"):
        open_control_listeners(ip_address(V4), port)


def test_an_address_of_another_host_is_told_so() -> None:
    with pytest.raises(CollectorError, match="not an address of this host") as caught:
        open_control_listeners(ip_address("192.0.2.1"), 0)
    assert caught.value.reason == "source_unavailable"
