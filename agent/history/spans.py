"""Minutes of a history added up to longer spans, so that a month is read at once, without its samples. No numpy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from agent.history.opening import let_go
from agent.history.reading import LAST_MINUTE, StoredStream
from agent.history.store import MINUTE_NS, block_id
from agent.history.summary import merged, percentile_of

_COUNTS = (
    *("sent", "received", "lost", "failed", "overlooked", "not_sent", "reordered", "noisy"),
    *("late", "duplicate", "lost_forward", "lost_backward"),
)
_TIMES = ("rtt_sum_ns", "rtt_min_ns", "rtt_p50_ns", "rtt_p95_ns", "rtt_p99_ns", "rtt_max_ns", "jitter_ns")
_SQL = (
    f"SELECT id, histogram, {', '.join((*_TIMES, *_COUNTS))}"  # noqa: S608  # names of columns
    " FROM minutes WHERE id BETWEEN ? AND ? ORDER BY id"
)
_SHARES = (0.5, 0.95, 0.99)
FIELDS = (
    *("probe", "kind", "target", "path", "from_ns", "until_ns", "minutes"),
    *_COUNTS,
    *("rtt_mean_ns", "rtt_min_ns", "rtt_p50_ns", "rtt_p95_ns", "rtt_p99_ns", "rtt_max_ns", "jitter_ns"),
)
"""What is said of a stream and span; a time is ``None`` where nothing was received.

``minutes`` is how many minutes of the span there are. The percentiles of one minute are those of its samples; of more
they are those of its histogram, at most 12.5 % too much. ``jitter_ns`` is that at the end of the span.
"""


def spans(
    connection: sqlite3.Connection,
    streams: Iterable[StoredStream],
    minutes: int,
    since_ns: int | None,
    until_ns: int | None,
) -> Iterator[tuple[Any, ...]]:
    """Yield the values of :data:`FIELDS` of each stream and span of so many minutes that there is something of.

    Spans begin at multiples of their length since the epoch; minutes that are not whole within the two moments are
    left out, and so is one that is not summed up yet.
    """
    first, last = whole_minutes(since_ns, until_ns)
    for stream in streams:
        place = (block_id(stream.number, first), block_id(stream.number, last))
        rows = connection.execute(_SQL, place).fetchall() if first <= last else []
        let_go(connection)
        names = (stream.probe, stream.kind, stream.target, stream.path)
        for number, found in groupby(rows, key=lambda row: (row[0] & LAST_MINUTE) // minutes):
            begin_ns = number * minutes * MINUTE_NS
            yield (*names, begin_ns, begin_ns + minutes * MINUTE_NS, *_summed(list(found)))


def whole_minutes(since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
    """Return the first and the last minute that lie between two moments; where none does, the last is the lesser."""
    first = 0 if since_ns is None else max(-(-since_ns // MINUTE_NS), 0)
    last = LAST_MINUTE if until_ns is None else min(until_ns // MINUTE_NS - 1, LAST_MINUTE)
    return first, last


def _summed(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    _, histograms, *columns = zip(*rows, strict=True)
    times = dict(zip(_TIMES, columns[: len(_TIMES)], strict=True))
    counts = dict(zip(_COUNTS, map(sum, columns[len(_TIMES) :]), strict=True))
    longest_ns = _known(times["rtt_max_ns"])
    if not longest_ns:
        return len(rows), *counts.values(), *[None] * len(_TIMES)
    mean_ns = round(sum(times["rtt_sum_ns"]) / counts["received"])
    least_ns, most_ns = min(_known(times["rtt_min_ns"])), max(longest_ns)
    if len(rows) == 1:
        percentiles = [times[name][0] for name in ("rtt_p50_ns", "rtt_p95_ns", "rtt_p99_ns")]
    else:
        histogram = merged(histograms)
        percentiles = [min(percentile_of(histogram, share) or 0, most_ns) for share in _SHARES]
    return len(rows), *counts.values(), mean_ns, least_ns, *percentiles, most_ns, times["jitter_ns"][-1]


def _known(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]
