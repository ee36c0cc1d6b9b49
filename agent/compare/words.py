"""The verdict in plain words, and how quantities are written there. No I/O, no numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
_SAYINGS: Mapping[str, str] = {
    "rtt_p50": "half of the packets are back within {candidate} instead of {baseline}",
    "rtt_p95": "95 % of packets are back within {candidate} instead of {baseline}",
    "rtt_p99": "99 % of packets are back within {candidate} instead of {baseline}",
    "rtt_p999": "99.9 % of packets are back within {candidate} instead of {baseline}",
    "rtt_iqr": "the middle half of packets is spread over {candidate} instead of {baseline}",
    "rtt_p99_p50": "the slowest 1 % are {candidate} or more behind the usual one instead of {baseline}",
    "ipdv_p99": "1 % of packets differ from the one before by {candidate} or more instead of {baseline}",
    "loss": "{candidate} of packets are lost instead of {baseline}",
    "availability": "it is available {candidate} of the time instead of {baseline}",
    "faster": "it is the faster one {candidate} of the time instead of {baseline}",
}
_NS_PER_MS = 1e6
_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_MOST_SAID = 3
_WIDEST = 7  # characters of a number in the table, which is to fit into 80 columns


def title(name: str) -> str:
    """Name a figure as people do."""
    return _TITLES[name]


def number(value: float, unit: str, *, signed: bool = False) -> str:
    """Write a time in milliseconds, a share in percent, in seven characters without the unit; an unbounded one as ∞."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    amount = value / _NS_PER_MS if unit == "ns" else value * 100
    written = [f"{amount:{'+' if signed else ''}.{digits}f}" for digits in (3, 2, 1, 0)]
    return next((text for text in written if len(text) <= _WIDEST), written[-1])


def quantity(value: float, unit: str) -> str:
    """Write a time or a share with its unit, in three digits or so: a share has three behind the point."""
    return f"{_amount(value, unit)} {'ms' if unit == 'ns' else '%'}"


def _amount(value: float, unit: str) -> str:
    if unit != "ns":
        return f"{value * 100:.3f}"
    amount = value / _NS_PER_MS
    return f"{amount:.{3 if abs(amount) < 1 else 2 if abs(amount) < 100 else 1}f}"


def span(seconds: float) -> str:
    """Write a duration with two digits or so, in its usual unit."""
    size, name = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds / size:.0f} {name}" if seconds >= 10 * size else f"{seconds / size:.2g} {name}"


def sentence_of(
    verdict: Verdict, figures: Sequence[Figure], baseline: str, candidate: str, duration_s: float, more_s: float | None
) -> str:
    """Say the verdict in one sentence for those who know no percentiles, with what decided it and how sure that is."""
    telling = [figure for figure in figures if figure.verdict in (Verdict.BETTER, Verdict.WORSE)]
    for_it = [figure for figure in telling if figure.verdict is verdict]
    against = [figure for figure in telling if figure.verdict is not verdict]
    length = span(duration_s)
    if verdict in (Verdict.BETTER, Verdict.WORSE):
        said = f"{candidate} is {verdict} than {baseline} in {length}: {_said(for_it)}"
        contrary = Verdict.WORSE if verdict is Verdict.BETTER else Verdict.BETTER
        return f"{said}; but it is {contrary} in this: {_said(against)}." if against else f"{said}."
    if verdict is Verdict.SAME:
        return f"{candidate} and {baseline} are the same in {length}: {_within(figures)}{_beside(telling, candidate)}."
    reason = f"Not enough evidence after {length} to tell {candidate} from {baseline}{_beside(telling, candidate)}"
    if more_s is None:
        return f"{reason}; how much longer to measure cannot be foreseen."
    return f"{reason}: measure for about {span(more_s)} more."


def _within(figures: Sequence[Figure]) -> str:
    """Say up to which margins the slow packets and the losses are alike."""
    by_name = {figure.name: figure for figure in figures}
    tail, loss = (quantity(by_name[name].margin, by_name[name].unit) for name in ("rtt_p99", "loss"))
    return f"their slow packets differ by less than {tail} and their losses by less than {loss}"


def _beside(figures: Sequence[Figure], candidate: str) -> str:
    return f", though over {candidate} {_said(figures)}" if figures else ""


def _said(figures: Sequence[Figure]) -> str:
    deciding = [figure for figure in figures if figure.name in DECIDING]
    chosen = deciding or [figure for figure in figures if figure.name != "faster"] or figures
    return ", ".join(_saying(figure) for figure in chosen[:_MOST_SAID])


def _saying(figure: Figure) -> str:
    """Write for example ``99 % of packets are back within 3.00 ms instead of 5.00 ms (95 %: 1.80 to 2.40 ms less)``."""
    baseline, candidate = (quantity(value, figure.unit) for value in (figure.baseline, figure.candidate))
    said = _SAYINGS[figure.name].format(baseline=baseline, candidate=candidate)
    least, most = sorted((abs(figure.low), abs(figure.high)))
    unit = "ms" if figure.unit == "ns" else "points"  # of percent: 0.1 % less might be taken for a share of the loss
    ends = [_amount(end, figure.unit) for end in (least, most) if math.isfinite(end)]
    way = "less" if figure.difference < 0 else "more"
    return f"{said} (95 %: {' to '.join(ends)} {unit} {way}{'' if len(ends) > 1 else ' at the least'})"
