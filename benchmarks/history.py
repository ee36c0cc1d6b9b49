"""Measures what a history takes on disk, how fast it is read back, and what appending costs: with samples of a path.

The samples are made, not measured: round trips that follow each other as queues do, spikes, losses, drifting clocks,
all with the resolution of nanoseconds.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from agent.history.block import encode
from agent.history.rows import HAS_BACKWARD, HAS_FORWARD, HAS_RTT, OUTCOMES, Rows
from agent.history.store import MINUTE_NS, Store, block_id, connect
from agent.history.summary import Extras, summarised
from agent.sink import StreamKey
from benchmarks.figure import Figure, NotRun
from benchmarks.processes import output_of
from collectors.sample import Outcome

PATHS = 10
DAYS = 7
PER_SECOND = 10
SECONDS = 600

_MINUTES = DAYS * 24 * 60
_PER_MINUTE = 60 * PER_SECOND
_INTERVAL_NS = 1_000_000_000 // PER_SECOND
_FIRST_MINUTE = 29_000_000
_DIFFERENT = 100  # minutes are made, the rest is copies at their own time: making is slower than all else
_MB = 1e6
_TIMES = HAS_RTT | HAS_FORWARD | HAS_BACKWARD
_READ = """
import sys, time
from pathlib import Path
from agent.history.reading import read_columns
begin = time.process_time()
samples = sum(
    len(read_columns(Path(sys.argv[1]), probe="stamp", target="hub", path=f"path-{number}"))
    for number in range(int(sys.argv[2]))
)
print(samples, time.process_time() - begin)
"""
_APPEND = """
import os, sys, time
import agent.engine, agent.exposition.server, agent.metrics.streams
from benchmarks.processes import resident_octets
before = resident_octets(os.getpid())
from benchmarks.appending import append
cpu_s = append(sys.argv[1], int(sys.argv[2]))
print(cpu_s, resident_octets(os.getpid()) - before)
"""


def run() -> Iterator[Figure]:
    """Measure a history of ten paths and a week, and the writing of a hundred samples a second."""
    with TemporaryDirectory(dir=Path.cwd()) as name:
        directory = Path(name)
        if shutil.disk_usage(directory).free < 2 << 30:
            raise NotRun("a history of a week takes half a gigabyte: free two")
        fill(directory)
        octets = sum(file.stat().st_size for file in directory.iterdir())
        samples = PATHS * _MINUTES * _PER_MINUTE
        yield Figure(name="ten paths, seven days: on disk", value=octets / _MB, unit="MB", at_most=500)
        yield Figure(name="ten paths, seven days: of a sample", value=octets / samples, unit="octets", at_most=8)
        yield _reading(directory, 1, 0.6)
        yield _reading(directory, PATHS, 6)
    yield from _appending()


def fill(directory: Path) -> None:
    """Write a week of ten paths as the agent's minutes are written."""
    with closing(Store(connect(directory))) as store:
        connection = store._connection  # whole minutes at once, without the parts that they are made of
        for path in range(PATHS):
            made = [minute_of(path * _DIFFERENT + number) for number in range(_DIFFERENT)]
            stream = store.stream(
                StreamKey(probe="stamp", kind="stamp", target="hub", path=f"path-{path}"), _INTERVAL_NS
            )
            store.begin()
            for number in range(_MINUTES):
                rows = at(made[number % _DIFFERENT], number)
                place = block_id(stream, _FIRST_MINUTE + number)
                connection.execute("INSERT INTO blocks VALUES (?, ?)", (place, encode(rows, interval_ns=_INTERVAL_NS)))
                if number < _DIFFERENT:
                    store.summarise(stream, _FIRST_MINUTE + number, summarised(rows, Extras()))
            store.commit()
        _copy_summaries(store)


def _copy_summaries(store: Store) -> None:
    """Give every minute a summary, as large as those that were made."""
    connection = store._connection
    names = [row[1] for row in connection.execute("PRAGMA table_info(minutes)")][1:]
    store.begin()
    connection.execute(
        f"INSERT INTO minutes (id, {', '.join(names)})"  # noqa: S608  # names of columns
        f" SELECT b.id, {', '.join(f'm.{name}' for name in names)} FROM blocks b JOIN minutes m ON m.id ="
        " (b.id & ~0xFFFFFFFF) + ? + ((b.id & 0xFFFFFFFF) - ?) % ?"
        " WHERE b.id NOT IN (SELECT id FROM minutes)",
        (_FIRST_MINUTE, _FIRST_MINUTE, _DIFFERENT),
    )
    store.commit()


def minute_of(seed: int) -> Rows:
    """Return a minute of a STAMP stream to a reflector whose clock drifts: correlated delays, spikes, losses."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 60_000, _PER_MINUTE)
    queue = np.zeros(_PER_MINUTE)
    for place in range(1, _PER_MINUTE):
        queue[place] = 0.9 * queue[place - 1] + noise[place]
    forward = 5_000_000 + np.abs(queue) + rng.exponential(80_000, _PER_MINUTE)
    backward = 5_200_000 + rng.exponential(90_000, _PER_MINUTE)
    spikes = rng.random(_PER_MINUTE) < 0.003
    forward[spikes] += rng.integers(0, 20_000_000, int(spikes.sum()))
    offset = 1_234_567 + 2_000 * np.arange(_PER_MINUTE)  # 20 ppm
    forward_ns, backward_ns = forward.astype(np.int64), backward.astype(np.int64)
    lost = rng.random(_PER_MINUTE) < 0.002
    late = (50_000 * rng.lognormal(0, 0.5, _PER_MINUTE)).astype(np.int64)
    rows = Rows()
    rows.slot.extend(range(_PER_MINUTE))
    rows.sent_at_ns.extend((np.arange(_PER_MINUTE) * _INTERVAL_NS + late).tolist())
    rows.rtt_ns.extend(np.where(lost, 0, forward_ns + backward_ns).tolist())
    rows.forward_ns.extend(np.where(lost, 0, forward_ns + offset).tolist())
    rows.backward_ns.extend(np.where(lost, 0, backward_ns - offset).tolist())
    answered, unanswered = OUTCOMES.index(Outcome.ANSWERED) | _TIMES, OUTCOMES.index(Outcome.LOST)
    rows.flags += bytes(np.where(lost, unanswered, answered).astype(np.uint8))
    rows.reasons += [None] * _PER_MINUTE
    return rows


def at(made: Rows, number: int) -> Rows:
    """Return the samples of a minute as those of another."""
    rows = Rows()
    rows.extend(made)
    slots = np.frombuffer(rows.slot, np.int64)
    slots += number * _PER_MINUTE
    sent = np.frombuffer(rows.sent_at_ns, np.int64)
    sent += (_FIRST_MINUTE + number) * MINUTE_NS
    return rows


def _reading(directory: Path, paths: int, at_most_s: float) -> Figure:
    """Read in a process of its own, three times, and take the least CPU time: others on this machine only add to it."""
    command = [sys.executable, "-c", _READ, str(directory), str(paths)]
    taken_s = []
    for _ in range(3):
        samples, seconds = output_of(command, seconds=120).split()
        if int(samples) != paths * _MINUTES * _PER_MINUTE:
            raise NotRun(f"{samples.decode()} samples were read, not {paths * _MINUTES * _PER_MINUTE}")
        taken_s.append(float(seconds))
    name = "one path" if paths == 1 else "ten paths"
    return Figure(name=f"{name}, seven days: into arrays, CPU time", value=min(taken_s), unit="s", at_most=at_most_s)


def _appending() -> Iterator[Figure]:
    """Let the agent's own sink and writer take ten minutes of a hundred samples a second, as fast as they can."""
    with TemporaryDirectory(dir=Path.cwd()) as directory:
        command = [sys.executable, "-c", _APPEND, directory, str(SECONDS)]
        cpu_s, grown = output_of(command, seconds=300).split()
    share = float(cpu_s) / SECONDS * 100
    yield Figure(name="appending 100 samples/s: CPU, of a core", value=share, unit="%", at_most=0.5)
    yield Figure(name="memory that it takes", value=float(grown) / (1 << 20), unit="MiB", at_most=8)
