"""Measures what a history takes on disk, how fast it is read back, and what appending costs: with samples of a path."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.sink import StreamKey
from benchmarks.figure import Figure, NotRun
from benchmarks.filling import PER_MINUTE, fill
from benchmarks.processes import output_of

PATHS = 10
DAYS = 7
MONTH_DAYS = 30
SECONDS = 600

_MINUTES = DAYS * 24 * 60
_FIRST_MINUTE = 29_000_000
_STREAMS = [StreamKey(probe="stamp", kind="stamp", target="hub", path=f"path-{path}") for path in range(PATHS)]
_MB = 1e6
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
_SUM_UP = """
import os, sys, time
from agent.cli import main
begin = time.process_time()
options = ["--history", sys.argv[1], "--every", "1h", "--format", "csv"]
try:
    main(["export", *options])
finally:
    sys.stdout.flush()
    print(time.process_time() - begin)
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
    """Measure a history of ten paths and a week, a month of its minutes, and the writing of 100 samples a second."""
    with TemporaryDirectory(dir=Path.cwd()) as name:
        directory = Path(name)
        if shutil.disk_usage(directory).free < 2 << 30:
            raise NotRun("a history of a week takes half a gigabyte: free two")
        fill(directory, _STREAMS, first_minute=_FIRST_MINUTE, minutes=_MINUTES)
        octets = sum(file.stat().st_size for file in directory.iterdir())
        samples = PATHS * _MINUTES * PER_MINUTE
        yield Figure(name="ten paths, seven days: on disk", value=octets / _MB, unit="MB", at_most=500)
        yield Figure(name="ten paths, seven days: of a sample", value=octets / samples, unit="octets", at_most=8)
        yield _reading(directory, 1, 0.6)
        yield _reading(directory, PATHS, 6)
    yield _month()
    yield from _appending()


def _reading(directory: Path, paths: int, at_most_s: float) -> Figure:
    """Read in a process of its own, three times, and take the least CPU time: others on this machine only add to it."""
    command = [sys.executable, "-c", _READ, str(directory), str(paths)]
    taken_s = []
    for _ in range(3):
        samples, seconds = output_of(command, seconds=120).split()
        if int(samples) != paths * _MINUTES * PER_MINUTE:
            raise NotRun(f"{samples.decode()} samples were read, not {paths * _MINUTES * PER_MINUTE}")
        taken_s.append(float(seconds))
    name = "one path" if paths == 1 else "ten paths"
    return Figure(name=f"{name}, seven days: into arrays, CPU time", value=min(taken_s), unit="s", at_most=at_most_s)


def _month() -> Figure:
    """Let ``eragent export`` sum a month of minutes up to hours, start of the program included."""
    with TemporaryDirectory(dir=Path.cwd()) as directory:
        fill(Path(directory), _STREAMS, first_minute=_FIRST_MINUTE, minutes=MONTH_DAYS * 24 * 60, with_samples=False)
        printed = output_of([sys.executable, "-c", _SUM_UP, directory], seconds=120).splitlines()
    hours = len(printed) - 2  # but for the names of the columns, and the time that it took
    if hours < PATHS * MONTH_DAYS * 24:
        raise NotRun(f"{hours} hours were summed up, not {PATHS * MONTH_DAYS * 24}")
    return Figure(
        name="ten paths, thirty days: minutes summed up to hours, CPU time", value=float(printed[-1]), unit="s"
    )


def _appending() -> Iterator[Figure]:
    """Let the agent's own sink and writer take ten minutes of a hundred samples a second, as fast as they can."""
    with TemporaryDirectory(dir=Path.cwd()) as directory:
        command = [sys.executable, "-c", _APPEND, directory, str(SECONDS)]
        cpu_s, grown = output_of(command, seconds=300).split()
    share = float(cpu_s) / SECONDS * 100
    yield Figure(name="appending 100 samples/s: CPU, of a core", value=share, unit="%", at_most=0.5)
    yield Figure(name="memory that it takes", value=float(grown) / (1 << 20), unit="MiB", at_most=8)
