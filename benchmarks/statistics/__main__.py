"""``python -m benchmarks.statistics [SCENARIO...]``: simulate comparisons, print the table, write it into the docs.

A thousand runs of all take an hour and a half of one core, so the counts of each scenario are kept in
docs/statistics.json, and the table is made of all that are there.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from agent.compare.figures import FIGURES
from agent.compare.intervals import share_interval, z_of
from agent.compare.margins import Verdict
from agent.compare.words import title
from benchmarks.statistics.continuous import months
from benchmarks.statistics.coverage import standard_error, tally
from benchmarks.statistics.scenarios import DESCRIPTIONS, MONTH, SCENARIOS

_DOCS = Path(__file__).parents[2] / "docs"
COUNTS = _DOCS / "statistics.json"
PAGE = _DOCS / "statistics.md"
_RATES = {
    "different": "called different, without a margin",
    "found": "p99 or p99 - p50 called higher, without a margin",
}


def main() -> None:
    """Run the scenarios that the command line names, all without names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description="Simulate comparisons.")
    names = (*SCENARIOS, MONTH.name)
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument(
        "--runs", type=int, default=1000, metavar="N", help="of each; of months a tenth (default: 1000)"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for name in arguments.names or names:
        _simulate(name, arguments.runs if name in SCENARIOS else max(arguments.runs // 10, 1))
    counts = json.loads(COUNTS.read_text(encoding="utf-8"))
    print(table(counts))
    print(month_sentence(counts))
    write(counts)


def _simulate(name: str, runs: int) -> None:
    """Run a scenario, and keep what was counted."""
    told = partial(_tell, name, runs)
    if name == MONTH.name:
        _keep(name, asdict(months(MONTH, runs, told=told)))
        return
    found = tally(SCENARIOS[name], runs, told=told)
    within = {figure: [found.within[figure], found.known[figure]] for figure in FIGURES if found.known[figure]}
    verdicts = dict(sorted(found.verdicts.items()))
    counts = {"runs": found.runs, "within": within, "different": found.different, "found": found.found}
    _keep(name, counts | {"verdicts": verdicts})


def _tell(name: str, runs: int, run: int) -> None:
    if run % 100 == 0 or run == runs:
        print(f"{name}: {run} of {runs} runs", file=sys.stderr, flush=True)


def _keep(name: str, found: dict[str, Any]) -> None:
    counts = json.loads(COUNTS.read_text(encoding="utf-8")) if COUNTS.exists() else {}
    counts[name] = found
    ordered = {scenario: counts[scenario] for scenario in (*SCENARIOS, MONTH.name) if scenario in counts}
    COUNTS.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def table(counts: dict[str, Any]) -> str:
    """Return the table of all scenarios but the month, as Markdown: each share in percent, with its standard error."""
    counts = {name: one for name, one in counts.items() if name in SCENARIOS}
    figures = [figure for figure in FIGURES if any(figure in one["within"] for one in counts.values())]

    rows = [
        ["", *(DESCRIPTIONS[name] for name in counts)],
        ["---", *("---:" for _ in counts)],
        ["runs", *(f"{one['runs']:,}" for one in counts.values())],
    ]
    for figure in figures:
        name = f"95 % interval of {title(figure)} holds the truth"
        rows.append([name, *(_cell(*one["within"][figure]) for one in counts.values())])  # with a name
    for key, name in _RATES.items():
        rows.append([name, *(_cell(one[key], one["runs"]) for one in counts.values())])  # as above
    for verdict in Verdict:
        name = f"verdict {verdict}, with the usual margins"
        rows.append([name, *(_cell(one["verdicts"].get(verdict, 0), one["runs"]) for one in counts.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(count: int, runs: int) -> str:
    share = count / runs
    return f"{share:.1%} ± {standard_error(share, runs):.1%}"


def month_sentence(counts: dict[str, Any]) -> str:
    """Return what was seen of the continuous verdict; nothing where no month was simulated."""
    if MONTH.name not in counts:
        return ""
    runs, told_apart = counts[MONTH.name]["runs"], counts[MONTH.name]["told_apart"]
    high = share_interval(told_apart / runs, runs, z_of(0.95))[1]
    return (
        f"In {runs} simulated months of two equal paths, looked at every ten minutes without a margin, {told_apart} had"
        f" a verdict of better or worse at any moment; with 95 % confidence the share is below {high:.1%}.\n"
    )


def write(counts: dict[str, Any]) -> None:
    """Put table and sentence into their places in docs/statistics.md."""
    text = PAGE.read_text(encoding="utf-8")
    for name, part in (("simulations", table(counts)), ("months", month_sentence(counts))):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{part}\n{end}{rest.partition(end)[2]}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
