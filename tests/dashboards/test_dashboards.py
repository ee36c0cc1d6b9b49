"""What holds for every dashboard as it is written down, before anybody asks it anything."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from dashboards.generate import FOLDER, RULES, dashboards, generated
from dashboards.promql import BASELINE, CANDIDATE
from dashboards.recording import groups
from docs.metrics import sample_names

_DASHBOARDS: dict[str, dict[str, Any]] = {path.name: json.loads(text) for path, text in dashboards().items()}
_RECORDS = {rule.record for group in groups() for rule in group.rules}
_GRAFANA_DARK, _GRAFANA_LIGHT = "#181b1f", "#ffffff"


def _panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_what_is_committed_is_what_is_generated() -> None:
    files = [*FOLDER.glob("*.json"), RULES / "eragent-recording.yml"]
    committed = {path: path.read_text(encoding="utf-8") for path in files}
    assert committed == generated(), "run: python -m dashboards.generate"


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in _panels(_DASHBOARDS[name]):
        assert len(panel["description"]) > 40, panel["title"]
        if panel["type"] in {"timeseries", "barchart"}:
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_every_query_goes_to_the_data_source_that_the_viewer_chose(name: str) -> None:
    for panel in _panels(_DASHBOARDS[name]):
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_no_two_panels_share_a_place_or_a_number(name: str) -> None:
    panels = _DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_every_metric_of_a_dashboard_exists(name: str) -> None:
    asked = [[panel["targets"] for panel in _panels(_DASHBOARDS[name])], _DASHBOARDS[name]["templating"]]
    named = set(re.findall(r"\b(?:\w+:)?(?:eragent|process)_\w+(?::\w+)?", json.dumps(asked)))
    assert named
    assert {one for one in named if ":" not in one} <= sample_names()
    assert {one for one in named if ":" in one} <= _RECORDS


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_no_panel_reads_the_buckets_of_streams_so_that_a_month_opens_fast(name: str) -> None:
    text = json.dumps([panel["targets"] for panel in _panels(_DASHBOARDS[name])])
    assert set(re.findall(r"(?<!:)\beragent_\w+_bucket\b", text)) <= {"eragent_throughput_loaded_rtt_seconds_bucket"}


def test_every_record_is_used() -> None:
    used = "".join(json.dumps(dashboard) for dashboard in _DASHBOARDS.values())
    used += "".join(rule.expr for group in groups() for rule in group.rules)
    used += (RULES / "eragent-alerts.yml").read_text(encoding="utf-8")
    assert [record for record in sorted(_RECORDS) if not re.search(rf"{record}\b(?!:)", used)] == []


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_every_dashboard_leads_to_the_others_and_keeps_what_was_chosen(name: str) -> None:
    [link] = _DASHBOARDS[name]["links"]
    assert (link["type"], link["tags"]) == ("dashboards", ["eragent"])
    assert link["keepTime"]
    assert link["includeVars"]
    assert "eragent" in _DASHBOARDS[name]["tags"]


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_what_was_not_measured_is_said_to_be_so_and_never_bridged(name: str) -> None:
    for panel in _panels(_DASHBOARDS[name]):
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False, panel["title"]
        if panel["type"] == "table":
            [cells] = [
                override["properties"]
                for override in panel["fieldConfig"]["overrides"]
                if override["matcher"] == {"id": "byType", "options": "number"}
            ]
            assert cells == [{"id": "noValue", "value": "-"}], panel["title"]


@pytest.mark.parametrize("name", _DASHBOARDS)
def test_curves_of_seconds_that_are_zero_do_not_stand_on_an_axis_of_minutes(name: str) -> None:
    for panel in _panels(_DASHBOARDS[name]):
        defaults = panel["fieldConfig"]["defaults"]
        if panel["type"] == "timeseries" and defaults["unit"] == "s":
            assert defaults["custom"]["axisSoftMax"] <= 0.001, panel["title"]


@pytest.mark.parametrize("background", [_GRAFANA_DARK, _GRAFANA_LIGHT])
@pytest.mark.parametrize("role", [BASELINE, CANDIDATE])
def test_the_colours_of_both_paths_are_seen_on_either_theme(role: Any, background: str) -> None:
    lighter, darker = sorted((_luminance(role.colour), _luminance(background)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3, "WCAG 2.1, 1.4.11"


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    red, green, blue = (
        share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4
        for share in (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
