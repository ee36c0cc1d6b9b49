"""Blocks of samples to numpy arrays, thousands at once. No I/O; only the commands that look back import this.

A block alone takes numpy longer to begin with than to read. So blocks are laid end to end, plane by plane, and read as
one, as many as fit into a processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from agent.columns import OUTCOMES as COLUMN_OUTCOMES
from agent.columns import UNKNOWN, Columns
from agent.history.block import Parts
from agent.history.rows import HAS_BACKWARD, HAS_FORWARD, HAS_RTT, NOISY, OUTCOME, OUTCOMES

_AT_ONCE = 48  # blocks; of 600 samples each they make columns of 225 KiB
_ALL_TIMES = HAS_RTT | HAS_FORWARD | HAS_BACKWARD
_OUTCOMES = np.array([COLUMN_OUTCOMES.index(outcome) for outcome in OUTCOMES], dtype=np.uint8)
_SLOT, _SENT, _RTT, _FORWARD, _BACKWARD = range(5)

Numbers = NDArray[np.int64]


def columns_of(blocks: Sequence[Parts]) -> Columns:
    """Return the samples of blocks, in their order."""
    total = sum(parts.header.samples for parts in blocks)
    columns = Columns(
        slot=np.empty(total, np.int64),
        sent_at_ns=np.empty(total, np.int64),
        rtt_ns=np.empty(total, np.int64),
        forward_ns=np.empty(total, np.int64),
        backward_ns=np.empty(total, np.int64),
        outcome=np.empty(total, np.uint8),
        noisy=np.empty(total, np.bool_),
    )
    begin = 0
    for group in _alike(blocks):
        planes = _Planes(group)
        end = begin + planes.total
        _fill(_views(columns, slice(begin, end)), planes)
        begin = end
    return columns


def reasons_of(blocks: Iterable[Parts]) -> list[str | None]:
    """Return the reason of each sample of blocks, in their order; ``None`` where there is none."""
    found: list[str | None] = []
    for parts in blocks:
        count, planes = parts.header.samples, parts.planes()
        reasons = parts.reasons(planes)
        found += [reasons[number] for number in planes[count : 2 * count]]
    return found


def _alike(blocks: Sequence[Parts]) -> Iterator[list[Parts]]:
    """Yield blocks that have the same columns in the clear, not too many at once."""
    for _, group in groupby(blocks, key=lambda parts: parts.layout.clear):
        alike = list(group)
        for begin in range(0, len(alike), _AT_ONCE):
            yield alike[begin : begin + _AT_ONCE]


def _views(columns: Columns, place: slice) -> Columns:
    return Columns(**{field.name: getattr(columns, field.name)[place] for field in fields(columns)})


def _fill(columns: Columns, planes: _Planes) -> None:
    """Write the samples of blocks into their place: ``columns`` are views of it."""
    slot, sent, rtt, forward, backward = (
        *(columns.slot, columns.sent_at_ns, columns.rtt_ns),
        *(columns.forward_ns, columns.backward_ns),
    )
    flags = planes.flags()
    for number, column in enumerate((slot, sent, rtt, forward, backward)):
        planes.write(number, column)
    steps = slot + planes.places  # so far the slot less its place in the block; its base is the first one's
    np.subtract(steps, planes.of_blocks(planes.bases[:, _SLOT]), out=slot)
    sent += slot * planes.of_blocks(planes.intervals_ns)
    slot[:] = steps
    complete = bool(np.all(flags & _ALL_TIMES == _ALL_TIMES))
    if not complete:
        rtt[flags & HAS_RTT == 0] = 0
        forward[flags & HAS_FORWARD == 0] = 0
    backward += rtt
    backward -= forward
    if not complete:
        for column, flag in ((rtt, HAS_RTT), (forward, HAS_FORWARD), (backward, HAS_BACKWARD)):
            column[flags & flag == 0] = UNKNOWN
    columns.outcome[:] = _OUTCOMES[flags & OUTCOME]
    np.not_equal(flags & NOISY, 0, out=columns.noisy)


class _Planes:
    """Blocks that have the same columns in the clear, end to end."""

    def __init__(self, blocks: list[Parts]) -> None:
        headers = [parts.header for parts in blocks]
        counts = [header.samples for header in headers]
        self._blocks = [(parts, parts.planes(), count) for parts, count in zip(blocks, counts, strict=True)]
        self._counts = np.array(counts)
        self._clear = blocks[0].layout.clear
        self._widths = [max(widths) for widths in zip(*(header.widths for header in headers), strict=True)]
        self.total = sum(counts)
        self.bases = np.array([header.bases for header in headers], dtype=np.int64)
        self.intervals_ns = np.array([header.interval_ns for header in headers], dtype=np.int64)
        self.places = np.arange(self.total) - self.of_blocks(np.cumsum(self._counts) - self._counts)

    def of_blocks(self, values: Numbers) -> Numbers:
        """Return for each sample the value of its block."""
        return np.repeat(values, self._counts)

    def flags(self) -> NDArray[np.uint8]:
        """Return the flags of each sample."""
        return _joined([planes[:count] for _, planes, count in self._blocks])

    def write(self, column: int, into: Numbers) -> None:
        """Write a column's values, as they are stored, with their bases."""
        into[:] = self.of_blocks(self.bases[:, column])
        clear = 2 if self._clear[column] else 0
        if clear:
            into += self._low_octets(sum(self._clear[:column]))
        for place in range(clear, self._widths[column]):
            octets = self._octets(column, place, clear).astype(np.int64)
            octets <<= 8 * place
            into += octets

    def _low_octets(self, number: int) -> NDArray[np.uint16]:
        slices = [parts.low[2 * number * count : 2 * (number + 1) * count] for parts, _, count in self._blocks]
        return _joined(slices).view("<u2")

    def _octets(self, column: int, place: int, clear: int) -> NDArray[np.uint8]:
        """Return one octet of each value of a column, zeros for blocks whose values have none there."""
        slices = []
        for parts, planes, count in self._blocks:
            begin = (parts.layout.first_planes[column] + place - clear) * count
            there = place < parts.header.widths[column]
            slices.append(planes[begin : begin + count] if there else bytes(count))
        return _joined(slices)


def _joined(slices: Sequence[bytes | memoryview]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(slices), np.uint8)
