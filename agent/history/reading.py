"""Reads samples of a history into arrays: the interface of all that looks back. Needs numpy, writes nothing."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.columns import Columns
from agent.history.block import BlockError, Parts, take_apart
from agent.history.decoding import columns_of, reasons_of
from agent.history.opening import HistoryError, reading
from agent.history.store import MINUTE_NS, block_id

_log = logging.getLogger(__name__)

LAST_MINUTE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStream:
    """A stream of which a history has samples. ``number`` is its own in this history alone."""

    number: int
    probe: str
    kind: str
    target: str
    path: str
    interval_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time of which samples are missing through no fault of a path.

    ``reason``: the agent was ``stopped`` or ``killed``, the host was ``suspended``, or the samples were ``dropped``
    because they could not be written; ``samples`` says how many, where that is known.
    """

    from_ns: int
    until_ns: int
    reason: str
    samples: int


def streams(directory: Path) -> list[StoredStream]:
    """Return all streams of a history; raise :class:`HistoryError` where there is none to read."""
    with reading(directory) as connection:
        return streams_in(connection)


def gaps(directory: Path) -> list[Gap]:
    """Return when samples are missing through no fault of a path, oldest first; errors as of :func:`streams`."""
    with reading(directory) as connection:
        rows = connection.execute("SELECT from_ns, until_ns, reason, samples FROM gaps ORDER BY from_ns")
        return [Gap(from_ns=begin, until_ns=end, reason=reason, samples=count) for begin, end, reason, count in rows]


def read_columns(
    directory: Path, *, probe: str, target: str, path: str, since_ns: int | None = None, until_ns: int | None = None
) -> Columns:
    """Return the samples of a stream that were sent from ``since_ns`` on and before ``until_ns`` (wall time).

    The same slot on two paths of a probe and target is the same moment, over restarts of the agent too. Where a probe
    of one name was of several kinds, the one begun last counts. Without any samples the columns are empty. What is
    damaged is left out and logged. Raise :class:`HistoryError` where there is no such stream, or no history.
    """
    with reading(directory) as connection:
        known = streams_in(connection)
        named = [stream for stream in known if (stream.probe, stream.target, stream.path) == (probe, target, path)]
        if not named:
            there = ", ".join(f"{one.probe} to {one.target} on {one.path}" for one in known) or "none"
            raise HistoryError(f"{directory} has no stream {probe} to {target} on {path}; it has: {there}")
        return columns_in(connection, named[-1], since_ns, until_ns)


def streams_in(connection: sqlite3.Connection) -> list[StoredStream]:
    """Return all streams of an open history, in the order in which they began."""
    rows = connection.execute("SELECT id, probe, kind, target, path, interval_ns FROM streams ORDER BY id")
    names = ("number", "probe", "kind", "target", "path", "interval_ns")
    return [StoredStream(**dict(zip(names, row, strict=True))) for row in rows]


def columns_in(
    connection: sqlite3.Connection, stream: StoredStream, since_ns: int | None = None, until_ns: int | None = None
) -> Columns:
    """Return the samples of a stream of an open history, otherwise as :func:`read_columns`."""
    columns = columns_of(list(_blocks(connection, stream, since_ns, until_ns)))
    chosen = _chosen(columns, since_ns, until_ns)
    return columns if chosen is None else columns.where(chosen)


def with_reasons_in(
    connection: sqlite3.Connection, stream: StoredStream, since_ns: int | None = None, until_ns: int | None = None
) -> tuple[Columns, list[str | None]]:
    """Return the samples as :func:`columns_in` does, and the reason of each, ``None`` where there is none."""
    blocks = list(_blocks(connection, stream, since_ns, until_ns))
    columns, reasons = columns_of(blocks), reasons_of(blocks)
    chosen = _chosen(columns, since_ns, until_ns)
    return (columns, reasons) if chosen is None else (columns.where(chosen), [reasons[place] for place in chosen])


def span_in(connection: sqlite3.Connection, stream: StoredStream) -> tuple[int, int] | None:
    """Return the first and the last minute of a stream of an open history, ``None`` where it has no samples."""
    first, last = block_id(stream.number, 0), block_id(stream.number, LAST_MINUTE)
    found = [
        *connection.execute("SELECT min(id), max(id) FROM blocks WHERE id BETWEEN ? AND ?", (first, last)).fetchone(),
        *connection.execute("SELECT min(minute), max(minute) FROM parts WHERE stream = ?", (stream.number,)).fetchone(),
    ]
    minutes = [number & LAST_MINUTE for number in found if number is not None]
    return (min(minutes), max(minutes)) if minutes else None


def _blocks(
    connection: sqlite3.Connection, stream: StoredStream, since_ns: int | None, until_ns: int | None
) -> Iterator[Parts]:
    first = 0 if since_ns is None else max(since_ns // MINUTE_NS, 0)
    last = LAST_MINUTE if until_ns is None else max(until_ns // MINUTE_NS, 0)
    blocks = connection.execute(
        "SELECT data FROM blocks WHERE id BETWEEN ? AND ?",
        (block_id(stream.number, first), block_id(stream.number, last)),
    )
    parts = connection.execute(
        "SELECT data FROM parts WHERE stream = ? AND minute BETWEEN ? AND ? AND length(data) > 0 ORDER BY minute, id",
        (stream.number, first, last),
    )
    damaged = 0
    for source in (blocks, parts):
        for (data,) in source:
            try:
                yield take_apart(data)
            except BlockError:
                damaged += 1
    if damaged:
        name = f"{stream.probe} to {stream.target} on {stream.path}"
        _log.warning("%s: %d damaged blocks are left out, each of a minute at most", name, damaged)


def _chosen(columns: Columns, since_ns: int | None, until_ns: int | None) -> NDArray[np.intp] | None:
    """Return which samples lie within a span of time, ordered by their slots; ``None`` for all, as they are.

    Whole minutes were read, and what an open one has is in the order in which it was settled. Where a wall clock was
    set back between two runs, slots of both may be equal: then the first one stays.
    """
    slots, sent = columns.slot, columns.sent_at_ns
    if len(slots) == 0:
        return None
    first_ns, last_ns = int(sent.min()), int(sent.max())
    inside = (since_ns is None or first_ns >= since_ns) and (until_ns is None or last_ns < until_ns)
    if inside and bool(np.all(slots[1:] > slots[:-1])):
        return None
    begin_ns = first_ns if since_ns is None else since_ns
    end_ns = last_ns + 1 if until_ns is None else until_ns
    places = np.flatnonzero((sent >= begin_ns) & (sent < end_ns))
    order = places[np.argsort(slots[places], kind="stable")]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = slots[order[1:]] > slots[order[:-1]]
    return order[first]
