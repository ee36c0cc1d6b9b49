"""The filter lets pass what comes from the networks that are named, and nothing else."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.iperf3_server.admission import admission_program, admits_everybody
from collectors.path import IPAddress, IPNetwork

NETWORK_HEADER = 0xFFF00000


def header(source: IPAddress) -> bytes:
    if source.version == 4:
        return bytes([0x45, *bytes(11)]) + source.packed + bytes(4)
    return bytes([0x60, *bytes(7)]) + source.packed + bytes(16)


def passes(program: bytes, packet: bytes) -> bool:
    """Run a program of the kernel's classic BPF, as far as this one needs it."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    place = accumulator = 0
    while True:
        code, if_true, if_false, value = instructions[place]
        place += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("!I", packet, value - NETWORK_HEADER)
            case 0x30:
                accumulator = packet[value - NETWORK_HEADER]
            case 0x54:
                accumulator &= value
            case 0x15:
                place += if_true if accumulator == value else if_false
            case 0x05:
                place += value
            case 0x06:
                return bool(value)
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


NETWORKS = st.builds(
    lambda address, bits: ip_network((address, bits % (address.max_prefixlen + 1)), strict=False),
    st.builds(IPv4Address, st.integers(0, 2**32 - 1)) | st.builds(IPv6Address, st.integers(0, 2**128 - 1)),
    st.integers(0, 128),
)


@given(st.lists(NETWORKS, max_size=12), st.data())
def test_it_is_the_networks_themselves(networks: list[IPNetwork], data: st.DataObject) -> None:
    program = admission_program(networks)
    borders = [network[place] for network in networks for place in (0, -1)]
    near = st.sampled_from(borders).map(lambda border: border + (int(border) % 3 - 1 if 1 < int(border) < 2**31 else 0))
    anywhere = st.builds(IPv4Address, st.integers(0, 2**32 - 1)) | st.builds(IPv6Address, st.integers(0, 2**128 - 1))
    source = data.draw(near | anywhere if borders else anywhere)
    assert passes(program, header(source)) is any(source in network for network in networks)


@pytest.mark.parametrize("packet", [b"", b"\0" * 40, b"\x55" + b"\1" * 40])
def test_what_is_neither_ipv4_nor_ipv6_does_not_pass(packet: bytes) -> None:
    assert not passes(admission_program([ip_network("0.0.0.0/0"), ip_network("::/0")]), packet or b"\0")


def test_many_networks_of_both_versions_are_told_apart() -> None:
    networks = [ip_network(f"10.{number}.0.0/16") for number in range(200)]
    networks += [ip_network(f"2001:db8:{number:x}::/48") for number in range(200)]
    program = admission_program(networks)
    assert passes(program, header(ip_address("10.199.3.4")))
    assert not passes(program, header(ip_address("10.200.3.4")))
    assert passes(program, header(ip_address("2001:db8:c7::1")))
    assert not passes(program, header(ip_address("2001:db8:c8::1")))


def test_more_networks_than_the_kernel_takes_are_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="2000 networks are more than the kernel can tell apart"):
        admission_program([ip_network(f"10.{number >> 8}.{number & 255}.0/24") for number in range(2000)])


def test_everybody_is_all_of_ipv4_and_all_of_ipv6() -> None:
    assert admits_everybody([ip_network("::/0"), ip_network("10.0.0.0/8"), ip_network("0.0.0.0/0")])
    assert not admits_everybody([ip_network("0.0.0.0/0")])
