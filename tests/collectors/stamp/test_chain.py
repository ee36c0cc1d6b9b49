import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.chain import (
    MOST_TLVS,
    TLV_NAMES,
    UNRECOGNISED,
    Chain,
    Tlv,
    TlvError,
    TlvType,
    carries_tlvs,
    extra_padding,
    is_padding_alone,
    layout,
    parse_chain,
)

V8_TLVS = bytes.fromhex("80010008a1b2c3d4e5f60718 80c80004deadbeef")
V14_OVERRUN = bytes.fromhex("8004000cb8000000")

tlvs = st.builds(Tlv, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=20))


@given(st.binary(max_size=200))
def test_any_octets_are_a_chain_and_the_octets_that_are_none(data: bytes) -> None:
    chain = parse_chain(data)
    assert b"".join(map(bytes, chain.tlvs)) + chain.rest == data
    assert chain.malformed == (len(chain.rest) >= 4)


@given(st.lists(tlvs, max_size=MOST_TLVS), st.binary(max_size=3))
def test_a_chain_is_read_as_it_was_written(written: list[Tlv], rest: bytes) -> None:
    assert parse_chain(b"".join(map(bytes, written)) + rest) == Chain(tuple(written), rest)


def test_v8_two_tlvs_one_of_them_of_a_type_beyond_ours() -> None:
    padding = Tlv(UNRECOGNISED, TlvType.EXTRA_PADDING, bytes.fromhex("a1b2c3d4e5f60718"))
    unknown = Tlv(UNRECOGNISED, 200, bytes.fromhex("deadbeef"))
    assert parse_chain(V8_TLVS) == Chain((padding, unknown), b"")
    assert layout(V8_TLVS) == ([(0x80, 1, 0, 12), (0x80, 200, 12, 20)], 20, False, 0x80)


def test_v14_a_tlv_that_overruns_the_packet_is_no_tlv_but_a_malformed_rest() -> None:
    chain = parse_chain(V14_OVERRUN)
    assert chain == Chain((), V14_OVERRUN)
    assert chain.malformed


@pytest.mark.parametrize("rest", [b"", b"\x80", b"\x80\x01", b"\x80\x01\x00"])
def test_octets_too_few_for_a_header_are_not_malformed(rest: bytes) -> None:
    chain = parse_chain(V8_TLVS + rest)
    assert (len(chain.tlvs), chain.rest, chain.malformed) == (2, rest, False)


def test_a_datagram_full_of_headers_costs_no_more_than_a_long_chain() -> None:
    chain = parse_chain(b"\x80\xc8\x00\x00" * 16_000)
    assert len(chain.tlvs) == MOST_TLVS
    assert chain.malformed


@given(st.integers(0, 2000))
def test_padding_has_the_size_asked_for(size: int) -> None:
    padding = extra_padding(size)
    assert len(padding) == size
    chain = parse_chain(padding)
    assert [(tlv.flags, tlv.type) for tlv in chain.tlvs] == [(UNRECOGNISED, TlvType.EXTRA_PADDING)] * (size >= 4)
    assert not any(chain.rest)
    assert is_padding_alone(padding) == (size >= 4)


def test_padding_is_a_tlv_of_zeros_and_bare_zeros_where_no_header_fits() -> None:
    assert extra_padding(3) == bytes(3)
    assert extra_padding(4).hex() == "80010000"
    assert extra_padding(9).hex() == "800100050000000000"


def test_padding_beyond_16_bits_of_length_is_refused() -> None:
    with pytest.raises(TlvError, match="length 65536 do not fit in a TLV"):
        extra_padding(65_540)


@pytest.mark.parametrize("trailing", [V8_TLVS, extra_padding(9) + extra_padding(4), extra_padding(9) + b"\0", b""])
def test_padding_beside_anything_else_is_not_padding_alone(trailing: bytes) -> None:
    assert not is_padding_alone(trailing)


@pytest.mark.parametrize(
    ("trailing", "expected"),
    [(V8_TLVS, True), (b"\x80\x01\x00\x00", True), (b"\x80\x01\x00", False), (bytes(8), False), (b"\xa0" * 8, False)],
)
def test_what_begins_with_a_senders_flags_is_read_as_tlvs(trailing: bytes, expected: bool) -> None:
    assert carries_tlvs(trailing) is expected


def test_users_know_the_tlvs_by_their_names() -> None:
    assert sorted(TLV_NAMES.values()) == [
        "access_report",
        "class_of_service",
        "direct_measurement",
        "extra_padding",
        "follow_up",
        "hmac",
        "location",
        "timestamp_information",
    ]
