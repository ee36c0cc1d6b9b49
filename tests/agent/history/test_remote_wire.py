from __future__ import annotations

import struct
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from agent.history.remote.wire import snappy, time_series


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = data[at]
        value |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        match tag & 7:
            case 0:
                value, at = varint(data, at)
                yield tag >> 3, value
            case 1:
                yield tag >> 3, data[at : at + 8]
                at += 8
            case _:
                size, at = varint(data, at)
                yield tag >> 3, data[at : at + size]
                at += size


def unpacked(data: bytes) -> bytes:
    """Read snappy's literals, the only elements that there are here."""
    size, at = varint(data, 0)
    found = b""
    while at < len(data):
        assert data[at] == 61 << 2
        length = int.from_bytes(data[at + 1 : at + 3], "little") + 1
        found += data[at + 3 : at + 3 + length]
        at += 3 + length
    assert len(found) == size
    return found


@given(st.binary(max_size=300) | st.integers(0, 200_000).map(bytes))
def test_snappy_gives_back_what_went_into_it(data: bytes) -> None:
    assert unpacked(snappy(data)) == data


def test_a_request_has_series_with_labels_in_order_and_samples() -> None:
    labels = {"path": "vpn", "__name__": "up"}
    [(number, series)] = fields(time_series(labels, [(1_680_000_060_000, 600.0), (1_680_000_120_000, -0.5)]))
    assert number == 1
    assert isinstance(series, bytes)
    found = [(number, dict(fields(content))) for number, content in fields(series) if isinstance(content, bytes)]
    assert found == [
        (1, {1: b"__name__", 2: b"up"}),
        (1, {1: b"path", 2: b"vpn"}),
        (2, {1: struct.pack("<d", 600.0), 2: 1_680_000_060_000}),
        (2, {1: struct.pack("<d", -0.5), 2: 1_680_000_120_000}),
    ]
