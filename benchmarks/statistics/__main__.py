"""``python -m benchmarks.statistics [SCENARIO...]``: simulate comparisons, print the table, write it into the docs.

A thousand runs of all take an hour of one core, so each scenario's counts are kept in docs/statistics.json, and the
table is made of all that are there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from agent.compare.figures import FIGURES
from agent.compare.margins import Verdict
from agent.compare.words import title
from benchmarks.statistics.coverage import Tally, standard_error, tally
from benchmarks.statistics.scenarios import DESCRIPTIONS, SCENARIOS

_DOCS = Path(__file__).parents[2] / "docs"
COUNTS = _DOCS / "statistics.json"
PAGE = _DOCS / "statistics.md"
_RATES = {
    "different": "called different, without a margin",
    "found": "p99 or p99 - p50 called higher, without a margin",
}
_BEGIN, _END = "<!-- simulations: begin -->\n", "<!-- simulations: end -->\n"


def main() -> None:
    """Run the scenarios that the command line names, all without names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description="Simulate comparisons.")
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--runs", type=int, default=1000, metavar="N", help="of each (default: 1000)")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    for name in arguments.names or SCENARIOS:
        began = time.monotonic()
        found = tally(SCENARIOS[name], arguments.runs, told=partial(_tell, name, arguments.runs))
        _keep(name, found, time.monotonic() - began)
    page = table(json.loads(COUNTS.read_text(encoding="utf-8")))
    print(page)
    write(page)


def _tell(name: str, runs: int, run: int) -> None:
    if run % 100 == 0 or run == runs:
        print(f"{name}: {run} of {runs} runs", file=sys.stderr, flush=True)


def _keep(name: str, found: Tally, seconds: float) -> None:
    counts = json.loads(COUNTS.read_text(encoding="utf-8")) if COUNTS.exists() else {}
    counts[name] = {
        "runs": found.runs,
        "seconds": round(seconds),
        "within": {figure: [found.within[figure], found.known[figure]] for figure in FIGURES if found.known[figure]},
        "different": found.different,
        "found": found.found,
        "verdicts": dict(sorted(found.verdicts.items())),
    }
    ordered = {scenario: counts[scenario] for scenario in SCENARIOS if scenario in counts}
    COUNTS.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def table(counts: dict[str, Any]) -> str:
    """Return the table of all scenarios, as Markdown: each share in percent, with its standard error."""
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


def write(page: str) -> None:
    """Put the table into its place in docs/statistics.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    PAGE.write_text(f"{before}{_BEGIN}\n{page}\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
