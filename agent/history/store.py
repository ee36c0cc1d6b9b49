"""All SQL of the side that writes: what a history is told, in terms of streams and minutes. No threads, no clocks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent import __version__
from agent.history.block import BlockError, decode, encode
from agent.history.files import FILE
from agent.history.rows import Rows
from agent.history.schema import migrate
from agent.history.summary import Extras, Summary, packed, summarised
from agent.sink import StreamKey

MINUTE_NS = 60_000_000_000
_EXTRAS = ("late", "duplicate", "lost_forward", "lost_backward")
_BUSY_S = 1.0  # so long another program that writes is waited for


def block_id(stream: int, minute: int) -> int:
    """Return the id of a stream's minute in the tables of blocks and minutes."""
    return stream << 32 | minute


def connect(directory: Path) -> sqlite3.Connection:
    """Open the history in ``directory`` to write, a new one where there is none.

    Raise :class:`sqlite3.Error` where that cannot be, :class:`agent.history.schema.NewerSchemaError` where a later
    version wrote it.
    """
    connection = sqlite3.connect(directory / FILE, timeout=_BUSY_S, isolation_level=None)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or it has no effect
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL leaves a commit in the kernel's memory until the next checkpoint, minutes later: a power cut would take
    # those minutes. One fdatasync a second, in a thread of its own, costs nobody anything.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    connection.execute("PRAGMA cache_size = -512")  # appending touches a dozen pages; 2 MiB is the library's default
    migrate(connection)


class Store:
    """An open history. Every method runs in the transaction that is open, or in one of its own.

    ``damaged`` counts what was there already and could not be read; ``execute`` is for other SQL.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.execute = connection.execute
        self.damaged = 0

    def close(self) -> None:
        """Close the file; nothing may be under way."""
        self._connection.close()

    def begin(self) -> None:
        """Begin a transaction."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Put everything since :meth:`begin` on disk."""
        self.execute("COMMIT")

    def roll_back(self) -> None:
        """Forget everything since :meth:`begin`, if that was successful."""
        if self._connection.in_transaction:
            self.execute("ROLLBACK")

    def run_began(self, agent: str, at_ns: int) -> int:
        """Note that a service began, and since when there was none; return this run's number."""
        last = self.execute("SELECT seen_at_ns, ended FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        if last is not None and last[0] < at_ns:
            self.gap(last[0], at_ns, "stopped" if last[1] else "killed")
        sql = "INSERT INTO runs (agent, version, started_at_ns, seen_at_ns) VALUES (?, ?, ?, ?)"
        return int(self.execute(sql, (agent, __version__, at_ns, at_ns)).lastrowid or 0)

    def run_seen(self, run: int, at_ns: int, *, ended: bool = False) -> None:
        """Note that a service was there at this time, or ended then."""
        self.execute("UPDATE runs SET seen_at_ns = ?, ended = ? WHERE id = ?", (at_ns, ended, run))

    def gap(self, from_ns: int, until_ns: int, reason: str, samples: int = 0) -> None:
        """Note a time of which samples are missing through no fault of a path, and how many if that is known."""
        sql = "INSERT INTO gaps (from_ns, until_ns, reason, samples) VALUES (?, ?, ?, ?)"
        self.execute(sql, (from_ns, until_ns, reason, samples))

    def measured(self, at_ns: int, kind: str, target: str, path: str, data: Mapping[str, Any]) -> None:
        """Keep the result of a measurement that is no stream's: a throughput, a route."""
        sql = "INSERT INTO measurements (at_ns, kind, target, path, data) VALUES (?, ?, ?, ?, ?)"
        self.execute(sql, (at_ns, kind, target, path, json.dumps(data, separators=(",", ":"))))

    def stream(self, key: StreamKey, interval_ns: int) -> int:
        """Return the number of a stream, new or known."""
        sql = (
            "INSERT INTO streams (probe, kind, target, path, interval_ns) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (probe, target, path, kind) DO UPDATE SET interval_ns = excluded.interval_ns RETURNING id"
        )
        row = self.execute(sql, (key.probe, key.kind, key.target, key.path, interval_ns)).fetchone()
        return int(row[0])

    def last_slot(self, probe: str, target: str) -> int:
        """Return the last slot of a probe at a target on any path, -1 where there are no samples."""
        streams = self.execute("SELECT id FROM streams WHERE probe = ? AND target = ?", (probe, target)).fetchall()
        return max((slot for (stream,) in streams for slot in self._last_slots(stream)), default=-1)

    def address(self, stream: int, since_ns: int, address: str | None) -> None:
        """Note where a stream is sent from now on, if that is another address than before."""
        sql = "SELECT address FROM addresses WHERE stream = ? ORDER BY id DESC LIMIT 1"
        if self.execute(sql, (stream,)).fetchone() != (address,):
            sql = "INSERT INTO addresses (stream, since_ns, address) VALUES (?, ?, ?)"
            self.execute(sql, (stream, since_ns, address))

    def append(self, stream: int, minute: int, rows: Rows, extras: Extras, *, interval_ns: int) -> None:
        """Keep what came of a minute that is not over yet."""
        data = encode(rows, interval_ns=interval_ns) if len(rows) else b""
        sql = f"INSERT INTO parts (stream, minute, data, {', '.join(_EXTRAS)}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # names of columns
        self.execute(sql, (stream, minute, data, *asdict(extras).values()))

    def complete(self, stream: int, minute: int) -> None:
        """Make one block of the parts of a minute, and of what is there of it already; summarise it."""
        rows, extras = self._there(stream, minute)
        for _, data, *counts in self._parts(stream, minute):
            extras += Extras(**dict(zip(_EXTRAS, counts, strict=True)))
            if data:
                self._add(rows, data)
        if len(rows):
            rows.sort()
            interval_ns = self._interval_ns(stream)
            sql = "INSERT OR REPLACE INTO blocks (id, data) VALUES (?, ?)"
            self.execute(sql, (block_id(stream, minute), encode(rows, interval_ns=interval_ns)))
        self.summarise(stream, minute, summarised(rows, extras))
        self.execute("DELETE FROM parts WHERE stream = ? AND minute = ?", (stream, minute))

    def summarise(self, stream: int, minute: int, summary: Summary) -> None:
        """Keep what is said of a minute, in place of what was said before."""
        values = {
            "id": block_id(stream, minute),
            **{name: getattr(summary, name) for name in _SUMMED},
            **asdict(summary.extras),
            "histogram": packed(summary.histogram),
        }
        places = ", ".join("?" * len(values))
        self.execute(
            f"INSERT OR REPLACE INTO minutes ({', '.join(values)}) VALUES ({places})",  # noqa: S608  # as above
            tuple(values.values()),
        )

    def incomplete(self) -> Sequence[tuple[int, int]]:
        """Return stream and minute of everything that a run left in parts."""
        return self.execute("SELECT DISTINCT stream, minute FROM parts ORDER BY minute, stream").fetchall()

    def sent(self, until: Mapping[int, int]) -> None:
        """Note up to which minute streams were sent away, in one transaction."""
        self.begin()
        sql = "INSERT OR REPLACE INTO sent (stream, minute) VALUES (?, ?)"
        self._connection.executemany(sql, list(until.items()))
        self.commit()

    def _last_slots(self, stream: int) -> Iterator[int]:
        newest = "SELECT data FROM blocks WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"
        blocks = self.execute(newest, (block_id(stream, 0), block_id(stream + 1, 0))).fetchall()
        parts = self.execute("SELECT data FROM parts WHERE stream = ? AND length(data) > 0", (stream,)).fetchall()
        for (data,) in (*blocks, *parts):
            rows = Rows()
            self._add(rows, data)
            yield max(rows.slot, default=-1)

    def _interval_ns(self, stream: int) -> int:
        found = self.execute("SELECT interval_ns FROM streams WHERE id = ?", (stream,)).fetchone()
        if found is None:
            error = sqlite3.DatabaseError(f"there are samples of a stream {stream}, and no such stream")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        return int(found[0])

    def _there(self, stream: int, minute: int) -> tuple[Rows, Extras]:
        place = (block_id(stream, minute),)
        found = self.execute("SELECT data FROM blocks WHERE id = ?", place).fetchone()
        rows = Rows()
        if found is not None:
            self._add(rows, found[0])
        counts = self.execute(f"SELECT {', '.join(_EXTRAS)} FROM minutes WHERE id = ?", place).fetchone()  # noqa: S608  # names of columns
        return rows, Extras() if counts is None else Extras(**dict(zip(_EXTRAS, counts, strict=True)))

    def _parts(self, stream: int, minute: int) -> Sequence[Any]:
        sql = f"SELECT id, data, {', '.join(_EXTRAS)} FROM parts WHERE stream = ? AND minute = ? ORDER BY id"  # noqa: S608  # as above
        return self.execute(sql, (stream, minute)).fetchall()

    def _add(self, rows: Rows, data: bytes) -> None:
        try:
            rows.extend(decode(data))
        except BlockError:  # the rest of the minute is worth keeping
            self.damaged += 1


_SUMMED = (
    *("sent", "received", "lost", "failed", "overlooked", "not_sent", "reordered", "noisy"),
    *("rtt_sum_ns", "rtt_min_ns", "rtt_p50_ns", "rtt_p95_ns", "rtt_p99_ns", "rtt_max_ns", "jitter_ns"),
)
