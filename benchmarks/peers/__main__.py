"""``python -m benchmarks.peers``: compare eragent with other tools, print the tables, write docs/accuracy.*.

The exit code tells whether it ran, not whether the numbers are good: those depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from benchmarks import machine
from benchmarks.peers.chart import chart
from benchmarks.peers.eragent import ICMP, PYTHON_LOOP, STAMP
from benchmarks.peers.page import page, tables
from benchmarks.peers.results import Machine, Program, Results, from_json, to_json
from benchmarks.peers.stages import measure_accuracy, measure_cost, measure_lateness, measure_loss, missing
from benchmarks.peers.tool import Asked, Tool
from benchmarks.peers.tools import TOOLS

FILES = Path(__file__).parents[2] / "docs" / "accuracy"
_LOSS_RATES = (1000, 5000)
_MOST_PACKETS = 60_000  # ICMP numbers packets with 16 bits
_MOST_SHORT_S = 10.0  # for what is counted and not distributed
_COST_TURNS = 9
_MOST_OF_A_TURN_S = 2.0
_ANY = "TARGET"
_LONGEST_WORD = 60

_Thing = TypeVar("_Thing")


def main() -> None:
    """Measure, or only draw again what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="for each tool and load (default: 60)")
    parser.add_argument("--rate", type=int, default=100, help="packets a second for accuracy (default: 100)")
    parser.add_argument("--output", type=Path, default=FILES, help="files to write, without suffix")
    parser.add_argument("--render", action="store_true", help="measure nothing: write page and picture from the JSON")
    arguments = parser.parse_args()
    if arguments.seconds * arguments.rate > _MOST_PACKETS or arguments.seconds < 1 or arguments.rate < 1:
        parser.error(f"at least a second and a packet a second, at most {_MOST_PACKETS:,} packets in all")
    if not arguments.render:
        if os.geteuid() != 0:
            parser.exit(2, "needs root, for network namespaces and captures in them: sudo make bench-accuracy\n")
        results = _measured(arguments.seconds, arguments.rate)
        arguments.output.with_suffix(".json").write_text(to_json(results), encoding="utf-8")
    results = from_json(arguments.output.with_suffix(".json").read_bytes())
    arguments.output.with_suffix(".md").write_text(page(results), encoding="utf-8")
    arguments.output.with_suffix(".svg").write_text(chart(results), encoding="utf-8")
    print(tables(results))


def _measured(seconds: float, rate: int) -> Results:
    """Run every stage; a quarter of the tools' time more passes with starting them and waiting for captures."""
    date, load, (ticks, stolen) = datetime.now(UTC), os.getloadavg()[0], machine.cpu_ticks()
    interval_s, short_s = 1 / rate, min(seconds, _MOST_SHORT_S)
    accuracy = [
        measure_accuracy(tool, busy=busy, interval_s=interval_s, seconds=seconds)
        for busy in (False, True)
        for tool in _told(TOOLS, f"accuracy, {'busy' if busy else 'idle'}")
    ]
    lateness = [
        run
        for busy in _told((False, True), "lateness, busy")  # under load with the priority that the unit grants
        for run in measure_lateness(busy=busy, fifo=busy, interval_s=interval_s, seconds=seconds)
    ]
    turn_s, tools = min(seconds / _COST_TURNS, _MOST_OF_A_TURN_S), (*TOOLS, PYTHON_LOOP)
    print(f"cost: {_COST_TURNS} turns ...", file=sys.stderr, flush=True)
    cost = measure_cost(tools, seconds=turn_s, turns=_COST_TURNS)
    loss = [
        measure_loss(tool, packets_per_second=each, seconds=short_s)
        for each in _LOSS_RATES
        for tool in _told((ICMP, STAMP), f"own loss at {each} packets a second")
    ]
    ticks_then, stolen_then = machine.cpu_ticks()
    return Results(
        date=f"{date:%Y-%m-%d}",
        seconds=seconds,
        packets_per_second=rate,
        machine=_machine(load, 100 * (stolen_then - stolen) / max(ticks_then - ticks, 1)),
        programs=tuple(_program(tool, Asked(target=_ANY, interval_s=interval_s, seconds=seconds)) for tool in TOOLS),
        accuracy=tuple(accuracy),
        lateness=tuple(lateness),
        cost=tuple(cost),
        loss=tuple(loss),
    )


def _told(things: Iterable[_Thing], what: str) -> Iterator[_Thing]:
    """Say on stderr what comes next."""
    for thing in things:
        name = thing.name if isinstance(thing, Tool) else thing
        print(f"{what}: {name} ...", file=sys.stderr, flush=True)
        yield thing


def _machine(load: float, stolen_percent: float) -> Machine:
    return Machine(
        processor=machine.processor(),
        cores=len(os.sched_getaffinity(0)),
        virtual=machine.is_virtual(),
        memory_mib=machine.memory_mib(),
        kernel=f"{platform.system()} {platform.release().split('-')[0]}",
        distribution=machine.distribution(),
        python=platform.python_version(),
        clock_source=machine.clock_source(),
        load=round(load, 2),
        stolen_percent=round(stolen_percent, 2),
    )


def _program(tool: Tool, asked: Asked) -> Program:
    """Describe a tool; programs are named without the folder they happen to be in."""
    words = (Path(word).name if word.startswith("/") else word for word in tool.command(asked))
    command = shlex.join(f"{word[:_LONGEST_WORD]}…" if len(word) > _LONGEST_WORD else word for word in words)
    return Program(name=tool.name, version=None if missing(tool) else _version(tool), command=command)


def _version(tool: Tool) -> str:
    said = subprocess.run(tool.version, capture_output=True, check=False, timeout=10)
    found = re.search(r"\d[\d.]*\d", (said.stdout + said.stderr).decode(errors="replace"))
    return found[0] if found else "unknown"


if __name__ == "__main__":
    main()
