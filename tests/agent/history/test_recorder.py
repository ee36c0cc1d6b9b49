from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from agent.history.files import FILE
from agent.history.opening import reading
from agent.history.reading import read_columns
from agent.history.recorder import Recorder
from agent.history.store import connect
from agent.history.trouble import Reason
from agent.plan import HistoryPlan
from tests.agent.history.agents import sample
from tests.agent.history.generated import KEY, PROBE, on_a_path

ROWS = [sample(row) for row in on_a_path(50)]


async def test_what_was_delivered_is_on_disk_when_the_recording_ends(tmp_path: Path) -> None:
    recorder = Recorder(HistoryPlan(directory=tmp_path), "dc1", [PROBE])
    async with recorder.recording():
        recorder.sink.opened(KEY)(ROWS)
    assert recorder.complete
    columns = read_columns(tmp_path, probe="stamp", target="hub", path="vpn")
    assert columns.sent_at_ns.tolist() == [sample.sent_at_ns for sample in ROWS]


async def test_a_disk_that_hangs_holds_up_neither_the_loop_nor_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    released, hangs = threading.Event(), threading.Event()

    def connecting(directory: Path) -> sqlite3.Connection:
        hangs.set()
        released.wait(10)
        return connect(directory)

    recorder = Recorder(HistoryPlan(directory=tmp_path), "dc1", [PROBE], patience_s=0.05, connect=connecting)
    try:
        async with asyncio.timeout(5), recorder.recording():
            deliver = recorder.sink.opened(KEY)
            deliver(ROWS)
            await asyncio.to_thread(hangs.wait, 5)
            for _ in range(1000):
                deliver(ROWS)
    finally:
        released.set()
    assert not recorder.complete
    assert recorder.counts.dropped[Reason.SLOW] == 1001 * 50 - 30_000
    assert "the disk does not answer; 30000 samples were not written" in caplog.text


async def test_an_end_that_is_not_waited_for_has_the_samples_on_disk_before_minutes_are_summed_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    released = threading.Event()

    class SlowToSumUp(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if "INTO blocks" in sql:
                released.wait(10)
            return super().execute(sql, *parameters)  # type: ignore[arg-type]  # whatever SQLite takes

    def connecting(directory: Path) -> sqlite3.Connection:
        connect(directory).close()
        return sqlite3.connect(directory / FILE, isolation_level=None, factory=SlowToSumUp)

    recorder = Recorder(HistoryPlan(directory=tmp_path), "dc1", [PROBE], patience_s=0.5, connect=connecting)
    try:
        async with recorder.recording():
            recorder.sink.opened(KEY)(ROWS)
        with reading(tmp_path) as connection:
            assert connection.execute("SELECT ended FROM runs").fetchall() == [(1,)]
        assert len(read_columns(tmp_path, probe="stamp", target="hub", path="vpn")) == 50
    finally:
        released.set()
    assert recorder.complete
    assert caplog.text == ""


async def test_a_bug_of_the_writing_thread_ends_the_program(tmp_path: Path) -> None:
    def connecting(directory: Path) -> sqlite3.Connection:
        raise ZeroDivisionError

    recorder = Recorder(HistoryPlan(directory=tmp_path), "dc1", [PROBE], connect=connecting)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5), recorder.recording():
            await asyncio.Event().wait()
    assert caught.group_contains(ZeroDivisionError)
