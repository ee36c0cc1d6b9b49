from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.columns import Columns
from agent.history.files import FILE, Lock
from agent.history.reading import gaps, read_columns, streams
from agent.history.rows import Row
from agent.history.schema import VERSION
from agent.history.store import MINUTE_NS, connect
from agent.history.trouble import Reason
from agent.sink import StreamKey
from collectors.sample import DirectionalLoss, Outcome
from tests.agent.history.agents import SECOND_NS, Agent, sample
from tests.agent.history.generated import BEGIN_NS, INTERVAL_NS, KEY, MINUTE, on_a_path

OTHER = StreamKey(probe="stamp", kind="stamp", target="hub", path="expressroute")


def read(directory: Path, path: str = "vpn") -> Columns:
    return read_columns(directory, probe="stamp", target="hub", path=path)


def sent(rows: list[Row]) -> list[int]:
    return [row.sent_at_ns for row in rows]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    agent.writer.finish()


def test_a_second_old_is_on_disk(agent: Agent, tmp_path: Path) -> None:
    rows = agent.second()
    assert read(tmp_path).sent_at_ns.tolist() == sent(rows)
    assert (agent.counts.written, agent.counts.held, agent.counts.trouble) == (10, 0, None)
    rows += agent.second()
    assert read(tmp_path).sent_at_ns.tolist() == sent(rows)


def test_a_minute_that_is_over_becomes_one_block_with_its_summary(agent: Agent, tmp_path: Path) -> None:
    rows = [row for _ in range(72) for row in agent.second()]
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM blocks").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM parts WHERE minute = ?", (MINUTE,)).fetchone() == (0,)
        received, lost, low, high = connection.execute(
            "SELECT received, lost, rtt_min_ns, rtt_max_ns FROM minutes"
        ).fetchone()
    connection.close()
    first = rows[:600]
    times = [row.rtt_ns for row in first if row.rtt_ns is not None]
    assert (received, lost, low, high) == (len(times), 600 - len(times), min(times), max(times))
    assert read(tmp_path).sent_at_ns.tolist() == sent(rows)


def test_what_is_settled_after_its_minute_was_summed_up_is_added_to_it(agent: Agent, tmp_path: Path) -> None:
    for _ in range(75):
        agent.second()
    late = Row(slot=5000, sent_at_ns=BEGIN_NS + 59 * SECOND_NS, outcome=Outcome.LOST)
    agent.deliver([sample(late)])
    agent.second()
    agent.second()
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT sent FROM minutes").fetchone() == (601,)
    connection.close()
    assert len(read(tmp_path)) == 771


def test_further_answers_and_directions_of_losses_are_summed_up(agent: Agent, tmp_path: Path) -> None:
    rows = agent.second()
    again = sample(rows[0])
    agent.deliver([again._replace(outcome=Outcome.LATE), again._replace(outcome=Outcome.DUPLICATE)])
    agent.deliver([DirectionalLoss(sequence=7, forward=2, backward=1)])
    agent.writer.finish()
    with sqlite3.connect(tmp_path / FILE) as connection:
        sql = "SELECT sent, late, duplicate, lost_forward, lost_backward FROM minutes"
        assert connection.execute(sql).fetchone() == (10, 1, 1, 2, 1)
    connection.close()


def test_slots_ascend_over_a_restart_and_are_the_same_on_both_paths(tmp_path: Path) -> None:
    first = Agent(tmp_path)
    first.second()
    first.second(first.sink.opened(OTHER))
    second = Agent(tmp_path, at_ns=first.now_ns + 30 * SECOND_NS)
    first.writer.finish()
    vpn, expressroute = second.deliver, second.sink.opened(OTHER)
    second.now_ns += INTERVAL_NS  # paths of a pair are opened one after the other
    rows = [sample(row) for row in on_a_path(10, begin_ns=second.now_ns)]
    vpn(rows)
    expressroute(rows)
    second.writer.turn()
    second.writer.finish()
    slots = read(tmp_path).slot
    assert (slots[1:] > slots[:-1]).all()
    assert slots[-10:].tolist() == read(tmp_path, "expressroute").slot[-10:].tolist()


def test_a_killed_agent_leaves_what_it_wrote_and_the_next_one_sums_it_up(tmp_path: Path) -> None:
    killed = Agent(tmp_path)
    rows = [*killed.second(), *killed.second()]
    killed.writer._file.close()  # as the kernel does for a process that is killed: nothing more is written
    following = Agent(tmp_path, at_ns=killed.now_ns + 120 * SECOND_NS)
    rows += following.second()
    assert read(tmp_path).sent_at_ns.tolist() == sent(rows)
    assert [(gap.reason, gap.until_ns - gap.from_ns) for gap in gaps(tmp_path)] == [("killed", 121 * SECOND_NS)]
    following.writer.finish()
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM parts").fetchone() == (0,)
        assert connection.execute("SELECT sum(sent) FROM minutes").fetchone() == (30,)
    connection.close()


def test_an_end_by_signal_is_a_stop(tmp_path: Path) -> None:
    ended = Agent(tmp_path)
    ended.second()
    ended.writer.finish()
    following = Agent(tmp_path, at_ns=ended.now_ns + SECOND_NS)
    following.second()
    following.writer.finish()
    assert [gap.reason for gap in gaps(tmp_path)] == ["stopped"]


def test_a_suspended_host_is_a_gap(agent: Agent, tmp_path: Path) -> None:
    agent.sink.suspended(SECOND_NS)
    agent.second()
    assert [(gap.reason, gap.from_ns, gap.until_ns) for gap in gaps(tmp_path)] == [
        ("suspended", BEGIN_NS - SECOND_NS, BEGIN_NS)
    ]


def test_addresses_and_measurements_are_kept(agent: Agent, tmp_path: Path) -> None:
    for address in ("10.1.0.4", "10.1.0.4", None, "10.1.0.5"):
        agent.sink.resolved(KEY, address)
    agent.sink.measured("iperf3", target="hub", path="vpn", data={"bits_per_second": 5})
    agent.second()
    with sqlite3.connect(tmp_path / FILE) as connection:
        addresses = connection.execute("SELECT address FROM addresses ORDER BY id").fetchall()
        measured = connection.execute("SELECT at_ns, kind, target, path, data FROM measurements").fetchall()
    connection.close()
    assert addresses == [("10.1.0.4",), (None,), ("10.1.0.5",)]
    assert measured == [(BEGIN_NS, "iperf3", "hub", "vpn", '{"bits_per_second":5}')]


class FullDisk(sqlite3.Connection):
    """A connection that finds no room to commit while there is none, as SQLite reports it."""

    room = False

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        if sql == "COMMIT" and not self.room:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().execute(sql, *parameters)  # type: ignore[arg-type]  # whatever SQLite takes


def test_a_disk_without_room_costs_nothing_until_memory_is_full_and_all_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    opened: list[FullDisk] = []

    def connecting(directory: Path) -> sqlite3.Connection:
        connect(directory).close()
        opened.append(sqlite3.connect(directory / FILE, isolation_level=None, factory=FullDisk))
        return opened[-1]

    agent = Agent(tmp_path, most_held=50, connect=connecting)
    rows = [row for _ in range(8) for row in agent.second()]
    assert agent.counts.trouble is not None
    assert agent.counts.trouble.reason is Reason.DISK_FULL
    assert (agent.counts.held, agent.counts.dropped[Reason.DISK_FULL]) == (50, 30)
    assert [record.message for record in caplog.records] == [
        f"history: {tmp_path}: its disk is full: free some room, and lower `history.max_size` so that it stays free"
        " (database or disk is full); up to 10 samples wait in memory"
    ]
    opened[0].room = True
    agent.writer.turn()
    kept = [*rows[:50], *agent.second()]
    agent.writer.turn()
    assert "written again; 30 samples were dropped" in caplog.text
    assert read(tmp_path).sent_at_ns.tolist() == sent(kept)
    (gap,) = gaps(tmp_path)
    assert (gap.reason, gap.samples, gap.from_ns, gap.until_ns) == (
        "dropped",
        30,
        rows[50].sent_at_ns,
        rows[-1].sent_at_ns,
    )
    agent.writer.finish()


def test_a_disk_that_does_not_answer_drops_what_memory_cannot_hold(tmp_path: Path) -> None:
    agent = Agent(tmp_path, most_held=25)
    rows = list(on_a_path(40))
    agent.deliver([sample(row) for row in rows])  # and no turn of the writer, which waits for the disk
    assert (agent.counts.held, agent.counts.dropped[Reason.SLOW]) == (25, 15)


def test_another_agents_directory_is_refused_with_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    lock = Lock(tmp_path, "berlin")
    agent = Agent(tmp_path)
    rows = [*agent.second(), *agent.second()]
    assert agent.counts.errors[Reason.LOCKED] == 2
    assert f"{tmp_path} is written by agent berlin, process " in caplog.records[0].message
    assert len(caplog.records) == 1
    lock.release()
    rows += agent.second()
    assert agent.counts.trouble is None
    assert read(tmp_path).sent_at_ns.tolist() == sent(rows)
    agent.writer.finish()


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    connection = connect(tmp_path)
    connection.execute(f"PRAGMA user_version = {VERSION + 8}")
    connection.close()
    agent = Agent(tmp_path)
    agent.second()
    assert agent.counts.errors[Reason.NEWER_SCHEMA] == 1
    assert f"has schema {VERSION + 8}, this version of eragent knows {VERSION}: run the version" in caplog.text
    assert [file.name for file in tmp_path.iterdir() if "damaged" in file.name] == []
    agent.writer.finish()


def test_a_damaged_file_is_set_aside_and_nothing_of_the_moment_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    agent = Agent(tmp_path)
    rows = [*agent.second(), *agent.second()]
    damaged = tmp_path / "history-damaged-20230328T104001Z.db"
    assert damaged.read_bytes() == b"no database" * 1000
    assert f"it is kept as {damaged}, and a new one is begun" in caplog.text
    assert (agent.counts.set_aside, agent.counts.errors[Reason.DAMAGED]) == (1, 1)
    assert read(tmp_path).sent_at_ns.tolist() == sent(rows)
    agent.writer.finish()


def test_two_damaged_files_of_one_second_both_stay(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / FILE).write_bytes(b"no database" * 1000)
        agent = Agent(tmp_path)
        agent.second()
        agent.writer.finish()
    names = sorted(file.name for file in tmp_path.iterdir() if "damaged" in file.name)
    assert names == ["history-damaged-20230328T104001Z-2.db", "history-damaged-20230328T104001Z.db"]


def test_a_file_that_somebody_removes_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "history"
    agent = Agent(directory)
    agent.second()
    shutil.rmtree(directory)
    rows = [*agent.second(), *agent.second()]
    assert f"{directory} was removed; a new file is begun" in caplog.text
    assert read(directory).sent_at_ns.tolist() == sent(rows)
    agent.writer.finish()


def test_a_directory_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    agent = Agent(tmp_path / "file" / "history")
    agent.second()
    assert agent.counts.trouble is not None
    assert agent.counts.trouble.reason is Reason.NO_ACCESS
    assert "a directory of the agent's user" in agent.counts.trouble.message


def test_what_is_older_than_an_hour_goes(agent: Agent, tmp_path: Path) -> None:
    agent.second()
    agent.passes(3600 * SECOND_NS)
    agent.second()
    agent.passes(3600 * SECOND_NS)
    rows = agent.second()
    agent.passes(61 * SECOND_NS)
    rows += agent.second()
    assert read(tmp_path).sent_at_ns.tolist() == sent(rows)
    assert agent.counts.oldest_ns == rows[0].sent_at_ns // MINUTE_NS * MINUTE_NS


def test_where_a_stream_is_sent_is_known_for_as_long_as_it_is(agent: Agent, tmp_path: Path) -> None:
    agent.sink.opened(OTHER)
    for address in ("10.1.0.4", "10.1.0.5"):
        for key in (KEY, OTHER):
            agent.sink.resolved(key, address)
        agent.second()
    agent.passes(2 * 3600 * SECOND_NS)
    agent.sink.resolved(KEY, "10.1.0.6")
    agent.second()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        addresses = connection.execute("SELECT address FROM addresses ORDER BY id").fetchall()
    assert addresses == [("10.1.0.5",), ("10.1.0.6",)]


def test_what_is_old_goes_also_after_a_clock_that_was_years_ahead(agent: Agent, tmp_path: Path) -> None:
    agent.now_ns += 90_000 * MINUTE_NS
    agent.second()
    agent.now_ns -= 90_000 * MINUTE_NS
    early = agent.second()
    for _ in range(3):
        agent.passes(61 * MINUTE_NS)
        rows = agent.second()
    kept = read(tmp_path).sent_at_ns.tolist()
    assert rows[0].sent_at_ns in kept
    assert early[0].sent_at_ns not in kept


def test_the_oldest_goes_where_all_is_too_large(tmp_path: Path) -> None:
    agent = Agent(tmp_path, max_octets=150_000, most_held=100_000)
    for minute in range(45):
        rows = list(on_a_path(600, slot=600 * minute, begin_ns=agent.now_ns))
        agent.deliver([sample(row) for row in rows])
        agent.passes(MINUTE_NS)
        agent.writer.turn()
    agent.passes(11 * SECOND_NS)
    for _ in range(3):
        agent.passes(MINUTE_NS)
        agent.writer.turn()
    columns = read(tmp_path)
    assert 0 < len(columns) < 45 * 600
    assert columns.sent_at_ns[0] > BEGIN_NS
    assert columns.sent_at_ns[-1] == rows[-1].sent_at_ns
    agent.writer.finish()


def test_streams_that_were_never_sent_to_are_not_listed(agent: Agent, tmp_path: Path) -> None:
    agent.sink.opened(OTHER)
    agent.second()
    assert [stream.path for stream in streams(tmp_path)] == ["vpn"]


def test_slots_ascend_over_a_restart_within_an_interval_and_a_clock_that_was_set_back(
    tmp_path: Path,
) -> None:
    at_ns = BEGIN_NS
    for step_ns in (INTERVAL_NS // 10, -3600 * SECOND_NS, SECOND_NS):
        agent = Agent(tmp_path, at_ns=at_ns)
        agent.second()
        agent.writer.finish()
        at_ns = agent.now_ns + step_ns
    columns = read(tmp_path)
    assert len(columns) == 30
    assert (columns.slot[1:] > columns.slot[:-1]).all()


def test_a_stream_that_is_recorded_from_its_middle_on_has_the_slots_of_its_time(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.deliver([sample(row) for row in on_a_path(10, slot=1_000_000)])
    agent.writer.turn()
    assert read(tmp_path).slot[0] == BEGIN_NS // INTERVAL_NS
    agent.writer.finish()
