"""A comparison as a person reads it: a table of figures and a few lines. Reads the JSON object only."""

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
    "unpaired": "only one path has a packet",
    "not_sent": "not sent",
    "overlooked": "not read by this host",
    "noisy": "host was stalled",
    "apart": "left too far apart",
}
_MOST_CHANGES = 8
_WIDEST_NUMBER = 8  # as +100.000


def table(report: Json) -> Table:
    """Return the figures, a row each; those that decide the verdict have a mark."""
    from rich import box
    from rich.table import Table

    found = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    found.add_column("", no_wrap=True)
    for head in (report["baseline"], report["candidate"]):
        found.add_column(head, justify="right", overflow="fold", min_width=_WIDEST_NUMBER)
    found.add_column("difference", justify="right", no_wrap=True)
    found.add_column("95 % interval", justify="right", no_wrap=True)
    found.add_column("verdict", no_wrap=True)
    for figure in report["figures"]:
        unit = figure["unit"]
        low = -math.inf if figure["low"] is None else figure["low"]
        high = math.inf if figure["high"] is None else figure["high"]
        colour = _COLOURS[figure["verdict"]]
        found.add_row(
            title(figure["name"]) + (" *" if figure["deciding"] else ""),
            number(figure["baseline"], unit),
            number(figure["candidate"], unit),
            number(figure["difference"], unit, signed=True),
            f"{number(low, unit, signed=True)} to {number(high, unit, signed=True)}",
            f"[{colour}]{figure['verdict']}[/]",
        )
    return found


def lines(report: Json) -> Iterator[str]:
    """Yield what stands below the table, the verdict last."""
    if report["figures"]:
        yield "Delays in ms, shares in %. * decides the verdict."
    yield from _left_out(report)
    if report["predictability"]:
        yield from _paths(report)
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


def _paths(report: Json) -> Iterator[str]:
    limit = quantity(report["predictability"]["limit_ns"], "ns")
    for role in ("baseline", "candidate"):
        path = report["predictability"][role]
        out = path["outages"]
        told = [
            f"p99 - p50 within {limit} in {path['minutes_within']:.1%} of minutes, {path['hours_within']:.1%} of hours"
        ]
        if path["robust_cv"] is not None:
            told.append(f"robust coefficient of variation {path['robust_cv']:.3f}")
        if path["hour_of_day_range_ns"] is not None:
            told.append(f"hours of the day within {quantity(path['hour_of_day_range_ns'], 'ns')}")
        if path["day_range_ns"] is not None:
            told.append(f"days within {quantity(path['day_range_ns'], 'ns')}")
        if path["bursts"]:
            bursts = "burst" if path["bursts"] == 1 else "bursts"
            told.append(f"{path['bursts']:,} {bursts} of losses, the longest of {path['longest_burst']:,} packets")
        if out["count"]:
            told.append(f"outages: {out['count']}, {span(out['total_s'])} in all, {span(out['longest_s'])} at most")
        yield f"{report[role]}: {'; '.join(told)}."


def _changes(report: Json) -> Iterator[str]:
    changes = report["changes"]
    for change in changes[:_MOST_CHANGES]:
        before, after = quantity(change["before_ns"], "ns"), quantity(change["after_ns"], "ns")
        cause = "both paths: a common cause" if change["together"] else "this path alone"
        yield f"{change['at']} {change['path']}: {change['of']} changed from {before} to {after} ({cause})."
    if len(changes) > _MOST_CHANGES:
        yield f"{len(changes) - _MOST_CHANGES} further changes are in --json."
