"""Echo packets: built as RFC 792 draws them, and read without trust."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.icmp.wire import EchoError, echo_request, parse_echo_reply, parse_quoted_request
from collectors.roundtrip import Quote

TOKEN = b"eragent!"
IPV4_HEADER = bytes([0x45]) + bytes(19)


def reply_to(request: bytes, *, version: int = 4) -> bytes:
    return bytes([0 if version == 4 else 129]) + request[1:]


def test_a_request_is_header_token_number_and_zeros() -> None:
    request = echo_request(version=4, identifier=0x1234, sequence=0x10002, token=TOKEN, size=56)
    assert len(request) == 64
    assert request[:2] == b"\x08\x00"
    assert request[4:8] == bytes.fromhex("12340002")
    assert request[8:20] == TOKEN + bytes.fromhex("00010002")
    assert not any(request[20:])


@given(st.integers(0, 2**40), st.integers(12, 200))
def test_the_checksum_makes_the_words_sum_to_all_ones(sequence: int, size: int) -> None:
    request = echo_request(version=4, identifier=7, sequence=sequence, token=TOKEN, size=size)
    padded = request + b"\0" * (len(request) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 6]), st.booleans())
def test_the_reply_gives_the_number_back(sequence: int, version: int, raw: bool) -> None:
    with_ip_header = raw and version == 4
    reply = reply_to(
        echo_request(version=version, identifier=1, sequence=sequence, token=TOKEN, size=12), version=version
    )
    message = IPV4_HEADER + reply if with_ip_header else reply
    assert parse_echo_reply(message, version=version, token=TOKEN, with_ip_header=with_ip_header) == sequence


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "too short"),
        (bytes(19), "too short"),
        (echo_request(version=4, identifier=1, sequence=1, token=TOKEN, size=56), "type 8, code 0"),
        (reply_to(echo_request(version=4, identifier=1, sequence=1, token=b"somebody", size=56)), "another session"),
    ],
)
def test_what_is_no_reply_to_us_is_refused_with_its_reason(message: bytes, reason: str) -> None:
    with pytest.raises(EchoError, match=reason):
        parse_echo_reply(message, version=4, token=TOKEN, with_ip_header=False)


@given(st.binary(max_size=80), st.sampled_from([4, 6]), st.booleans())
def test_any_octets_are_a_number_or_an_echo_error(message: bytes, version: int, with_ip_header: bool) -> None:
    try:
        number = parse_echo_reply(message, version=version, token=TOKEN, with_ip_header=with_ip_header)
    except EchoError:
        return
    assert 0 <= number < 2**32


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 6]), st.sampled_from([None, 9]))
def test_an_error_that_quotes_a_request_tells_its_number(sequence: int, version: int, identifier: int | None) -> None:
    quoted = echo_request(version=version, identifier=9, sequence=sequence, token=TOKEN, size=56)
    found = parse_quoted_request(quoted, version=version, token=TOKEN, identifier=identifier)
    assert found == Quote(sequence, 32)


@pytest.mark.parametrize("octets", [8, 11, 16, 19])
def test_a_short_quote_tells_what_the_header_has_of_the_number(octets: int) -> None:
    quoted = echo_request(version=4, identifier=9, sequence=0x12345, token=TOKEN, size=56)[:octets]
    assert parse_quoted_request(quoted, version=4, token=TOKEN, identifier=9) == Quote(0x2345, 16)


@pytest.mark.parametrize(
    ("quoted", "reason"),
    [
        (echo_request(version=4, identifier=9, sequence=1, token=TOKEN, size=56)[:7], "too short"),
        (echo_request(version=4, identifier=8, sequence=1, token=TOKEN, size=56), "not an echo request of this"),
        (echo_request(version=4, identifier=9, sequence=1, token=b"somebody", size=56), "another session"),
        (echo_request(version=4, identifier=9, sequence=1, token=b"somebody", size=56)[:10], "another session"),
        (reply_to(echo_request(version=4, identifier=9, sequence=1, token=TOKEN, size=56)), "not an echo request"),
    ],
)
def test_what_an_error_quotes_of_others_is_none_of_ours(quoted: bytes, reason: str) -> None:
    with pytest.raises(EchoError, match=reason):
        parse_quoted_request(quoted, version=4, token=TOKEN, identifier=9)


@given(st.binary(max_size=80), st.sampled_from([4, 6]), st.sampled_from([None, 9]))
def test_any_quoted_octets_are_a_quote_or_an_echo_error(message: bytes, version: int, identifier: int | None) -> None:
    try:
        found = parse_quoted_request(message, version=version, token=TOKEN, identifier=identifier)
    except EchoError:
        return
    assert found.bits in (16, 32)
