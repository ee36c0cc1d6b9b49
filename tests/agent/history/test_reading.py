from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.columns import UNKNOWN
from agent.history.files import FILE
from agent.history.opening import HistoryError
from agent.history.reading import gaps, read_columns, streams
from agent.history.rows import Row
from agent.history.schema import VERSION
from agent.history.store import MINUTE_NS, Store, connect
from agent.history.summary import Extras
from agent.sink import StreamKey
from tests.agent.history.generated import BEGIN_NS, INTERVAL_NS, KEY, MINUTE, on_a_path, rows_of

SECOND_NS = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(connect(tmp_path))) as store:
        yield store


def keep(store: Store, rows: list[Row], *, key: StreamKey = KEY, complete: bool = True) -> None:
    stream = store.stream(key, INTERVAL_NS)
    for minute in sorted({row.sent_at_ns // MINUTE_NS for row in rows}):
        own = [row for row in rows if row.sent_at_ns // MINUTE_NS == minute]
        for begin in range(0, len(own), 10):
            store.append(stream, minute, rows_of(own[begin : begin + 10]), Extras(), interval_ns=INTERVAL_NS)
        if complete:
            store.complete(stream, minute)


def read(directory: Path, since_ns: int | None = None, until_ns: int | None = None) -> list[int]:
    columns = read_columns(directory, probe="stamp", target="hub", path="vpn", since_ns=since_ns, until_ns=until_ns)
    return [int(slot) for slot in columns.slot]


def test_samples_of_minutes_that_are_over_and_of_one_that_is_not(store: Store, tmp_path: Path) -> None:
    rows = list(on_a_path(1500))
    keep(store, rows[:1200])
    keep(store, rows[1200:], complete=False)
    columns = read_columns(tmp_path, probe="stamp", target="hub", path="vpn")
    assert columns.slot.tolist() == list(range(1500))
    assert columns.rtt_ns.tolist() == [UNKNOWN if row.rtt_ns is None else row.rtt_ns for row in rows]
    assert columns.backward_ns.tolist() == [UNKNOWN if row.backward_ns is None else row.backward_ns for row in rows]


def test_a_span_of_time_begins_with_its_first_moment_and_ends_before_its_last(store: Store, tmp_path: Path) -> None:
    rows = list(on_a_path(1300))
    keep(store, rows)
    since_ns, until_ns = rows[610].sent_at_ns, rows[1205].sent_at_ns
    assert read(tmp_path, since_ns, until_ns) == list(range(610, 1205))
    assert read(tmp_path, until_ns=BEGIN_NS) == []
    assert read(tmp_path, since_ns=BEGIN_NS + MINUTE_NS) == list(range(600, 1300))


def test_what_was_settled_late_stands_where_it_was_sent(store: Store, tmp_path: Path) -> None:
    rows = list(on_a_path(40))
    keep(store, [*rows[:5], *rows[6:], rows[5]], complete=False)
    assert read(tmp_path) == list(range(40))


def test_of_two_samples_with_one_slot_the_first_stays(store: Store, tmp_path: Path) -> None:
    keep(store, list(on_a_path(20)))
    keep(store, list(on_a_path(20, begin_ns=BEGIN_NS + 2 * MINUTE_NS)))
    columns = read_columns(tmp_path, probe="stamp", target="hub", path="vpn")
    assert columns.slot.tolist() == list(range(20))
    assert columns.sent_at_ns.max() < BEGIN_NS + MINUTE_NS


def test_streams_are_listed_with_their_interval(store: Store, tmp_path: Path) -> None:
    store.stream(KEY, 5)
    store.stream(KEY, INTERVAL_NS)
    (stream,) = streams(tmp_path)
    assert (stream.probe, stream.kind, stream.target, stream.path) == ("stamp", "stamp", "hub", "vpn")
    assert stream.interval_ns == INTERVAL_NS


def test_a_probe_that_became_another_kind_is_read_as_that(store: Store, tmp_path: Path) -> None:
    keep(store, list(on_a_path(20)))
    keep(store, list(on_a_path(30)), key=StreamKey(probe="stamp", kind="icmp", target="hub", path="vpn"))
    assert len(read(tmp_path)) == 30


def test_a_stream_that_is_not_there_is_refused_with_those_that_are(store: Store, tmp_path: Path) -> None:
    keep(store, list(on_a_path(10)))
    with pytest.raises(HistoryError, match="no stream stamp to hub on lte; it has: stamp to hub on vpn"):
        read_columns(tmp_path, probe="stamp", target="hub", path="lte")


def test_a_directory_without_a_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"has no history\.db: name the directory"):
        streams(tmp_path)


def test_a_newer_schema_is_refused_with_both_versions(store: Store, tmp_path: Path) -> None:
    store._connection.execute("PRAGMA user_version = 9")
    with pytest.raises(HistoryError, match=f"has schema 9, this version of eragent knows {VERSION}"):
        streams(tmp_path)


def test_an_older_schema_is_brought_up_to_this_one_with_all_that_is_there(store: Store, tmp_path: Path) -> None:
    keep(store, list(on_a_path(20)))
    store._connection.executescript("DROP TABLE sent; DROP INDEX addresses_of; PRAGMA user_version = 1")
    assert len(read(tmp_path)) == 20
    with closing(connect(tmp_path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert connection.execute("SELECT count(*) FROM sent").fetchone() == (0,)
    assert len(read(tmp_path)) == 20


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(HistoryError, match="cannot be read: file is not a database: once it is run, the agent sets it"):
        streams(tmp_path)


def test_a_damaged_block_is_left_out_and_told(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(store, list(on_a_path(1800)))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(
            "UPDATE blocks SET data = zeroblob(length(data)) WHERE id % 65536 = ?", (MINUTE % 65536 + 1,)
        )
    assert read(tmp_path) == [*range(600), *range(1200, 1800)]
    assert "stamp to hub on vpn: 1 damaged blocks are left out" in caplog.text


def test_gaps_are_told_with_their_reasons(store: Store, tmp_path: Path) -> None:
    first = store.run_began("dc1", BEGIN_NS)
    store.run_seen(first, BEGIN_NS + SECOND_NS, ended=True)
    second = store.run_began("dc1", BEGIN_NS + 5 * SECOND_NS)
    store.run_seen(second, BEGIN_NS + 6 * SECOND_NS)
    store.run_began("dc1", BEGIN_NS + 9 * SECOND_NS)
    found = [(gap.from_ns - BEGIN_NS, gap.until_ns - BEGIN_NS, gap.reason) for gap in gaps(tmp_path)]
    assert found == [(SECOND_NS, 5 * SECOND_NS, "stopped"), (6 * SECOND_NS, 9 * SECOND_NS, "killed")]
