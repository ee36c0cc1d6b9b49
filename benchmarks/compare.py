"""Measures what it takes to compare two paths: a week of a history by the command, and all the time in the service."""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from agent.columns import UNKNOWN, Columns
from agent.compare.continuous import ContinuousComparison
from agent.history.block import encode
from agent.history.rows import HAS_BACKWARD, HAS_FORWARD, HAS_RTT, NOISY, OUTCOMES, Rows
from agent.history.store import MINUTE_NS, Store, block_id, connect
from agent.sink import StreamKey
from benchmarks.figure import Figure, NotRun
from benchmarks.processes import ERAGENT, output_of
from benchmarks.statistics.process import DAY_S, Scenario, generate
from benchmarks.statistics.scenarios import SCENARIOS
from collectors.sample import Outcome, Sample

DAYS = 7
_INTERVAL_NS = 100_000_000
_A_MINUTE = MINUTE_NS // _INTERVAL_NS
_MINUTES_A_DAY = 24 * 60
_STALLED = 0.0005  # of the slots, both paths' packets: so no column can be taken as it is
_ALL_TIMES = HAS_RTT | HAS_FORWARD | HAS_BACKWARD
_PACKETS = 60_000
# The kernel counts what a process was before its program was loaded as the program's own memory: who starts it has to
# be small.
_TIMED = """
import resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
wall_s = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.stdout.flush()
sys.stdout.buffer.write(done.stdout)
sys.exit(done.returncode)
"""


def run() -> Iterator[Figure]:
    """Compare a week of two paths as an operator does, from a history that ends now."""
    with TemporaryDirectory(dir=Path.cwd(), prefix="eragent-compare-") as name:
        directory = Path(name)
        if shutil.disk_usage(directory).free < 1 << 30:
            raise NotRun("a week of two paths takes a hundred megabytes: free a gigabyte")
        fill(directory)
        asked = ["compare", "--baseline", "vpn", "--candidate", "expressroute", "--since", f"{DAYS}d", "--json"]
        command = [sys.executable, "-S", "-c", _TIMED, ERAGENT, *asked, "--history", str(directory)]
        figures, _, answer = output_of(command, seconds=120).partition(b"\n")
    wall_s, cpu_s, peak_mib = (float(figure) for figure in figures.split())
    report = json.loads(answer)
    samples = 2 * (report["pairs"] + report["excluded"]["total"]) / 1e6
    name = f"{samples:.1f} million samples of a history compared (verdict: {report['verdict']})"
    yield Figure(name=name, value=wall_s, unit="s", at_most=5)
    yield Figure(name="the same, CPU time", value=cpu_s, unit="s")
    yield Figure(name="peak memory of the process", value=peak_mib, unit="MiB", at_most=400)
    yield from _continuous()


def fill(directory: Path) -> None:
    """Write a week of two paths that ends now, each minute as the agent's complete minutes are."""
    week = SCENARIOS["week"]
    day = Scenario(name="day", baseline=week.baseline, candidate=week.candidate, duration_s=DAY_S)
    first_minute = time.time_ns() // MINUTE_NS - DAYS * _MINUTES_A_DAY + 1
    with closing(Store(connect(directory))) as store:
        streams = [
            store.stream(StreamKey(probe="stamp", kind="stamp", target="hub", path=path), _INTERVAL_NS)
            for path in ("vpn", "expressroute")
        ]
        for number in range(DAYS):
            rng = np.random.default_rng(number)
            both = generate(day, rng)
            noisy = rng.random(len(both[0])) < _STALLED
            store.begin()
            for stream, columns in zip(streams, both, strict=True):
                late_ns = (50_000 * rng.lognormal(0, 0.5, len(columns))).astype(np.int64)
                for minute in range(_MINUTES_A_DAY):
                    place = slice(minute * _A_MINUTE, (minute + 1) * _A_MINUTE)
                    at = first_minute + number * _MINUTES_A_DAY + minute
                    data = encode(_rows(columns, noisy, late_ns, place, at), interval_ns=_INTERVAL_NS)
                    # Whole minutes at once, without the parts that the agent makes them of, nor their summaries.
                    store._connection.execute("INSERT INTO blocks VALUES (?, ?)", (block_id(stream, at), data))
            store.commit()


def _rows(columns: Columns, noisy: np.ndarray, late_ns: np.ndarray, place: slice, minute: int) -> Rows:
    """Return a minute of a STAMP stream to a reflector whose clock drifts, at ``place`` of made-up columns."""
    slot = minute * _A_MINUTE + np.arange(_A_MINUTE)
    lost = columns.rtt_ns[place] == UNKNOWN
    rtt_ns = np.where(lost, 0, columns.rtt_ns[place])
    forward_ns = np.where(lost, 0, rtt_ns // 2 + 1_234_567 + slot % 1_000_000 * 20)
    flags = np.where(lost, OUTCOMES.index(Outcome.LOST), OUTCOMES.index(Outcome.ANSWERED) | _ALL_TIMES)
    rows = Rows()
    rows.slot.extend(slot.tolist())
    rows.sent_at_ns.extend((slot * _INTERVAL_NS + late_ns[place]).tolist())
    rows.rtt_ns.extend(rtt_ns.tolist())
    rows.forward_ns.extend(forward_ns.tolist())
    rows.backward_ns.extend((rtt_ns - forward_ns).tolist())
    rows.flags += bytes((flags | np.where(noisy[place], NOISY, 0)).astype(np.uint8))
    rows.reasons += [None] * _A_MINUTE
    return rows


def _continuous() -> Iterator[Figure]:
    """Measure the continuous verdict alone, with both paths' packets of a hundred minutes, one path's 2 s behind."""
    rng = random.Random(1)
    delays = [round(rng.lognormvariate(16, 0.5)) for _ in range(_PACKETS)]
    samples = [
        Sample(slot=slot, sequence=slot, sent_at_ns=slot * 10**8, outcome=Outcome.ANSWERED, rtt_ns=delay)
        for slot, delay in enumerate(delays)
    ]
    tracemalloc.start()
    _compared(samples)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    began = time.process_time()
    _compared(samples)
    per_packet_us = (time.process_time() - began) * 1e6 / (2 * _PACKETS)
    yield Figure(name="continuous verdict: CPU of a packet", value=per_packet_us, unit="µs")
    share = per_packet_us * 20 / 1e6 * 100
    yield Figure(name="continuous verdict: two paths at 10/s, of a core", value=share, unit="%", at_most=1)
    yield Figure(name="continuous verdict: memory", value=peak, unit="MiB", at_most=10)


def _compared(samples: Sequence[Sample]) -> None:
    comparison = ContinuousComparison(interval_ns=10**8, timeout_ns=2 * 10**9, margin_ns=0)
    for place, sample in enumerate(samples):
        comparison.take(0, sample)
        if place >= 20:
            comparison.take(1, samples[place - 20])
