"""Minutes of a history as OpenMetrics text with timestamps, which promtool makes blocks of Prometheus of.

The families are not those of ``/metrics``, which count since the agent's start: what is scraped and what is loaded
afterwards must not meet in one series.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from agent.history.reading import LAST_MINUTE, StoredStream
from agent.history.store import MINUTE_NS, block_id

_MINUTE_S = 60
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """A gauge, and its series: a further label's value, and the column of the table of minutes, or a term of some."""

    name: str
    text: str
    label: str | None = None
    series: Sequence[tuple[str, str]]
    in_seconds: bool = False


def _count(name: str, text: str) -> _Family:
    return _Family(name=f"packets_{name}", text=text, series=[("", name)])


_FAMILIES = (
    _count("sent", "Packets that were sent in this minute and are settled."),
    _count("received", "Those that were answered in time."),
    _count("lost", "Those without an answer in time."),
    _count("failed", "Those that somebody answered cannot be."),
    _count("overlooked", "Those whose answer this host's kernel may have dropped."),
    _count("not_sent", "Packets that could not be sent."),
    _count("reordered", "Packets whose answer came behind that to a later one."),
    _count("noisy", "Packets during which this host was stalled."),
    _count("late", "Answers that came after the timeout."),
    _count("duplicate", "Further copies of answers."),
    _Family(
        name="packets_lost_direction",
        text="Losses whose direction was told in this minute.",
        label="direction",
        series=[("forward", "lost_forward"), ("backward", "lost_backward")],
    ),
    _Family(
        name="rtt_seconds",
        text="Percentiles of the round-trip times of this minute; 0 and 1 are the least and the most.",
        label="quantile",
        series=[
            (share, f"rtt_{name}_ns")
            for share, name in zip(("0", "0.5", "0.95", "0.99", "1"), ("min", "p50", "p95", "p99", "max"), strict=True)
        ],
        in_seconds=True,
    ),
    _Family(
        name="rtt_mean_seconds",
        text="Mean of the round-trip times of this minute.",
        series=[("", "rtt_sum_ns * 1.0 / nullif(received, 0)")],
        in_seconds=True,
    ),
    _Family(
        name="jitter_seconds",
        text="Interarrival jitter at the end of this minute (RFC 3550).",
        series=[("", "jitter_ns")],
        in_seconds=True,
    ),
)


def write_openmetrics(
    connection: sqlite3.Connection,
    streams: Sequence[StoredStream],
    since_ns: int | None,
    until_ns: int | None,
    to: IO[str],
) -> None:
    """Write what whole minutes are summed up to, each at the moment of its end; a running minute is not."""
    first = 0 if since_ns is None else -(-since_ns // MINUTE_NS)
    last = LAST_MINUTE if until_ns is None else until_ns // MINUTE_NS - 1
    agent = connection.execute("SELECT agent FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    for family in _FAMILIES:
        name = f"eragent_minute_{family.name}"
        to.write(f"# TYPE {name} gauge\n# HELP {name} {family.text}\n")
        for stream in streams:
            labels = {"agent": agent[0] if agent else ""} | {
                key: getattr(stream, key) for key in ("probe", "kind", "target", "path")
            }
            to.writelines(_lines(connection, stream, family, name, labels, first, last))
    to.write("# EOF\n")


def _lines(
    connection: sqlite3.Connection,
    stream: StoredStream,
    family: _Family,
    name: str,
    labels: dict[str, str],
    first: int,
    last: int,
) -> Iterator[str]:
    span = (block_id(stream.number, first), block_id(stream.number, max(last, 0)))
    for value, column in family.series:
        more = labels if family.label is None else labels | {family.label: value}
        series = f"{name}{{{_written(more.items())}}}"
        sql = f"SELECT id, {column} FROM minutes WHERE id BETWEEN ? AND ?"  # noqa: S608  # one of the terms above
        for number, found in connection.execute(sql, span):
            if found is not None:
                ended_s = ((number & LAST_MINUTE) + 1) * _MINUTE_S
                yield f"{series} {found / _NS_PER_S if family.in_seconds else found} {ended_s}\n"


def _written(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
