from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks.peers.__main__ import FILES
from benchmarks.peers.chart import chart
from benchmarks.peers.curve import FRACTIONS, at_fractions, nines
from benchmarks.peers.page import page
from benchmarks.peers.results import from_json, to_json
from tests.benchmarks.peers.comparing import NAMES, NOT_INSTALLED, results

ALL = dict.fromkeys(NAMES, 10_000)


def published(suffix: str) -> str:
    return Path(f"{FILES}{suffix}").read_text(encoding="utf-8")


def test_the_published_page_and_picture_are_those_of_the_published_results() -> None:
    found = from_json(published(".json"))
    assert published(".md") == page(found), "run: python -m benchmarks.peers --render"
    assert published(".svg") == chart(found), "run: python -m benchmarks.peers --render"


def test_results_survive_their_json() -> None:
    found = results(ALL)
    assert from_json(to_json(found)) == found


def rows(text: str, tool: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"| {tool} ")]


def test_a_tool_that_is_not_installed_has_a_reason_and_no_figure() -> None:
    text = page(results({name: p99 for name, p99 in ALL.items() if name != "fping"}))
    idle, busy, cost, program = rows(text, "fping")
    assert f"not run: {NOT_INSTALLED}" in idle
    assert "µs" not in idle + busy + cost
    assert "not installed" in program


def test_bounded_errors_are_marked_and_others_are_not() -> None:
    text = page(results(ALL))
    assert "≥ 10.0 µs" in rows(text, "smokeping_prober")[0]
    assert "≥" not in rows(text, "ping")[0]


def test_the_picture_is_svg_with_two_curves_for_each_tool_that_ran() -> None:
    picture = chart(results({name: p99 for name, p99 in ALL.items() if name != "irtt"}))
    svg = ET.fromstring(picture)
    curves = svg.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(curves) == 2 * (len(NAMES) - 1)
    assert ">irtt<" not in picture
    assert sum("stroke-dasharray" in curve.attrib for curve in curves) == 2


def test_without_any_result_there_is_a_picture_all_the_same() -> None:
    assert "polyline" not in chart(results({}))
    ET.fromstring(chart(results({})))


def test_fractions_reach_three_nines_in_equal_steps() -> None:
    assert (FRACTIONS[0], round(FRACTIONS[-1], 9)) == (0, 0.999)
    assert round(nines(0.99), 9) == 2
    assert at_fractions(range(1, 1001))[-1] == 999
    assert at_fractions([7]) == (7,) * len(FRACTIONS)
