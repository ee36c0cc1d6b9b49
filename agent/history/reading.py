"""Reads samples of a history into arrays: the interface of all that looks back. Needs numpy, writes nothing."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.columns import Columns
from agent.history.block import BlockError, Parts, take_apart
from agent.history.decoding import columns_of
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
    return _ascending(_within(columns_of(list(_blocks(connection, stream, since_ns, until_ns))), since_ns, until_ns))


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


def _within(columns: Columns, since_ns: int | None, until_ns: int | None) -> Columns:
    """Leave out what was sent before or after; whole minutes were read."""
    sent = columns.sent_at_ns
    if since_ns is not None and len(sent) and int(sent.min()) < since_ns:
        columns = columns.where(columns.sent_at_ns >= since_ns)
    if until_ns is not None and len(sent) and int(sent.max()) >= until_ns:
        columns = columns.where(columns.sent_at_ns < until_ns)
    return columns


def _ascending(columns: Columns) -> Columns:
    """Order by slot where need be: what an open minute has is in the order in which it was settled.

    Where a wall clock was set back between two runs, slots of both may be equal: then the first one stays.
    """
    slots = columns.slot
    if bool(np.all(slots[1:] > slots[:-1])):
        return columns
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] > ordered[:-1]
    return columns.where(order[first])
