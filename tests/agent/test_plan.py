import pytest

from agent.plan import SocketAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:862", "127.0.0.1", 862),
        ("[::]:862", "::", 862),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65_535),
        ("vm.example:0", "vm.example", 0),
    ],
)
def test_a_socket_address_is_read_as_it_is_shown(text: str, host: str, port: int) -> None:
    address = SocketAddress.parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no address and port"),
        ("127.0.0.1", "no address and port"),
        (":862", "no address and port"),
        ("127.0.0.1:", "ends with no port"),
        ("127.0.0.1:stamp", "ends with no port"),
        ("127.0.0.1:65536", "ends with no port"),
        ("127.0.0.1:" + "9" * 5000, "ends with no port"),
        ("127.0.0.1:-1", "ends with no port"),
        ("::1:862", "put an IPv6 address in brackets"),
        ("[]:862", "names no host"),
        ("[::1:862", "put an IPv6 address in brackets"),
        ("a b:862", "names no host"),
    ],
)
def test_what_is_no_socket_address_is_an_error_that_says_how_to_write_one(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SocketAddress.parse(text)
