"""Minutes of a history as OpenMetrics text with timestamps, which promtool makes blocks of Prometheus of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from agent.history.minutes import FAMILIES, Family
from agent.history.opening import let_go
from agent.history.reading import LAST_MINUTE, StoredStream
from agent.history.spans import whole_minutes
from agent.history.store import block_id

_MINUTE_S = 60


def write_openmetrics(
    connection: sqlite3.Connection,
    streams: Sequence[StoredStream],
    since_ns: int | None,
    until_ns: int | None,
    to: IO[str],
) -> None:
    """Write what whole minutes are summed up to, each at the moment of its end; a running minute is not."""
    first, last = whole_minutes(since_ns, until_ns)
    agent = connection.execute("SELECT agent FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    for family in FAMILIES:
        to.write(f"# TYPE {family.name} gauge\n# HELP {family.name} {family.text}\n")
        for stream in streams:
            labels = {"agent": agent[0] if agent else ""} | {
                key: getattr(stream, key) for key in ("probe", "kind", "target", "path")
            }
            to.writelines(_lines(connection, stream, family, labels, first, last))
    to.write("# EOF\n")


def _lines(
    connection: sqlite3.Connection,
    stream: StoredStream,
    family: Family,
    labels: dict[str, str],
    first: int,
    last: int,
) -> Iterator[str]:
    if first > last:
        return
    span = (block_id(stream.number, first), block_id(stream.number, last))
    for value, column in family.series:
        more = labels if family.label is None else labels | {family.label: value}
        series = f"{family.name}{{{_written(more.items())}}}"
        sql = f"SELECT id, {column} FROM minutes WHERE id BETWEEN ? AND ?"  # noqa: S608  # one of the terms above
        rows = connection.execute(sql, span).fetchall()
        let_go(connection)
        for number, found in rows:
            if found is not None:
                ended_s = ((number & LAST_MINUTE) + 1) * _MINUTE_S
                yield f"{series} {family.value(found)} {ended_s}\n"


def _written(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
