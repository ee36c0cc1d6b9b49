"""What a history has beside streams: tests of throughput, and times without samples. Reads an open history."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from agent.history.sink import THROUGHPUT

_EVER_NS = (1 << 63) - 1


def throughput_tests(
    connection: sqlite3.Connection, since_ns: int | None, until_ns: int | None
) -> Iterator[dict[str, Any]]:
    """Yield each test as ``eragent throughput --json`` has it, with ``at_ns``: when it was known."""
    sql = "SELECT at_ns, data FROM measurements WHERE kind = ? AND at_ns >= ? AND at_ns < ? ORDER BY at_ns, id"
    for at_ns, data in connection.execute(sql, (THROUGHPUT, *_moments(since_ns, until_ns))).fetchall():
        yield {"at_ns": at_ns, **json.loads(data)}


def gaps_between(
    connection: sqlite3.Connection, since_ns: int | None, until_ns: int | None
) -> Iterator[dict[str, Any]]:
    """Yield the times without samples of which some lies between two moments, and why there are none."""
    sql = "SELECT from_ns, until_ns, reason, samples FROM gaps WHERE until_ns > ? AND from_ns < ? ORDER BY from_ns, id"
    fields = ("from_ns", "until_ns", "reason", "samples")
    for row in connection.execute(sql, _moments(since_ns, until_ns)).fetchall():
        yield dict(zip(fields, row, strict=True))


def _moments(since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
    begin_ns = 0 if since_ns is None else max(since_ns, 0)
    return begin_ns, _EVER_NS if until_ns is None else min(until_ns, _EVER_NS)
