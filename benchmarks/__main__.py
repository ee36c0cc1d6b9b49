"""``python -m benchmarks [NAME...]``: run the benchmarks and print what is asked beside what was measured.

The exit code tells whether they ran, not whether the numbers are good: those depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from agent import __version__
from benchmarks import (
    accuracy,
    authentication,
    backfill,
    compare,
    cost,
    exposition,
    flood,
    history,
    memory,
    month,
    rate,
    reflector,
    start,
    throughput,
)
from benchmarks.figure import Figure, NotRun, Row, not_run, rows_of_runs, table

BENCHMARKS: dict[str, Callable[[], Iterable[Figure]]] = {
    "accuracy": accuracy.run,
    "cost": cost.run,
    "rate": rate.run,
    "start": start.run,
    "memory": memory.run,
    "reflector": reflector.run,
    "flood": flood.run,
    "authentication": authentication.run,
    "history": history.run,
    "backfill": backfill.run,
    "throughput": throughput.run,
    "exposition": exposition.run,
    "compare": compare.run,
    "month": month.run,
}


def main() -> None:
    """Run what the command line names, all without names."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what eragent promises in numbers."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="run each N times: median and range are shown"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    rows: list[Row] = []
    machine = _machine()
    for name in arguments.names or BENCHMARKS:
        rows += _rows(name, arguments.repeat)
    print(f"\n{machine}\n\n{table(rows)}\n")
    missed = sum(row.met is False for row in rows)
    print(f"{sum(row.met is True for row in rows)} numbers met, {missed} missed.")


def _rows(name: str, repeat: int) -> list[Row]:
    """Run a benchmark; figures of a run that could not be completed are not shown."""
    runs: list[list[Figure]] = []
    for number in range(repeat):
        print(f"{name}, run {number + 1} of {repeat} ...", file=sys.stderr, flush=True)
        try:
            runs.append(list(BENCHMARKS[name]()))
        except NotRun as reason:
            return [*(rows_of_runs(name, runs) if runs else []), not_run(name, str(reason))]
    return rows_of_runs(name, runs)


def _machine() -> str:
    """Describe what the numbers were measured on; the load is that of others, before anything ran."""
    processors = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.split(":")[1].strip() for line in processors.splitlines() if "model name" in line), "CPU")
    load = os.getloadavg()[0]
    return (
        f"eragent {__version__}, {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores, {model}; "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}; "
        f"load average {load:.1f} at the start"
    )


if __name__ == "__main__":
    main()
