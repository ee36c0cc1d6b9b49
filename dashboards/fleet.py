"""All agents and paths: where is it worst, and where does one have to look."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from dashboards import frame, promql
from dashboards.layout import Section
from dashboards.panels import ALARM, GOOD, WARNING, single_values
from dashboards.promql import SHOWN
from dashboards.tables import Figure, matrix, rows

_STREAM = "agent, target, path, probe"
_CHOSEN = 'agent=~"$agent"'
_ALERTS = 'alertname=~"Eragent.*"'
_DETAIL = (
    "/d/eragent-path-detail?var-datasource=${datasource}&var-agent=${__data.fields.Agent}"
    "&var-target=${__data.fields.Target}&var-probe=${__data.fields.Probe}&var-path=${__data.fields.Path}"
    "&${__url_time_range}"
)


def fleet() -> models.Dashboard:
    """Return the dashboard."""
    return frame.framed(
        "fleet",
        "all agents and paths",
        "Which agent's path is worst, and is anything down?",
        (frame.agent().multi(True).include_all(True),),
        (_now(), _worst_first(), _matrices(), _alerts()),
    )


def _figure(record: str, how: str = "max") -> str:
    return f"{how} by ({_STREAM}) (stream:{record}{{{_CHOSEN}}})"


def _minutes(record: str) -> str:
    return f"min by ({_STREAM}) (avg_over_time(stream:{record}{{{_CHOSEN}}}[{SHOWN}]))"


def _now() -> Section:
    none_is_good = ((None, GOOD), (1, ALARM))
    down = f"min by (agent, target, path) (stream:{promql.LOSS}_1m{{{_CHOSEN}}}) == 1"
    lossy = f"min by (agent, target, path) (stream:{promql.LOSS}_5m{{{_CHOSEN}}}) > 0.01"
    return Section(
        title="Now",
        height=4,
        widths=(6, 6, 6, 6),
        panels=(
            single_values(
                "Paths down",
                "Paths over which no probe of an agent to a target was answered in the last minute.",
                "short",
                promql.number_of(down, f"stream:{promql.LOSS}_1m{{{_CHOSEN}}}"),
                steps=none_is_good,
            ),
            single_values(
                "Paths that lose more than 1 %",
                "Paths of which each probe lost more than 1 % in the last five minutes, those down among them.",
                "short",
                promql.number_of(lossy, f"stream:{promql.LOSS}_5m{{{_CHOSEN}}}"),
                steps=((None, GOOD), (1, WARNING)),
            ),
            single_values(
                "Alerts that fire",
                "All alerts of these rules, for whatever agent. The table at the bottom names them.",
                "short",
                promql.number_of_alerts(_ALERTS),
                steps=none_is_good,
            ),
            single_values(
                "Agents absent",
                "Agents that were scraped within the last day and are not any more: their paths are unknown, not in "
                "the tables below.",
                "short",
                promql.ABSENT_AGENTS,
                steps=none_is_good,
            ),
        ),
    )


def _worst_first() -> Section:
    # A percent that is not delivered now weighs as much as if no minute of what is shown had been predictable.
    score = f"100 * {_figure(f'{promql.LOSS}_5m')} + (1 - {_minutes(promql.PREDICTABLE)})"
    lossy = ((None, "transparent"), (0.001, WARNING), (0.01, ALARM))
    return Section(
        title="Every stream, worst first; the name of a path leads to its details",
        height=12,
        widths=(24,),
        panels=(
            rows(
                "Paths by agent, target and probe",
                "Worst first: a percent not delivered now counts as much as if no minute of what is shown had been "
                "predictable. A dash: there was no answer, or nothing was sent.",
                {"agent": "Agent", "target": "Target", "path": "Path", "probe": "Probe"},
                [
                    Figure(
                        expr=_figure(f"{promql.LOSS}_5m"),
                        heading="Not delivered",
                        unit="percentunit",
                        decimals=2,
                        steps=lossy,
                    ),
                    Figure(expr=_figure(f"{promql.P50}_5m"), heading="p50", unit="s", decimals=2),
                    Figure(expr=_figure(f"{promql.P99}_5m"), heading="p99", unit="s", decimals=2),
                    Figure(expr=_figure(f"{promql.SPREAD}_5m"), heading="Spread", unit="s", decimals=2),
                    Figure(
                        expr=_minutes(promql.AVAILABLE),
                        heading="Available",
                        unit="percentunit",
                        decimals=2,
                        steps=((None, ALARM), (0.99, WARNING), (0.999, "transparent")),
                    ),
                    Figure(
                        expr=_minutes(promql.PREDICTABLE),
                        heading="Predictable",
                        unit="percentunit",
                        decimals=1,
                        steps=((None, ALARM), (0.9, WARNING), (0.99, "transparent")),
                    ),
                    Figure(expr=score, heading="Score", hidden=True),
                ],
                worst_first="Score",
                link=("Path", _DETAIL),
            ),
        ),
    )


def _matrices() -> Section:
    worst_spread = f"max by (agent, target) (stream:{promql.SPREAD}_5m{{{_CHOSEN}}})"
    best_loss = f"min by (agent, target) (stream:{promql.LOSS}_5m{{{_CHOSEN}}})"
    return Section(
        title="Site by site: from the agent (row) to the target (column)",
        height=7,
        widths=(12, 12),
        panels=(
            matrix(
                "Spread of the worst path",
                "The last five minutes' p99 less median of the worst path and probe from the agent to the target. "
                "Orange from 5 ms, red from 20 ms on.",
                "s",
                worst_spread,
                row="agent",
                column="target",
                steps=((None, "transparent"), (0.005, WARNING), (0.02, ALARM)),
            ),
            matrix(
                "Not delivered, by the best path",
                "What even the best path and probe did not deliver in the last five minutes: anything but zero hurts "
                "users of this pair of sites. Orange from 0.1 %, red from 1 % on.",
                "percentunit",
                best_loss,
                row="agent",
                column="target",
                steps=((None, "transparent"), (0.001, WARNING), (0.01, ALARM)),
            ),
        ),
    )


def _alerts() -> Section:
    return Section(
        title="Alerts",
        height=8,
        widths=(24,),
        panels=(
            rows(
                "Alerts that fire",
                "Each has a page in docs/runbooks that says what it means and what to check. A single row named none "
                "means that all is quiet.",
                {
                    "alertname": "Alert",
                    "severity": "Severity",
                    "agent": "Agent",
                    "target": "Target",
                    "path": "Path",
                    "probe": "Probe",
                    "what": "What",
                },
                [Figure(expr=promql.alerts(_ALERTS), heading="Fires", hidden=True)],
                by_words="Severity",  # page before ticket
                empty="no rule is evaluated: has Prometheus the rule files?",
                widths={"Alert": 280, "Severity": 90},
            ),
        ),
    )
