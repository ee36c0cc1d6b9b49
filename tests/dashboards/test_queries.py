"""Every query of every dashboard, asked of a real Prometheus that reads a real agent."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dashboards.generate import dashboards
from tests.dashboards.programs import AGENT, Prometheus, debian_program, fetch

_DASHBOARDS: dict[str, Any] = {path.name: json.loads(text) for path, text in dashboards().items()}
_INTERVALS = {"window": "5s", "__rate_interval": "5s", "__range": "10s"}
_CHOICES = {"agent": AGENT, "target": "here", "probe": "stamp", "baseline": "vpn", "candidate": "expressroute"}

_MAY_BE_EMPTY = {
    # Every round trip over loopback may lie below the first bound, and then no bound tells anything.
    "Share of packets slower than …",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    dashboard: str
    panel: str
    expression: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.panel}: {self.expression}"


def _queries() -> Iterator[_Query]:
    for name, dashboard in _DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield _Query(
                    dashboard=name,
                    panel=panel["title"],
                    expression=target["expr"],
                    instant=target.get("instant", False),
                )


def _filled_in(text: str) -> str:
    values = {**_CHOICES, **_INTERVALS}
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], text)


def _series(server: Prometheus, query: _Query) -> list[dict[str, Any]]:
    expression = _filled_in(query.expression)
    if query.instant:
        data = server.answer("query", query=expression)
        return [{**series, "values": [series["value"]]} for series in data["result"]]
    now = time.time()
    found: list[dict[str, Any]] = server.answer("query_range", query=expression, start=now - 3, end=now, step=1)[
        "result"
    ]
    return found


def test_every_panel_has_an_answer_and_none_is_not_a_number(measured: Prometheus) -> None:
    answers = {query: _series(measured, query) for query in _queries()}
    assert len(answers) > 30
    empty = [str(query) for query, series in answers.items() if not series and query.panel not in _MAY_BE_EMPTY]
    assert not empty
    not_a_number = [
        str(query)
        for query, series in answers.items()
        for one in series
        for _, value in one["values"]
        if not math.isfinite(float(value))
    ]
    assert not not_a_number


def test_every_variable_offers_what_runs_and_the_two_paths_begin_apart(measured: Prometheus) -> None:
    offered = {
        variable["name"]: _offered(measured, variable)
        for dashboard in _DASHBOARDS.values()
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    }
    assert {name: values[0] for name, values in offered.items()} == _CHOICES


def _offered(server: Prometheus, variable: dict[str, Any]) -> list[str]:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", _filled_in(variable["query"]))
    assert match is not None, variable["query"]
    values = server.answer(f"label/{match[2]}/values", **{"match[]": match[1]})
    return sorted(values, reverse=variable["sort"] == 2)


def test_every_legend_names_labels_that_its_series_have(measured: Prometheus) -> None:
    legends = {
        target["expr"]: set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
        for dashboard in _DASHBOARDS.values()
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }
    for query in _queries():
        for series in _series(measured, query):
            assert legends[query.expression] <= series["metric"].keys(), str(query)


def test_promtool_has_nothing_to_say_of_the_metrics(agent_url: str) -> None:
    metrics = fetch(f"{agent_url}/metrics")
    assert "eragent_rtt_seconds_bucket" in metrics
    said = subprocess.run(
        [debian_program("promtool"), "check", "metrics"], input=metrics, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@pytest.mark.parametrize("panel", sorted(_MAY_BE_EMPTY))
def test_what_may_be_empty_is_still_there(panel: str) -> None:
    assert panel in {query.panel for query in _queries()}
