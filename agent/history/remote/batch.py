"""What is to be sent next: minutes of each stream behind the last one sent, oldest first. Reads an open history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.history.minutes import FAMILIES, Family
from agent.history.store import MINUTE_NS, block_id

_MINUTES = 60
"""Of one stream at once."""
MOST_SAMPLES = 5000
"""Of one request, about: 110 KiB."""
_MINUTE_MS = MINUTE_NS // 1_000_000
_LAST_MINUTE = 0xFFFFFFFF

Labels = dict[str, str]
Samples = list[tuple[int, float]]

_SERIES: tuple[tuple[Family, str, str], ...] = tuple(
    (family, value, term) for family in FAMILIES for value, term in family.series
)
FEWEST_SAMPLES = len(_SERIES)
"""Of one request: a minute of one stream."""
_TERMS = ", ".join(term for _, _, term in _SERIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """What a request has of one stream: its series, how many samples these have, and up to which minute they go."""

    stream: int
    until: int
    series: Sequence[tuple[Labels, Samples]]

    @property
    def samples(self) -> int:
        """Count the samples of all series."""
        return sum(len(samples) for _, samples in self.series)


def next_minutes(
    connection: sqlite3.Connection,
    agent: str,
    sent: Mapping[int, int],
    *,
    since_minute: int,
    before_minute: int,
    at_most: int,
) -> Iterator[Minutes]:
    """Yield what is to be sent next, stream by stream, until that are ``at_most`` samples or a stream's more.

    ``sent`` is the last minute of each stream that was sent.
    """
    samples = 0
    streams = connection.execute("SELECT id, probe, kind, target, path FROM streams ORDER BY id").fetchall()
    for number, *names in streams:
        after = max(sent.get(number, 0), since_minute - 1)
        rows = _rows(connection, number, after, before_minute, min(_MINUTES, max(at_most // FEWEST_SAMPLES, 1)))
        if not rows:
            continue
        labels = {"agent": agent} | dict(zip(("probe", "kind", "target", "path"), names, strict=True))
        found = Minutes(stream=number, until=rows[-1][0] & _LAST_MINUTE, series=list(_series(labels, rows)))
        yield found
        samples += found.samples
        if samples >= at_most:
            return


def too_old(connection: sqlite3.Connection, sent: Mapping[int, int], *, since_minute: int) -> int:
    """Return how many samples lie behind what was sent, and are too old to be."""
    sql = "SELECT count(*) FROM minutes WHERE id > ? AND id < ?"
    spans = [(block_id(number, last), block_id(number, since_minute)) for number, last in sent.items()]
    minutes = sum(int(connection.execute(sql, span).fetchone()[0]) for span in spans if span[0] < span[1])
    return minutes * len(_SERIES)


def sent_in(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the last minute of each stream that was sent."""
    return dict(connection.execute("SELECT stream, minute FROM sent").fetchall())


def writer_of(connection: sqlite3.Connection) -> str | None:
    """Return the name of the agent that writes a history, or wrote it last; ``None`` where none did yet."""
    found = connection.execute("SELECT agent FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    return None if found is None else str(found[0])


def _rows(
    connection: sqlite3.Connection, stream: int, after: int, before: int, limit: int
) -> Sequence[tuple[int, ...]]:
    sql = f"SELECT id, {_TERMS} FROM minutes WHERE id > ? AND id < ? ORDER BY id LIMIT ?"  # noqa: S608  # the families' terms
    span = (block_id(stream, after), block_id(stream, before))
    return connection.execute(sql, (*span, limit)).fetchall()


def _series(labels: Labels, rows: Sequence[tuple[int, ...]]) -> Iterator[tuple[Labels, Samples]]:
    ended_ms = [((row[0] & _LAST_MINUTE) + 1) * _MINUTE_MS for row in rows]
    for column, (family, value, _) in enumerate(_SERIES, start=1):
        found = zip(ended_ms, (row[column] for row in rows), strict=True)
        samples = [(at_ms, family.value(value)) for at_ms, value in found if value is not None]
        if samples:
            more = {} if family.label is None else {family.label: value}
            yield {"__name__": family.name, **labels, **more}, samples
