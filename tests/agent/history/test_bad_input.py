"""Whatever happens to the process, the file or the disk: probing goes on, and what was on disk is there."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.history.files import FILE
from agent.history.opening import HistoryError
from agent.history.reading import read_columns
from tests.agent.history.agents import SECOND_NS, Agent
from tests.agent.history.generated import BEGIN_NS, on_a_path

KILLS = 50
CUTS = 25


def read(directory: Path) -> list[int]:
    return [int(sent) for sent in read_columns(directory, probe="stamp", target="hub", path="vpn").sent_at_ns]


def writing_until_killed(directory: Path, at_ns: int) -> tuple[int, int]:
    """Start a process that writes ten samples a turn and tells when each is on disk; return it, and where it tells."""
    told, telling = os.pipe()
    child = os.fork()
    if child:
        os.close(telling)
        return child, told
    try:
        agent = Agent(directory, at_ns=at_ns)
        while True:
            begin_ns = agent.now_ns
            agent.second()
            if agent.counts.held == 0:
                os.write(telling, f"{begin_ns} {agent.first_slot}\n".encode())
    finally:
        os._exit(1)


def seconds(told: int) -> Iterator[tuple[int, int]]:
    with os.fdopen(told) as lines:
        for line in lines:
            begin_ns, slot = map(int, line.split())
            yield begin_ns, slot


def test_fifty_kills_at_any_moment_cost_nothing_that_was_on_disk(tmp_path: Path) -> None:
    rng = random.Random(7)
    on_disk: set[int] = set()
    at_ns = BEGIN_NS
    for _ in range(KILLS):
        child, told = writing_until_killed(tmp_path, at_ns)
        turns = rng.randrange(1, 6)
        for number, (begin_ns, slot) in enumerate(seconds(told), start=1):
            on_disk |= {row.sent_at_ns for row in on_a_path(10, seed=slot, begin_ns=begin_ns)}
            at_ns = begin_ns + SECOND_NS
            if number == turns:
                time.sleep(rng.uniform(0, 0.01))  # so that it comes anywhere within a turn
                os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        at_ns += 2 * SECOND_NS  # the second that was being written may be there, too
    found = set(read(tmp_path))
    assert len(on_disk) >= 10 * KILLS
    assert on_disk <= found
    assert len(found - on_disk) <= 10 * KILLS
    assert not [file for file in tmp_path.iterdir() if "damaged" in file.name]


@pytest.fixture
def two_minutes(tmp_path: Path) -> tuple[Path, list[int]]:
    """A directory with two minutes of samples and one that was not over, as a power cut leaves it; their times."""
    directory = tmp_path / "whole"
    agent = Agent(directory)
    rows = [row for _ in range(140) for row in agent.second()]
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)  # before SQLite has put into the file what is still beside it
    agent.writer.finish()
    return copy, [row.sent_at_ns for row in rows]


def cut(directory: Path, name: str, rng: random.Random) -> Path:
    copy = directory.with_name(f"cut-{rng.randrange(1 << 60)}")
    shutil.copytree(directory, copy)
    (copy / f"{FILE}-shm").unlink()  # memory, which a power cut takes
    os.truncate(copy / name, rng.randrange((copy / name).stat().st_size))
    return copy


def test_a_log_cut_anywhere_leaves_a_beginning_of_what_was_written(two_minutes: tuple[Path, list[int]]) -> None:
    directory, times = two_minutes
    rng = random.Random(1)
    for _ in range(CUTS):
        copy = cut(directory, f"{FILE}-wal", rng)
        agent = Agent(copy, at_ns=times[-1] + SECOND_NS)
        new = [row.sent_at_ns for row in agent.second()]
        agent.writer.finish()
        found = read(copy)
        assert (agent.counts.set_aside, agent.counts.trouble) == (0, None)
        assert found[-10:] == new
        assert found[:-10] == times[: len(found) - 10]


def test_a_file_cut_anywhere_is_read_or_set_aside_and_the_agent_goes_on(two_minutes: tuple[Path, list[int]]) -> None:
    directory, times = two_minutes
    Agent(directory, at_ns=times[-1] + SECOND_NS).writer.finish()  # all of it is in the file now
    rng = random.Random(2)
    aside = 0
    for _ in range(CUTS):
        copy = directory.with_name(f"cut-{rng.randrange(1 << 60)}")
        shutil.copytree(directory, copy)
        os.truncate(copy / FILE, rng.randrange((copy / FILE).stat().st_size))
        agent = Agent(copy, at_ns=times[-1] + SECOND_NS)
        new = [row.sent_at_ns for _ in range(3) for row in agent.second()]
        agent.writer.finish()
        assert agent.counts.trouble is None
        assert read(copy)[-30:] == new
        aside += agent.counts.set_aside
    assert aside > CUTS // 2


def test_a_page_of_noise_ends_neither_the_agent_nor_a_reader(two_minutes: tuple[Path, list[int]]) -> None:
    directory, times = two_minutes
    Agent(directory, at_ns=times[-1] + SECOND_NS).writer.finish()
    rng = random.Random(3)
    pages = (directory / FILE).stat().st_size // 4096
    for page in range(1, pages):
        copy = directory.with_name(f"page-{page}")
        shutil.copytree(directory, copy)
        with (copy / FILE).open("r+b") as file:
            file.seek(4096 * page)
            file.write(rng.randbytes(4096))
        try:
            assert set(read(copy)) <= set(times)
        except HistoryError as error:
            assert str(copy / FILE) in str(error)  # noqa: PT017  # either is right, and both are looked at
        agent = Agent(copy, at_ns=times[-1] + SECOND_NS)
        new = [row.sent_at_ns for _ in range(3) for row in agent.second()]
        agent.writer.finish()
        assert agent.counts.trouble is None
        assert agent.counts.written >= len(new)


def test_samples_of_no_stream_are_damage(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.second()
    agent.writer._file.close()  # as a kill does
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE parts SET stream = 9")
    agent = Agent(tmp_path, at_ns=BEGIN_NS + 100 * SECOND_NS)
    agent.second()
    new = [row.sent_at_ns for row in agent.second()]
    agent.writer.finish()
    assert (agent.counts.set_aside, agent.counts.trouble) == (1, None)
    assert read(tmp_path)[-10:] == new


@pytest.mark.root
def test_a_disk_that_is_full_or_read_only_is_told_and_used_again_once_it_can_be(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.agent.history.on_a_small_disk", str(tmp_path)]
    result = subprocess.run(["unshare", "--mount", *program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "full": "disk_full",
        "after_room": None,
        "read_only": "read_only",
        "read_while_read_only": True,
        "after_remount": None,
        "missing": 0,
        "files_set_aside": 0,
    }


def test_the_service_loads_no_numpy() -> None:
    imports = "import sys, agent.service.service, agent.config.load"
    program = f"{imports}; assert 'sqlite3' in sys.modules; print('numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
