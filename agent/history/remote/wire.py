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
from collections.abc import Iterable, Mapping, Sequence

_DOUBLE = struct.Struct("<d")
_FIXED64, _LENGTH = 1, 2  # wire types of protobuf
_LITERAL = 1 << 16  # octets of a literal at most, with a length of two octets
_LITERAL_TAG = 61 << 2


def write_request(series: Iterable[tuple[Mapping[str, str], Sequence[tuple[int, float]]]]) -> bytes:
    """Return the message of series: labels, ``__name__`` among them, and samples as pairs of ms and value."""
    return b"".join(_field(1, _time_series(labels, samples)) for labels, samples in series)


def snappy(data: bytes) -> bytes:
    """Return data in snappy's block format, as literals."""
    parts = [_varint(len(data))]
    for begin in range(0, len(data), _LITERAL):
        literal = data[begin : begin + _LITERAL]
        parts.append(struct.pack("<BH", _LITERAL_TAG, len(literal) - 1) + literal)
    return b"".join(parts)


def _time_series(labels: Mapping[str, str], samples: Sequence[tuple[int, float]]) -> bytes:
    named = (
        _field(1, _field(1, name.encode()) + _field(2, labels[name].encode()))
        for name in sorted(labels)  # the receiver may rely on that
    )
    return b"".join([*named, *(_field(2, _sample(at_ms, value)) for at_ms, value in samples)])


def _sample(at_ms: int, value: float) -> bytes:
    return bytes([1 << 3 | _FIXED64]) + _DOUBLE.pack(value) + bytes([2 << 3]) + _varint(at_ms)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _LENGTH]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
