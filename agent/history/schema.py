"""The tables of a history, and how older ones become these. Where the file lies is decided elsewhere.

A block or minute has the id ``stream << 32 | minute``, minutes being counted since the Unix epoch: the table is one
B-tree in which a stream's minutes lie side by side.
"""

from __future__ import annotations

import sqlite3

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, agent TEXT NOT NULL, version TEXT NOT NULL,
        started_at_ns INTEGER NOT NULL, seen_at_ns INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY, probe TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, path TEXT NOT NULL,
        interval_ns INTEGER NOT NULL, UNIQUE (probe, target, path, kind)
    ) STRICT;
    CREATE TABLE addresses (
        id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, since_ns INTEGER NOT NULL, address TEXT
    ) STRICT;
    CREATE TABLE blocks (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
    CREATE TABLE parts (
        id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, minute INTEGER NOT NULL, data BLOB NOT NULL,
        late INTEGER NOT NULL, duplicate INTEGER NOT NULL, lost_forward INTEGER NOT NULL, lost_backward INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE minutes (
        id INTEGER PRIMARY KEY,
        sent INTEGER NOT NULL, received INTEGER NOT NULL, lost INTEGER NOT NULL, failed INTEGER NOT NULL,
        overlooked INTEGER NOT NULL, not_sent INTEGER NOT NULL, reordered INTEGER NOT NULL, noisy INTEGER NOT NULL,
        late INTEGER NOT NULL, duplicate INTEGER NOT NULL,
        lost_forward INTEGER NOT NULL, lost_backward INTEGER NOT NULL,
        rtt_sum_ns INTEGER NOT NULL, rtt_min_ns INTEGER, rtt_p50_ns INTEGER, rtt_p95_ns INTEGER, rtt_p99_ns INTEGER,
        rtt_max_ns INTEGER, jitter_ns INTEGER, histogram BLOB NOT NULL
    ) STRICT;
    CREATE TABLE measurements (
        id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, path TEXT NOT NULL,
        data TEXT NOT NULL
    ) STRICT;
    CREATE INDEX measurements_at ON measurements (at_ns);
    CREATE TABLE gaps (
        id INTEGER PRIMARY KEY, from_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL, reason TEXT NOT NULL,
        samples INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE sent (stream INTEGER PRIMARY KEY, minute INTEGER NOT NULL) STRICT;
    """,
    """
    CREATE INDEX addresses_of ON addresses (stream);
    """,
)
"""What leads from each schema to the next; the first one begins with an empty file."""

VERSION = len(MIGRATIONS)


class NewerSchemaError(Exception):
    """A later version of eragent wrote this history."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"has schema {found}, this version of eragent knows {VERSION}: run the version that wrote it,"
            " or choose another directory"
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a history up to this schema, in one transaction; raise :class:`NewerSchemaError` where it is beyond it."""
    found = version_of(connection)
    for number, script in enumerate(MIGRATIONS[found:], start=found + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema of a history, 0 for an empty file; raise :class:`NewerSchemaError` where it is beyond ours."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise NewerSchemaError(found)
    return int(found)
