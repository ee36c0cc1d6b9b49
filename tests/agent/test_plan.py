"""What is to be done, in the program's own terms."""

from __future__ import annotations

import pytest

from agent.plan import Probe, ProbeOptions, SocketAddress
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target
from collectors.stamp.sender import StampOptions


def probe(options: ProbeOptions) -> Probe:
    return Probe(
        name="probe",
        options=options,
        interval_ns=1,
        timeout_ns=1,
        targets=(Target(name="hub", host="10.1.0.4"), Target(name="spoke", host="10.2.0.4")),
        paths=(NetworkPath(name="expressroute"), NetworkPath(name="vpn")),
    )


def test_every_stream_of_a_probe_has_an_ssid_of_its_own() -> None:
    numbered = probe(StampOptions(ssid=7, ssid_required=True))
    options = [numbered.options_of(target, path) for target in numbered.targets for path in numbered.paths]
    assert options == [StampOptions(ssid=ssid, ssid_required=True) for ssid in (7, 8, 9, 10)]


@pytest.mark.parametrize("options", [StampOptions(), IcmpOptions()])
def test_without_an_ssid_all_streams_send_the_same(options: ProbeOptions) -> None:
    alike = probe(options)
    assert alike.options_of(alike.targets[1], alike.paths[1]) == options


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
