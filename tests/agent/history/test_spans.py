"""Minutes added up: the figures are those of the samples, and nobody who reads them holds up who writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.history.export import chunks
from agent.history.files import FILE
from agent.history.opening import reading
from agent.history.reading import streams_in
from agent.history.rows import Row
from agent.history.spans import FIELDS, spans, whole_minutes
from agent.history.store import MINUTE_NS, Store, connect
from agent.history.summary import Extras
from collectors.sample import Outcome
from collectors.statistics import percentile
from tests.agent.history.generated import BEGIN_NS, INTERVAL_NS, KEY, MINUTE, on_a_path, rows_of

HOUR = MINUTE // 60 * 60
"""The hour of the samples, whose first minute is its 40th."""
ROWS = list(on_a_path(25 * 600))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A history of 25 minutes, which end five minutes into an hour; nothing was answered in the last one of all."""
    with closing(Store(connect(tmp_path))) as store:
        stream = store.stream(KEY, INTERVAL_NS)
        for minute in range(25):
            keep(store, stream, minute, ROWS[600 * minute : 600 * minute + 600])
        lost = Row(slot=20_000, sent_at_ns=BEGIN_NS + 100 * MINUTE_NS, outcome=Outcome.LOST)
        keep(store, stream, 100, [lost])
        yield store


def keep(store: Store, stream: int, minute: int, rows: list[Row]) -> None:
    store.append(stream, MINUTE + minute, rows_of(rows), Extras(late=1), interval_ns=INTERVAL_NS)
    store.complete(stream, MINUTE + minute)


def found(
    directory: Path, minutes: int, *, since_ns: int | None = None, until_ns: int | None = None
) -> list[dict[str, Any]]:
    with reading(directory) as connection:
        rows = list(spans(connection, streams_in(connection), minutes, since_ns, until_ns))
    return [dict(zip(FIELDS, row, strict=True)) for row in rows]


def rtts(rows: list[Row]) -> list[int]:
    return sorted(row.rtt_ns for row in rows if row.rtt_ns is not None)


def test_hours_are_those_of_the_clock_and_count_what_their_minutes_do(store: Store, tmp_path: Path) -> None:
    first, second, third = found(tmp_path, 60)
    assert [span["from_ns"] for span in (first, second)] == [HOUR * MINUTE_NS, (HOUR + 60) * MINUTE_NS]
    assert [span["minutes"] for span in (first, second, third)] == [20, 5, 1]
    assert [span["sent"] for span in (first, second, third)] == [12_000, 3_000, 1]
    assert first["received"] == len(rtts(ROWS[:12_000]))
    assert (first["late"], third["lost"]) == (20, 1)
    assert {third[name] for name in FIELDS if name.startswith(("rtt_", "jitter"))} == {None}


def test_times_are_those_of_all_samples_and_percentiles_an_eighth_more_at_most(store: Store, tmp_path: Path) -> None:
    span = found(tmp_path, 60)[0]
    times = rtts(ROWS[:12_000])
    assert (span["rtt_min_ns"], span["rtt_max_ns"]) == (times[0], times[-1])
    assert span["rtt_mean_ns"] == round(sum(times) / len(times))
    for name, share in (("rtt_p50_ns", 0.5), ("rtt_p95_ns", 0.95), ("rtt_p99_ns", 0.99)):
        assert percentile(times, share) <= span[name] <= min(percentile(times, share) * 1.125, times[-1])


def test_percentiles_of_a_minute_are_those_of_its_samples(store: Store, tmp_path: Path) -> None:
    minute = found(tmp_path, 1)[1]
    assert minute["rtt_p99_ns"] == percentile(rtts(ROWS[600:1200]), 0.99)
    assert minute["until_ns"] - minute["from_ns"] == MINUTE_NS


def test_minutes_that_are_not_whole_within_the_moments_are_left_out(store: Store, tmp_path: Path) -> None:
    since_ns, until_ns = BEGIN_NS + 1, BEGIN_NS + 5 * MINUTE_NS - 1
    assert [span["minutes"] for span in found(tmp_path, 60, since_ns=since_ns, until_ns=until_ns)] == [3]
    assert found(tmp_path, 1, since_ns=since_ns, until_ns=since_ns + MINUTE_NS) == []


def test_a_moment_before_the_epoch_is_before_all_minutes() -> None:
    first, last = whole_minutes(-(10**18), -1)
    assert (first, last < first) == (0, True)


def test_who_reads_slowly_does_not_keep_the_log_from_being_taken_over(store: Store, tmp_path: Path) -> None:
    with reading(tmp_path) as connection:
        slowly = chunks(connection, streams_in(connection), None, None)
        next(slowly)
        store.gap(1, 2, "suspended")
        with closing(sqlite3.connect(tmp_path / FILE)) as writer:
            busy, in_log, taken_over = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, in_log, taken_over) == (0, 0, 0)
        assert sum(len(chunk.columns) for chunk in slowly) == 0
