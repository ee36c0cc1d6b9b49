from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
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


def connecting_as(kind: type[sqlite3.Connection]) -> Callable[[Path], sqlite3.Connection]:
    def connecting(directory: Path) -> sqlite3.Connection:
        connect(directory).close()
        return sqlite3.connect(directory / FILE, isolation_level=None, factory=kind)

    return connecting


async def test_at_the_end_all_samples_are_on_disk_before_minutes_are_summed_up(tmp_path: Path) -> None:
    seen: list[tuple[list[tuple[int]], int]] = []

    class Looking(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if "INTO blocks" in sql:
                with reading(tmp_path) as connection:
                    ended = connection.execute("SELECT ended FROM runs").fetchall()
                seen.append((ended, len(read_columns(tmp_path, probe="stamp", target="hub", path="vpn"))))
            return super().execute(sql, *parameters)  # type: ignore[arg-type]  # whatever SQLite takes

    plan = HistoryPlan(directory=tmp_path)
    recorder = Recorder(plan, "dc1", [PROBE], patience_s=None, connect=connecting_as(Looking))
    async with recorder.recording():
        recorder.sink.opened(KEY)(ROWS)
    assert seen[0] == ([(1,)], 50)


async def test_an_end_that_only_sums_up_minutes_is_given_up_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    released = threading.Event()

    class SlowToSumUp(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if "INTO blocks" in sql:
                released.wait(10)
            return super().execute(sql, *parameters)  # type: ignore[arg-type]  # whatever SQLite takes

    plan = HistoryPlan(directory=tmp_path)
    recorder = Recorder(plan, "dc1", [PROBE], patience_s=0.05, connect=connecting_as(SlowToSumUp))
    try:
        async with asyncio.timeout(9), recorder.recording():
            recorder.sink.opened(KEY)(ROWS)
            # Else a slow disk would have it say, rightly, that samples were not written.
            while recorder.counts.held:  # noqa: ASYNC110  # nobody is told when another thread has written
                await asyncio.sleep(0.01)
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
