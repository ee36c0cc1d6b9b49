"""The front page: two paths side by side, which one is the more predictable, and can the figures be trusted."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from agent.histogram import RTT_BOUNDS_NS
from dashboards import frame, promql
from dashboards.comparison_curves import loss, round_trip, variation
from dashboards.comparison_now import now
from dashboards.distributions import bars, heat_map
from dashboards.instrument import trust
from dashboards.layout import Section
from dashboards.promql import ROLES
from dashboards.tables import Figure, matrix, rows

HOURS = [f"{hour:02}" for hour in range(24)]
WEEKDAYS = dict(zip("0123456", ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"), strict=True))


def path_comparison() -> models.Dashboard:
    """Return the dashboard."""
    return frame.framed(
        "path-comparison",
        "two paths compared",
        "Which of two paths to the same target is the more predictable, and can the figures be trusted?",
        (
            frame.agent(),
            frame.target(),
            frame.probe(),
            frame.path("baseline", "Baseline path", last=True),
            frame.path("candidate", "Candidate path"),
        ),
        (now(), _alerts(), round_trip(), loss(), variation(), _distribution(), _hours(), trust()),
    )


def _alerts() -> Section:
    return Section(
        title="Alerts, and what is compared",
        height=7,
        widths=(15, 9),
        panels=(
            rows(
                "Alerts that fire for $agent",
                "As Prometheus evaluates the rules; each has a page in docs/runbooks. One row, none: all is quiet.",
                {
                    "alertname": "Alert",
                    "severity": "Severity",
                    "target": "Target",
                    "path": "Path",
                    "probe": "Probe",
                    "what": "What",
                },
                [Figure(expr=promql.alerts('agent="$agent"'), heading="Fires", hidden=True)],
                by_words="Severity",  # page before ticket
                empty="no rule is evaluated: has Prometheus the rule files?",
                widths={"Alert": 270, "Severity": 80},
            ),
            rows(
                "What is compared",
                "The paths as the agent's configuration has them: their kind, and what pins packets to them.",
                {"path": "Path", "kind": "Kind", "source": "Source", "interface": "Interface"},
                [
                    Figure(
                        expr='eragent_path_info{agent="$agent", path=~"$baseline|$candidate"}',
                        heading="Configured",
                        hidden=True,
                    )
                ],
            ),
        ),
    )


def _distribution() -> Section:
    return Section(
        title="Distribution of the round-trip time",
        height=9,
        widths=(8, 8, 8),
        panels=(
            bars(
                "Share of packets slower than …",
                "Both paths, over all that is shown, in steps of five minutes. The path whose bars fall earlier and "
                "more steeply is the faster and the more predictable one; low bars to the right are its tail. Bounds "
                "that all packets or none exceed are left out.",
                "percentunit",
                category="Slower than",
                share=promql.slower_than,
                names={f"{bound_ns / 1e9:g}": f"{bound_ns / 1e6:g} ms" for bound_ns in RTT_BOUNDS_NS},
            ),
            *(
                heat_map(
                    f"${role.variable}: round-trip times over time",
                    "Packets a second by bucket of the round-trip time, which widen with it: equal heights are about "
                    "equal ratios.",
                    "s",
                    promql.heat(role),
                    role,
                )
                for role in ROLES
            ),
        ),
    )


def _hours() -> Section:
    return Section(
        title="The tail by hour of the day (UTC): when is it bad?",
        height=9,
        widths=(24,),
        panels=[
            matrix(
                f"${role.variable}: p99 by weekday and hour, in ms",
                "Mean of the p99 of all five minutes of that hour and weekday within what is shown, in UTC: choose a "
                "week or more. The darker, the slower, beside the slowest hour; without colour: unknown.",
                "none",
                promql.by_hour(role),
                decimals=None,
                heading="UTC",
                row="weekday",
                column="hour",
                columns=HOURS,
                row_words=WEEKDAYS,
            )
            for role in ROLES
        ],
    )
