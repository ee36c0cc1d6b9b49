"""Samples of one stream and minute in a few octets each, without loss, and back. No I/O, no numpy.

A block is columnar, little-endian throughout::

    offset  octets
    0       4       CRC-32 of all that follows
    4       1       version of this layout: 1
    5       5       widths: significant octets of the columns slot, sent, rtt, forward, backward (0 to 8)
    10      4       n, how many samples
    14      8       interval between slots, ns
    22      40      bases of the five columns
    62      2n each the two low octets of sent, rtt and forward, of those that are 2 octets wide or more
            rest    zlib: flags (n), number of the reason (n), the other octets of each column, lowest first (n each),
                    and the reasons, which are lines of UTF-8; number 0 is none

The two low octets of a time with the resolution of nanoseconds are noise, which no compression makes smaller: they are
left as they are, and read at once. What is stored of each column is how far it is above its base, less what is known:

    slot      less the place in the block: nothing where none is left out
    sent      less the time from the block's first slot to this one: how late the packet was, and the clocks' drift
    backward  less rtt - forward: nothing but rounding, since a round trip is the sum of both
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from agent.history.rows import HAS_BACKWARD, HAS_FORWARD, HAS_RTT, Rows

VERSION = 1
COLUMNS = 5
IN_THE_CLEAR = (1, 2, 3)
"""The columns whose two low octets are not compressed: sent, rtt and forward."""
SUM_SIZE = 4
HEADER = struct.Struct("<BBBBBBIqqqqqq")
START = SUM_SIZE + HEADER.size
_SUM = struct.Struct("<I")
_MOST_REASONS = 255
_LONGEST_NS = 1 << 61


class BlockError(ValueError):
    """These octets are no block, or are damaged."""


class Layout(NamedTuple):
    """Where the columns of a block are, by their widths.

    ``clear``: which columns have their two low octets uncompressed, and ``clear_columns`` how many do.
    ``first_planes``: at which plane of what is compressed each column begins, and behind them where the last one ends.
    """

    clear: tuple[bool, ...]
    clear_columns: int
    first_planes: tuple[int, ...]


@lru_cache(maxsize=1024)
def layout_of(widths: tuple[int, ...]) -> Layout:
    """Return the layout of blocks whose columns have these widths: few differ, and thousands of blocks are read."""
    clear = tuple(column in IN_THE_CLEAR and width >= 2 for column, width in enumerate(widths))
    planes = (width - 2 * is_clear for width, is_clear in zip(widths, clear, strict=True))
    return Layout(clear, sum(clear), tuple(accumulate(planes, initial=2)))  # behind flags and reasons


class Header(NamedTuple):
    """What stands at the start of a block."""

    version: int
    widths: tuple[int, ...]
    samples: int
    interval_ns: int
    bases: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A block taken apart: the low octets of the columns, and what is compressed."""

    header: Header
    layout: Layout
    low: memoryview
    compressed: memoryview

    def planes(self) -> bytes:
        """Return what is compressed, as it was before."""
        return zlib.decompress(self.compressed)

    def reasons(self, planes: bytes) -> list[str | None]:
        """Return the reasons by their number, of which 0 is none."""
        text = planes[self.layout.first_planes[-1] * self.header.samples :]
        return [None, *(text.decode().split("\n") if text else ())]


def encode(rows: Rows, *, interval_ns: int) -> bytes:
    """Return the block of these samples, at least one, in the order of their slots.

    ``interval_ns`` makes it small where it is that of the slots, and does no harm otherwise.
    """
    if (max(rows.slot) - min(rows.slot)) * interval_ns >= _LONGEST_NS:  # of two clocks, one of which was very wrong
        interval_ns = 0
    values = _offsets(rows, interval_ns)
    bases = [min(column) for column in values]
    planes = [_planes(column, base) for column, base in zip(values, bases, strict=True)]
    reasons = {reason: number for number, reason in enumerate(dict.fromkeys(filter(None, rows.reasons)), start=1)}
    low, high = bytearray(), bytearray(rows.flags)
    high += bytes(min(reasons[reason], _MOST_REASONS) if reason else 0 for reason in rows.reasons)
    for column, octets in enumerate(planes):
        clear = column in IN_THE_CLEAR and len(octets) >= 2
        if clear:
            low += _interleaved(octets[0], octets[1])
        high += b"".join(octets[2:] if clear else octets)
    high += "\n".join(_one_line(reason) for reason in [*reasons][:_MOST_REASONS]).encode()
    header = HEADER.pack(VERSION, *map(len, planes), len(rows), interval_ns, *bases)
    return _summed(header + low + _compressed(high))


def decode(block: bytes) -> Rows:
    """Return the samples of a block; raise :class:`BlockError` where it is none."""
    parts = take_apart(block)
    planes = parts.planes()
    header, count = parts.header, parts.header.samples
    rows = Rows()
    rows.flags += planes[:count]
    reasons = parts.reasons(planes)
    rows.reasons += [reasons[number] for number in planes[count : 2 * count]]
    slot, sent, rtt, forward, backward = _values(parts, planes)
    first, interval_ns = header.bases[0], header.interval_ns
    rows.slot.extend(place + above for place, above in enumerate(slot))
    rows.sent_at_ns.extend(above + (slot - first) * interval_ns for above, slot in zip(sent, rows.slot, strict=True))
    rows.rtt_ns.extend(_where(HAS_RTT, rows.flags, rtt))
    rows.forward_ns.extend(_where(HAS_FORWARD, rows.flags, forward))
    whole = (above + rtt - forward for above, rtt, forward in zip(backward, rows.rtt_ns, rows.forward_ns, strict=True))
    rows.backward_ns.extend(_where(HAS_BACKWARD, rows.flags, whole))
    return rows


def take_apart(block: bytes) -> Parts:
    """Check a block, and find its parts; raise :class:`BlockError` where it is none."""
    octets = memoryview(block)
    if len(block) < START or zlib.crc32(octets[SUM_SIZE:]) != _SUM.unpack_from(block)[0]:
        raise BlockError("a block of samples is damaged: its checksum is wrong")
    header = header_of(block)
    if header.version != VERSION:
        raise BlockError(f"a block of samples has layout {header.version}, this version reads {VERSION}")
    layout = layout_of(header.widths)
    end = START + 2 * header.samples * layout.clear_columns
    return Parts(header=header, layout=layout, low=octets[START:end], compressed=octets[end:])


def header_of(block: bytes) -> Header:
    """Return the header of a block that is at least that long."""
    version, *rest = HEADER.unpack_from(block, SUM_SIZE)
    return Header(version, tuple(rest[:COLUMNS]), rest[COLUMNS], rest[COLUMNS + 1], tuple(rest[COLUMNS + 2 :]))


def _compressed(octets: bytes | bytearray) -> bytes:
    # Octets of times repeat themselves at once or by chance: runs alone find as much as a search does, in a third of
    # the time (20 µs a minute of 600 samples, not 66), and need no window.
    compressor = zlib.compressobj(1, zlib.DEFLATED, 9, 8, zlib.Z_RLE)
    return compressor.compress(octets) + compressor.flush()


def _offsets(rows: Rows, interval_ns: int) -> tuple[list[int], ...]:
    """Return the columns less what is known of each; what is not there is as the least that is."""
    first = min(slot - place for place, slot in enumerate(rows.slot))
    flags = rows.flags
    backward = [
        backward - rtt + forward
        for backward, rtt, forward in zip(rows.backward_ns, rows.rtt_ns, rows.forward_ns, strict=True)
    ]
    return (
        [slot - place for place, slot in enumerate(rows.slot)],
        [sent - (slot - first) * interval_ns for sent, slot in zip(rows.sent_at_ns, rows.slot, strict=True)],
        _filled(HAS_RTT, flags, rows.rtt_ns),
        _filled(HAS_FORWARD, flags, rows.forward_ns),
        _filled(HAS_BACKWARD, flags, backward),
    )


def _filled(flag: int, flags: bytearray, values: Sequence[int]) -> list[int]:
    there = [value for has, value in zip(flags, values, strict=True) if has & flag]
    if len(there) == len(values):
        return there
    least = min(there, default=0)
    return [value if has & flag else least for has, value in zip(flags, values, strict=True)]


def _planes(values: Sequence[int], base: int) -> list[bytes]:
    """Return the significant octets of values less their base, lowest first, an octet of all values each."""
    above = [value - base for value in values]
    width = (max(above).bit_length() + 7) // 8
    octets = _little_endian(array("Q", above)).tobytes() if width else b""
    return [octets[place::8] for place in range(width)]


def _interleaved(lower: bytes, higher: bytes) -> bytes:
    both = bytearray(2 * len(lower))
    both[0::2], both[1::2] = lower, higher
    return bytes(both)


def _values(parts: Parts, planes: bytes) -> Iterable[list[int]]:
    """Yield the columns with their bases."""
    header, count = parts.header, parts.header.samples
    low, high = 0, 2 * count
    for column, (width, base) in enumerate(zip(header.widths, header.bases, strict=True)):
        octets = bytearray(8 * count)
        begin = 0
        if parts.layout.clear[column]:
            octets[0::8], octets[1::8] = parts.low[low : low + 2 * count : 2], parts.low[low + 1 : low + 2 * count : 2]
            low, begin = low + 2 * count, 2
        for place in range(begin, width):
            octets[place::8] = planes[high : high + count]
            high += count
        yield [base + above for above in _little_endian(array("Q", bytes(octets)))]


def _where(flag: int, flags: bytearray, values: Iterable[int]) -> Iterable[int]:
    return (value if has & flag else 0 for has, value in zip(flags, values, strict=True))


def _one_line(reason: str) -> str:
    return reason.replace("\n", " ")


def _summed(data: bytes) -> bytes:
    return _SUM.pack(zlib.crc32(data)) + data


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
