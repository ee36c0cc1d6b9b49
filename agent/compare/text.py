"""A comparison as a person reads it: tables of figures and of paths, and a few lines. Reads the JSON object only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent.compare.words import number, quantity, span, title

if TYPE_CHECKING:
    from rich.table import Table

Json = dict[str, Any]

_COLOURS = {"better": "green", "worse": "red", "same": "cyan", "insufficient": "yellow"}
_REASONS = {
    "unpaired": "with a packet on one path only",
    "not_sent": "not sent",
    "overlooked": "perhaps not read by this host",
    "noisy": "while this host was stalled",
    "apart": "sent too far apart",
}
_ROLES = ("baseline", "candidate")
_MOST_CHANGES = 8


def heading(report: Json) -> str:
    """Say what is compared, and of which time."""
    compared = f"{report['baseline']} (baseline) and {report['candidate']} (candidate)"
    what = f"{report['probe']} to {report['target']}"
    return f"{compared}: {what}{_window(report)}"


def _window(report: Json) -> str:
    return f", {span(report['duration_s'])} from {report['from']}" if report["from"] else ""


def figures_table(report: Json) -> Table:
    """Return the figures, a row each; those that decide the verdict have a mark. It fits into 80 columns."""
    found = _table("", *_ROLES, "difference", "95 % interval")
    found.add_column("verdict", no_wrap=True)
    for figure in report["figures"]:
        unit = figure["unit"]
        low, high = _ends(figure)
        found.add_row(
            title(figure["name"]) + ("*" if figure["deciding"] else ""),
            *(number(figure[role], unit) for role in _ROLES),
            number(figure["difference"], unit, signed=True),
            f"{number(low, unit, signed=True)} to {number(high, unit, signed=True)}",
            f"[{_COLOURS[figure['verdict']]}]{figure['verdict']}[/]",
        )
    return found


def legend(report: Json) -> str:
    """Say how the figures are to be read; also why one is undecided that seems clear, where there is such a one."""
    said = "Delays in ms, shares in %. * decides the verdict."
    if any(_seems_clear(figure) for figure in report["figures"]):
        said += " Better and worse take more than the interval shown: several figures are looked at."
    return said


def _seems_clear(figure: Json) -> bool:
    low, high = _ends(figure)
    margin: float = figure["margin"]
    return figure["verdict"] == "insufficient" and (low > margin or high < -margin)


def _ends(figure: Json) -> tuple[float, float]:
    """Return the ends of a figure's interval, infinite where there is none."""
    low, high = figure["low"], figure["high"]
    return (-math.inf if low is None else low), (math.inf if high is None else high)


def paths_table(report: Json) -> Table:
    """Return how predictable each path was, a row for each thing that is known of one of them at least."""
    found = _table("", *_ROLES)
    limit = quantity(report["predictability"]["limit_ns"], "ns")
    both = [_described(report["predictability"][role], limit) for role in _ROLES]
    for name in both[0]:
        cells = [described[name] for described in both]
        if any(cell is not None for cell in cells):
            found.add_row(name, *(cell or "-" for cell in cells))
    return found


def _described(path: Json, limit: str) -> dict[str, str | None]:
    out = path["outages"]
    return {
        f"minutes with p99 - p50 within {limit}": f"{path['minutes_within']:.1%}",
        f"hours with p99 - p50 within {limit}": f"{path['hours_within']:.1%}",
        "robust coefficient of variation": _ratio(path["robust_cv"]),
        "robust coefficient of variation, by hour": _ratio(path["robust_cv_hour"]),
        "hours of the day differ by": _time(path["hour_of_day_range_ns"]),
        "days differ by": _time(path["day_range_ns"]),
        "outages": f"{out['count']:,}",
        "time in outages": span(out["total_s"]) if out["count"] else None,
        "longest outage": span(out["longest_s"]) if out["count"] else None,
        "bursts of losses": f"{path['bursts']:,}",
        "longest burst, in packets": f"{path['longest_burst']:,}" if path["bursts"] else None,
    }


def _ratio(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _time(value_ns: float | None) -> str | None:
    return None if value_ns is None else quantity(value_ns, "ns")


def _table(*heads: str) -> Table:
    from rich import box
    from rich.table import Table

    found = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for place, head in enumerate(heads):
        found.add_column(head, justify="right" if place else "left", no_wrap=True)
    return found


def lines(report: Json) -> Iterator[str]:
    """Yield what stands below the tables, the verdict last."""
    yield from _left_out(report)
    yield from _changes(report)
    yield from report["notes"]
    yield report["sentence"]


def _left_out(report: Json) -> Iterator[str]:
    reasons = [
        f"{count:,} {_REASONS[name]}" for name, count in report["excluded"].items() if name in _REASONS and count
    ]
    if reasons:
        yield f"{report['pairs']:,} pairs; left out: {', '.join(reasons)}."
    elif report["pairs"]:
        yield f"{report['pairs']:,} pairs; nothing was left out."


def _changes(report: Json) -> Iterator[str]:
    changes = report["changes"]
    for change in changes[:_MOST_CHANGES]:
        before, after = quantity(change["before_ns"], "ns"), quantity(change["after_ns"], "ns")
        cause = "both paths: a common cause" if change["together"] else "this path alone"
        yield f"{change['at']} {change['path']}: {change['of']} changed from {before} to {after} ({cause})."
    if len(changes) > _MOST_CHANGES:
        yield f"{len(changes) - _MOST_CHANGES} further changes are in --json."
