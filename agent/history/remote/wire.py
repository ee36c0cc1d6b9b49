"""What remote write sends: a protobuf message in snappy's block format. No I/O.

Of the messages of Prometheus (remote write 1.0) what series of samples need::

    WriteRequest  1: TimeSeries (repeated)
    TimeSeries    1: Label (repeated)    2: Sample (repeated)
    Label         1: name                2: value
    Sample        1: value, double       2: timestamp, ms since the Unix epoch, int64

Snappy may say all it has as literals, which is what is done here: some thousand samples are 100 KiB as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

_DOUBLE = struct.Struct("<d")
_FIXED64, _LENGTH = 1, 2  # wire types of protobuf
_SAMPLE = [bytes([2 << 3 | _LENGTH, 1 + _DOUBLE.size + size, 1 << 3 | _FIXED64]) for size in range(12)]
"""What a sample begins with, by how long its timestamp is: tag and length, and the tag of its value."""
_LITERAL = 1 << 16  # octets of a literal at most, with a length of two octets
_LITERAL_TAG = 61 << 2


def time_series(labels: Mapping[str, str], samples: Sequence[tuple[int, float]]) -> bytes:
    """Return a series of a WriteRequest: labels, ``__name__`` among them, and samples as pairs of ms and value.

    A WriteRequest is nothing but its series, one behind the other.
    """
    named = (
        _field(1, _field(1, name.encode()) + _field(2, labels[name].encode()))
        for name in sorted(labels)  # the receiver may rely on that
    )
    return _field(1, b"".join([*named, *(_sample(at_ms, value) for at_ms, value in samples)]))


def snappy(data: bytes) -> bytes:
    """Return data in snappy's block format, as literals."""
    parts = [_varint(len(data))]
    for begin in range(0, len(data), _LITERAL):
        literal = data[begin : begin + _LITERAL]
        parts.append(struct.pack("<BH", _LITERAL_TAG, len(literal) - 1) + literal)
    return b"".join(parts)


def _sample(at_ms: int, value: float) -> bytes:
    timestamp = _timestamp(at_ms)
    return _SAMPLE[len(timestamp)] + _DOUBLE.pack(value) + timestamp


@lru_cache(maxsize=1024)
def _timestamp(at_ms: int) -> bytes:
    """Return a sample's second field: all series of a stream have the same moments."""
    return bytes([2 << 3]) + _varint(at_ms)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _LENGTH]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
