"""Every query of every dashboard and every rule, asked of a real Prometheus that reads two real agents."""

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
from tests.dashboards.programs import AGENT, UNANSWERED, WITH_ONE_PATH, Prometheus, debian_program, fetch

_DASHBOARDS: dict[str, Any] = {path.name: json.loads(text) for path, text in dashboards().items()}
_INTERVALS = {"__rate_interval": "5s", "__range": "10s"}
_CHOICES = {
    "agent": AGENT,
    "target": "here",
    "probe": "stamp",
    "baseline": "vpn",
    "candidate": "expressroute",
    "path": "expressroute",
}
_NOTHING_ANSWERED = {
    "agent": UNANSWERED,
    "target": "nobody",
    "probe": "stamp",
    "baseline": "vpn",
    "candidate": "vpn",
    "path": "vpn",
}
_ALONE = {
    "agent": WITH_ONE_PATH,
    "target": "alone",
    "probe": "stamp",
    "baseline": "expressroute",
    "candidate": "expressroute",
    "path": "expressroute",
}

_NO_TEST = "tests of throughput run at whole minutes: none does in these seconds"
_MAY_BE_EMPTY = {
    "Share of packets slower than …": "every round trip over loopback may lie below the first bound",
    "Of purchased rate": _NO_TEST,
    "Latest test, of the purchased rate": _NO_TEST,
    "Throughput of the best stage, and what was bought": _NO_TEST,
    "By stage and direction": _NO_TEST,
    "Path MTU in bytes, as tests of throughput knew it": _NO_TEST,
    "p95 of the round trip: usual, and while a test loaded the path": _NO_TEST,
    "Left of today's budget": _NO_TEST,
    "Next tests, in": _NO_TEST,
    "Tests since the agent started": _NO_TEST,
    "Unavailable": "no path is down: the mark of an outage is not there",
    "Loss": "nothing is lost: the mark of loss is not there",
}
_MAY_BE_UNRECORDED = {
    "stream:eragent_rtt_seconds:p99_usual": "what is usual is known after a day",
    "stream:eragent_packets_undelivered:ratio_usual": "what is usual is known after a day",
    "path:eragent_throughput:purchased_ratio": _NO_TEST,
    "path:eragent_throughput:age_seconds": _NO_TEST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    dashboard: str
    panel: str
    expression: str
    legend: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expression}"


def _queries() -> Iterator[_Query]:
    for name, dashboard in _DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield _Query(
                    dashboard=name,
                    panel=panel["title"],
                    expression=target["expr"],
                    legend=target.get("legendFormat", ""),
                    instant=target.get("instant", False),
                )
        for mark in dashboard.get("annotations", {}).get("list") or ():
            yield _Query(dashboard=name, panel=mark["name"], expression=mark["expr"], legend="", instant=False)


def _filled_in(text: str, choices: dict[str, str]) -> str:
    values = {**choices, **_INTERVALS}
    return re.sub(r"\$([a-z_]+)", lambda match: values[match[1]], text)


def _series(server: Prometheus, query: _Query, choices: dict[str, str]) -> list[dict[str, Any]]:
    expression = _filled_in(query.expression, choices)
    if query.instant:
        data = server.answer("query", query=expression)
        return [{**series, "values": [series["value"]]} for series in data["result"]]
    now = time.time()
    found: list[dict[str, Any]] = server.answer("query_range", query=expression, start=now - 3, end=now, step=1)[
        "result"
    ]
    return found


def _not_numbers(answers: dict[_Query, list[dict[str, Any]]]) -> list[str]:
    return [
        str(query)
        for query, series in answers.items()
        for one in series
        for _, value in one["values"]
        if not math.isfinite(float(value))
    ]


def test_every_panel_has_an_answer_and_none_is_not_a_number(measured: Prometheus) -> None:
    answers = {query: _series(measured, query, _CHOICES) for query in _queries()}
    assert len(answers) > 100
    empty = [str(query) for query, series in answers.items() if not series and query.panel not in _MAY_BE_EMPTY]
    assert not empty
    assert not _not_numbers(answers)


def test_of_a_path_that_never_answered_panels_say_what_is_true_or_nothing(measured: Prometheus) -> None:
    answers = {query: _series(measured, query, _NOTHING_ANSWERED) for query in _queries()}
    assert not _not_numbers(answers)
    shown = {(query.dashboard, query.panel): series for query, series in answers.items()}

    def value(panel: str) -> float:
        [series] = shown["path-detail.json", panel]
        return float(series["values"][-1][1])

    assert value("Not delivered") == 1
    assert value("Available minutes") == 0
    assert value("Predictable minutes") == 0
    assert not shown["path-detail.json", "p99 round trip"]


def test_of_an_agent_with_one_path_panels_say_that_there_is_nothing_to_compare(measured: Prometheus) -> None:
    answers = {query: _series(measured, query, _ALONE) for query in _queries()}
    assert not _not_numbers(answers)
    shown = {query.panel: series for query, series in answers.items() if query.dashboard == "path-comparison.json"}
    [winner] = shown["More predictable"]
    assert winner["metric"]["winner"] == "one path only"
    [verdict] = shown["Verdict, last day"]
    assert verdict["metric"]["verdict"] == "not compared"
    assert shown["p99 round trip"]


def test_all_agents_can_be_chosen_at_once(measured: Prometheus) -> None:
    everyone = {**_CHOICES, "agent": f"{AGENT}|{UNANSWERED}"}
    answers = {
        query: _series(measured, query, everyone)
        for query in _queries()
        if query.dashboard in {"fleet.json", "instrument-health.json"}
    }
    assert not _not_numbers(answers)
    [paths] = [
        series
        for query, series in answers.items()
        if query.panel == "Paths by agent, target and probe" and "100 * " in query.expression
    ]
    scores = {series["metric"]["agent"]: float(series["values"][-1][1]) for series in paths}
    assert max(scores, key=scores.__getitem__) == UNANSWERED


def test_every_rule_is_evaluated_without_an_error_and_every_record_is_there(measured: Prometheus) -> None:
    rules = [rule for group in measured.answer("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
    records = {rule["name"] for rule in rules if rule["type"] == "recording"}
    counted = {record: measured.value(f"count({record})") for record in records}
    assert {record for record, count in counted.items() if not count} == set(_MAY_BE_UNRECORDED)
    for record in records - set(_MAY_BE_UNRECORDED):
        found = measured.answer("query", query=record)["result"]
        assert all(math.isfinite(float(series["value"][1])) for series in found), record


def test_every_alerts_expression_has_an_answer_or_none(measured: Prometheus) -> None:
    alerts = {
        rule["name"]: rule
        for group in measured.answer("rules")["groups"]
        for rule in group["rules"]
        if rule["type"] == "alerting"
    }
    for rule in alerts.values():
        for series in measured.answer("query", query=rule["query"])["result"]:
            assert math.isfinite(float(series["value"][1])), rule["name"]
    assert [alert["labels"]["agent"] for alert in alerts["EragentPathDown"]["alerts"]] == [UNANSWERED]


def test_every_variable_offers_what_runs_and_the_two_paths_begin_apart(measured: Prometheus) -> None:
    for dashboard in _DASHBOARDS.values():
        offered = {
            variable["name"]: _offered(measured, variable)
            for variable in dashboard["templating"]["list"]
            if variable["type"] == "query"
        }
        assert offered
        for name, values in offered.items():
            assert values[0] == _CHOICES[name], name


def _offered(server: Prometheus, variable: dict[str, Any]) -> list[str]:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", _filled_in(variable["query"], _CHOICES))
    assert match is not None, variable["query"]
    values = server.answer(f"label/{match[2]}/values", **{"match[]": match[1]})
    return sorted(values, reverse=variable["sort"] == 2)


def test_every_legend_names_labels_that_its_series_have(measured: Prometheus) -> None:
    for query in _queries():
        named = set(re.findall(r"{{(\w+)}}", query.legend))
        for series in _series(measured, query, _CHOICES):
            assert named <= series["metric"].keys(), str(query)


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
