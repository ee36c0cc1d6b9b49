"""What a benchmark found, beside what is asked; several runs in one line; the table of all. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


class NotRun(Exception):  # noqa: N818  # it is not an error: some machines and users cannot run everything
    """A benchmark could not measure; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number. ``at_most`` or ``at_least`` is what is asked, in its unit; neither: for understanding only.

    ``value`` is ``None`` where this part of a benchmark could not run, and ``name`` says why.
    """

    name: str
    value: float | None
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def asked(self) -> str:
        """What is asked, as the table shows it."""
        if self.at_most is not None:
            return f"≤ {_number(self.at_most)} {self.unit}".rstrip()
        return "" if self.at_least is None else f"≥ {_number(self.at_least)} {self.unit}".rstrip()

    def met_by(self, value: float) -> bool | None:
        """Whether ``value`` is what is asked; ``None`` where nothing is."""
        if self.at_most is not None:
            return value <= self.at_most
        return None if self.at_least is None else value >= self.at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table: a figure over all runs of its benchmark, or the reason why there is none."""

    benchmark: str
    name: str
    asked: str = ""
    measured: str
    spread: str = ""
    met: bool | None = None


def row_of_runs(benchmark: str, runs: Sequence[Figure]) -> Row:
    """Merge one figure's runs: their median is what was measured, the smallest and the largest are the spread.

    What is asked is met when the median meets it; the spread tells how safely.
    """
    first = runs[0]
    values = sorted(figure.value for figure in runs if figure.value is not None)
    if not values:
        return Row(benchmark=benchmark, name=first.name, measured="-")
    middle = median(values)
    return Row(
        benchmark=benchmark,
        name=first.name,
        asked=first.asked,
        measured=f"{_number(middle)} {first.unit}".rstrip(),
        spread=f"{_number(values[0])} to {_number(values[-1])}" if len(values) > 1 else "",
        met=first.met_by(middle),
    )


def rows_of_runs(benchmark: str, runs: Sequence[Sequence[Figure]]) -> list[Row]:
    """Merge the runs of one benchmark, figure by figure, in the order in which they came first."""
    by_name: dict[str, list[Figure]] = {}
    for figures in runs:
        for figure in figures:
            by_name.setdefault(figure.name, []).append(figure)
    return [row_of_runs(benchmark, figures) for figures in by_name.values()]


def not_run(benchmark: str, reason: str) -> Row:
    """Return the line of a benchmark without figures."""
    return Row(benchmark=benchmark, name=f"not run: {' '.join(reason.split())}", measured="-")


def table(rows: Iterable[Row]) -> str:
    """Lay the rows out as a Markdown table that a person can read in a terminal."""
    heads = ("benchmark", "figure", "asked", "measured", "all runs", "met")
    cells = [(row.benchmark, row.name, row.asked, row.measured, row.spread, _VERDICTS[row.met]) for row in rows]
    widths = [max(len(line[column]) for line in (heads, *cells)) for column in range(len(heads))]
    lines = [heads, tuple("-" * width for width in widths), *cells]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


_VERDICTS = {True: "yes", False: "**NO**", None: ""}


def _number(value: float) -> str:
    """Write three significant digits, more only where a whole number has them."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 1 else f"{value:.1f}"
