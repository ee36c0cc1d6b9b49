"""Draws the distributions of errors as SVG: a curve for each tool, idle and busy side by side. No I/O.

The error is on a logarithmic axis, and so is what is missing to all packets: each step up is one more nine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.peers import eragent
from benchmarks.peers.curve import FRACTIONS, NINES, nines
from benchmarks.peers.fping import FPING
from benchmarks.peers.gufo import GUFO
from benchmarks.peers.irtt import IRTT
from benchmarks.peers.ping import PING
from benchmarks.peers.results import Errors, Results
from benchmarks.peers.smokeping import SMOKEPING

# Blue is eragent; the others are told apart by colour-blind readers too (Okabe and Ito, 2008).
_COLOURS = {
    eragent.ICMP.name: "#0b3c8c",
    eragent.STAMP.name: "#2f7de1",
    eragent.STAMP_PLAIN.name: "#85b8f5",
    PING.name: "#d55e00",
    FPING.name: "#e69f00",
    IRTT.name: "#a5281b",
    SMOKEPING.name: "#8a4f9e",
    GUFO.name: "#009e73",
}
_INK, _FAINT, _GRID = "#24292f", "#6e7781", "#e3e6ea"
_LEAST_US = 1.0
_WIDTH, _HEIGHT = 1000, 494
_PANEL_WIDTH, _PANEL_HEIGHT, _TOP = 425, 320, 118
_LEFTS = (58, 550)
_LEGEND_COLUMNS = (0, 185, 370, 640)
_TICKS = ((0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"))


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a value stands in a panel, whose left edge is at ``left``; x ends with the decade of ``most_us``."""

    left: float
    decades: int

    def x(self, us: float) -> float:
        share = math.log10(max(us, _LEAST_US) / _LEAST_US) / self.decades
        return self.left + min(share, 1) * _PANEL_WIDTH

    def y(self, fraction: float) -> float:
        return _TOP + (1 - nines(fraction) / NINES) * _PANEL_HEIGHT


def chart(results: Results) -> str:
    """Return the picture; a tool that did not run has no curve and is not in the legend."""
    curves = {run.tool for run in results.accuracy if run.found is not None}
    largest_us = max(
        (run.found.network.curve[-1] / 1e3 for run in results.accuracy if run.found is not None), default=10.0
    )
    decades = max(math.ceil(math.log10(max(largest_us, 10) / _LEAST_US)), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFTS[0], 28, "How far reported round-trip times are from the captured ones", size=17, weight=600),
        *_legend([name for name in _COLOURS if name in curves]),
    ]
    for left, busy, title in zip(_LEFTS, (False, True), ("Idle", "A busy loop on every core"), strict=True):
        scale = _Scale(left, decades)
        parts += _axes(scale, title)
        for name in reversed(_COLOURS):  # eragent is drawn last, on top
            found = results.accuracy_of(name, busy=busy)
            if found is not None:
                parts.append(_curve(scale, found.network, _COLOURS[name], thick=name.startswith("eragent")))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(names: Sequence[str]) -> Iterator[str]:
    for place, name in enumerate(names):
        x, y = _LEFTS[0] + _LEGEND_COLUMNS[place % 4], 54 + place // 4 * 22
        dashes, note = (' stroke-dasharray="5 4"', " (at least)") if name == SMOKEPING.name else ("", "")
        width = 3 if name.startswith("eragent") else 2
        yield f'<path d="M{x} {y - 4}h24" stroke="{_COLOURS[name]}" stroke-width="{width}"{dashes}/>'
        yield _text(x + 31, y, name + note)


def _axes(scale: _Scale, title: str) -> Iterator[str]:
    bottom, right = _TOP + _PANEL_HEIGHT, scale.left + _PANEL_WIDTH
    for fraction, label in _TICKS:
        y = scale.y(fraction)
        yield f'<path d="M{scale.left} {y:.1f}H{right}" stroke="{_GRID}"/>'
        yield _text(scale.left - 7, y + 4, label, colour=_FAINT, anchor="end", size=12)
    for decade in range(scale.decades + 1):
        x = scale.x(_LEAST_US * 10**decade)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="{_GRID}"/>'
        yield _text(x, bottom + 19, _duration(_LEAST_US * 10**decade), colour=_FAINT, anchor="middle", size=12)
    yield f'<path d="M{scale.left} {bottom}H{right}" stroke="{_FAINT}"/>'
    yield _text(scale.left, _TOP - 12, title, weight=600)
    yield _text(right, _TOP - 12, "packets with at most this error", colour=_FAINT, anchor="end", size=12)
    caption = "error of the round-trip time"
    yield _text(scale.left + _PANEL_WIDTH / 2, bottom + 42, caption, colour=_FAINT, anchor="middle", size=12)


def _curve(scale: _Scale, errors: Errors, colour: str, *, thick: bool) -> str:
    points = (
        f"{scale.x(error / 1e3):.1f},{scale.y(fraction):.1f}"
        for fraction, error in zip(FRACTIONS, errors.curve, strict=True)
        if fraction * errors.packets <= errors.packets - 1  # of 300 packets none tells of the 99.9th percentile
    )
    dashes = ' stroke-dasharray="5 4"' if errors.at_least else ""
    width = 3 if thick else 2
    shape = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{dashes}'
    return f'<polyline points="{" ".join(points)}" {shape}/>'


def _text(
    x: float, y: float, text: str, *, colour: str = _INK, anchor: str = "start", size: int = 13, weight: int = 400
) -> str:
    style = f'fill="{colour}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'


def _duration(us: float) -> str:
    if us < 1000:
        return f"{us:g} µs"
    return f"{us / 1000:g} ms" if us < 1e6 else f"{us / 1e6:g} s"
