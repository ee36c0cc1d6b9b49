"""The verdict in plain words, and how quantities are written there. No I/O, no numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.compare.figures import DECIDING, Figure
from agent.compare.margins import Verdict

_TITLES = {
    "rtt_p50": "p50",
    "rtt_p95": "p95",
    "rtt_p99": "p99",
    "rtt_p999": "p99.9",
    "rtt_iqr": "IQR",
    "rtt_p99_p50": "p99 - p50",
    "ipdv_p99": "IPDV p99",
    "loss": "loss",
    "availability": "availability",
    "faster": "pairs won",
}
_NS_PER_MS = 1e6
_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def title(name: str) -> str:
    """Name a figure as people do."""
    return _TITLES[name]


def unit_of(unit: str) -> str:
    """Name the unit in which people read a figure."""
    return "ms" if unit == "ns" else "%"


def number(value: float, unit: str, *, signed: bool = False) -> str:
    """Write a time in milliseconds, a share in percent, without the unit; an unbounded one as ∞."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    amount = value / _NS_PER_MS if unit == "ns" else value * 100
    return f"{amount:{'+' if signed else ''}.3f}"


def quantity(value: float, unit: str) -> str:
    """Write a time or a share with its unit."""
    return f"{number(value, unit)} {unit_of(unit)}"


def span(seconds: float) -> str:
    """Write a duration with two digits or so, in its usual unit."""
    size, name = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds / size:.0f} {name}" if seconds >= 10 * size else f"{seconds / size:.2g} {name}"


def sentence_of(
    verdict: Verdict, figures: Sequence[Figure], baseline: str, candidate: str, duration_s: float, more_s: float | None
) -> str:
    """Say the verdict in one sentence, with what decided it."""
    telling = [figure for figure in figures if figure.verdict in (Verdict.BETTER, Verdict.WORSE)]
    for_it = [figure for figure in telling if figure.verdict is verdict]
    against = [figure for figure in telling if figure.verdict is not verdict]
    length = span(duration_s)
    if verdict in (Verdict.BETTER, Verdict.WORSE):
        said = f"{candidate} is {verdict} than {baseline}: {_differences(for_it)} in {length}"
        contrary = Verdict.WORSE if verdict is Verdict.BETTER else Verdict.BETTER
        return f"{said}, although {contrary} in this: {_differences(against)}." if against else f"{said}."
    if verdict is Verdict.SAME:
        return f"{candidate} and {baseline} are the same within the margins in {length}{_beside(telling)}."
    reason = f"Not enough evidence after {length} to tell {candidate} from {baseline}{_beside(telling)}"
    if more_s is None:
        return f"{reason}; how long that would take cannot be foreseen."
    return f"{reason}: measure for about {span(more_s)} more."


def _beside(figures: Sequence[Figure]) -> str:
    return f", though {_differences(figures)}" if figures else ""


def _differences(figures: Sequence[Figure]) -> str:
    deciding = [figure for figure in figures if figure.name in DECIDING]
    chosen = deciding or [figure for figure in figures if figure.name != "faster"] or figures
    return ", ".join(_difference(figure) for figure in chosen[:3])


def _difference(figure: Figure) -> str:
    """Write for example ``p99 lower by 2.100 ms (1.800 ms to 2.400 ms)``."""
    ends = sorted((abs(figure.low), abs(figure.high)))
    if figure.low < 0 < figure.high:
        ends = [figure.low, figure.high]
    way = "lower" if figure.difference < 0 else "higher"
    amount, low, high = (quantity(value, figure.unit) for value in (abs(figure.difference), *ends))
    return f"{title(figure.name)} {way} by {amount} (95 %: {low} to {high})"
