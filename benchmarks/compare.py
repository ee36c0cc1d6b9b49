"""Measures what it takes to compare two paths: over a week at ten packets a second, and all the time in the service."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from agent.compare.continuous import ContinuousComparison
from benchmarks.figure import Figure, NotRun
from benchmarks.statistics.process import DAY_S, Scenario, generate
from benchmarks.statistics.scenarios import SCENARIOS
from collectors.sample import Outcome, Sample

DAYS = 7
_PACKETS = 60_000
_CHILD = """
import resource, sys, time
from pathlib import Path
import numpy as np
from agent.columns import Columns
from agent.compare.comparison import Names, compare
from agent.compare.margins import Margins
from agent.compare.pairs import joined, pair

NAMES = ("slot", "sent_at_ns", "rtt_ns", "forward_ns", "backward_ns", "outcome", "noisy")
folder, days = Path(sys.argv[1]), int(sys.argv[2])

def columns(path, day):
    return Columns(**{name: np.load(folder / f"{path}-{day}-{name}.npy") for name in NAMES})

names = Names(baseline="vpn", candidate="expressroute", probe="stamp", target="hub")
began = time.monotonic()
parts = [pair(columns("vpn", day), columns("expressroute", day)) for day in range(days)]
pairs = joined(parts)
del parts
paired = time.monotonic()
found = compare(pairs, names, margins=Margins(), limit_ns=5e6)
ended = time.monotonic()
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(found.verdict, found.pairs, paired - began, ended - began, peak_mib)
"""


def run() -> Iterator[Figure]:
    """Compare a week of two paths in a process of its own, whose peak memory is the comparison's."""
    with tempfile.TemporaryDirectory(prefix="eragent-compare-") as folder:
        _write(Path(folder))
        command = [sys.executable, "-c", _CHILD, folder, str(DAYS)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise NotRun(f"the comparison ended with code {child.returncode}: {child.stderr.strip()[-200:]}")
    verdict, pairs, paired_s, whole_s, peak_mib = child.stdout.split()
    samples = 2 * int(pairs) / 1e6
    yield Figure(name=f"{samples:.1f} million samples, read from arrays and paired", value=float(paired_s), unit="s")
    yield Figure(name=f"the same, compared too (verdict: {verdict})", value=float(whole_s), unit="s", at_most=5)
    yield Figure(name="peak memory of the process", value=float(peak_mib), unit="MiB", at_most=400)
    yield from _continuous()


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


def _write(folder: Path) -> None:
    """Write the samples, a day at a time and a file for each column, so that the child makes none of them."""
    week = SCENARIOS["week"]
    day = Scenario(name="day", baseline=week.baseline, candidate=week.candidate, duration_s=DAY_S)
    a_day = round(DAY_S / day.interval_s)
    for number in range(DAYS):
        both = generate(day, np.random.default_rng(number))
        for path, columns in zip(("vpn", "expressroute"), both, strict=True):
            for name in columns.__dataclass_fields__:
                values = getattr(columns, name)
                if name == "slot":
                    values = values + number * a_day
                if name == "sent_at_ns":
                    values = values + round(number * DAY_S * 1e9)
                np.save(folder / f"{path}-{number}-{name}.npy", values)
