"""Throughput and load: is it what was bought, what limited it, and what does load do to the latency."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, BarGaugeValueMode, VizOrientation

from dashboards import frame, promql
from dashboards.layout import Section
from dashboards.panels import (
    ALARM,
    DASHED,
    DATA_SOURCE,
    GOOD,
    NEUTRAL,
    NOTHING,
    WARNING,
    Chart,
    Curve,
    chart,
    fixed_colour,
    query,
    single_values,
    thresholds,
)
from dashboards.promql import CANDIDATE, SHOWN, STEP, TARGET
from dashboards.tables import Figure, rows

_TEST = "agent, probe, target, path, direction, protocol, stage"
_LOADED = f"eragent_throughput_loaded_rtt_seconds_bucket{{{TARGET}}}"


def throughput_load() -> models.Dashboard:
    """Return the dashboard."""
    return frame.framed(
        "throughput-load",
        "throughput and load",
        "Do the paths carry what was bought, what limits them, and what does load do to the latency?",
        (frame.agent(), frame.target()),
        (_bought(), _results(), _loaded(), _budget()),
    )


def _bought() -> Section:
    reached = "max by (path, direction) (path:eragent_throughput:purchased_ratio{" + TARGET + "})"
    return Section(
        title="$agent to $target: is it what was bought?",
        height=7,
        widths=(8, 16),
        panels=(
            single_values(
                "Latest test, of the purchased rate",
                "The best stage of the latest complete test, of the rate that the configuration names as purchased. "
                "Orange below 80 %, red below 50 %. Headers take 3 to 6 % of a link's rate.",
                "percentunit",
                reached,
                name="{{path}} {{direction}}",
                steps=((None, ALARM), (0.5, WARNING), (0.8, GOOD)),
                decimals=0,
            ),
            chart(
                Chart(
                    title="Throughput of the best stage, and what was bought",
                    description="Each step is a test; between tests its result stands. Grey and dashed: the purchased "
                    "rates.",
                    unit="bps",
                ),
                [
                    Curve(
                        expr=f"8 * max by (path, direction) (eragent_throughput_bytes_per_second{{{TARGET}}})",
                        legend="{{path}} {{direction}}",
                    ),
                    Curve(
                        expr='8 * max by (path) (eragent_path_purchased_bytes_per_second{agent="$agent"})',
                        legend="{{path}} purchased",
                        colour=NEUTRAL,
                        dash=DASHED,
                        width=1,
                    ),
                ],
            ),
        ),
    )


def _results() -> Section:
    result = f"eragent_throughput_bytes_per_second{{{TARGET}}}"
    limited = f"eragent_throughput_limited_by{{{TARGET}}} == 1"
    carried = f"8 * max by ({_TEST}, limit) ({result} * on ({_TEST}) group_left (limit) ({limited}))"
    age = f"time() - max by ({_TEST}) (eragent_throughput_timestamp_seconds{{{TARGET}}})"
    limit = f"* on ({_TEST}) group_left (limit) ({limited})"
    lost = f"max by ({_TEST}) (eragent_throughput_loss_ratio{{{TARGET}}})"
    return Section(
        title="Results of the latest tests",
        height=8,
        widths=(24,),
        panels=(
            rows(
                "By stage and direction",
                "The latest complete test of each stage. Limited by: docs/throughput.md has the rules; asked and cpu "
                "are no limits of the path. Sent again: segments (TCP), or datagrams that were lost (UDP).",
                {
                    "path": "Path",
                    "direction": "Direction",
                    "protocol": "Protocol",
                    "stage": "Flows",
                    "limit": "Limited by",
                },
                [
                    Figure(expr=carried, heading="Throughput", unit="bps", decimals=1),
                    Figure(expr=f"{lost} {limit}", heading="Sent again", unit="percentunit", decimals=3),
                    Figure(expr=f"({age}) {limit}", heading="Age", unit="s", decimals=0),
                ],
                worst_first="Throughput",
            ),
        ),
    )


def _loaded() -> Section:
    loaded = f"(histogram_quantile(0.95, sum by (path, load, le) ({_LOADED})) >= 0)"
    idle = f"avg by (path) (quantile_over_time(0.5, stream:{promql.P95}_1m{{{TARGET}}}[{SHOWN}]))"
    panel = (
        bargauge.Panel()
        .title("p95 of the round trip: usual, and while a test loaded the path")
        .description(
            "Grey: usual, the median of the minutes' p95 within what is shown. Blue: loaded, by all tests since the "
            "agent started. A path whose latency grows by a multiple under load has long queues, and no priority for "
            "the probe's marks."
        )
        .datasource(DATA_SOURCE)
        .unit("s")
        .min(0)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .value_mode(BarGaugeValueMode.TEXT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds((None, CANDIDATE.colour)))
        .no_value(NOTHING)
        .with_target(query(idle, "{{path}} usual", "A", instant=True))
        .override_by_query("A", [fixed_colour(NEUTRAL)])
        .with_target(query(loaded, "{{path}} {{load}}", "B", instant=True))
    )
    others = Chart(
        title="p95 of the round trip over time",
        description="Of every probe and path to the target: humps at the times of tests are what load does, also to "
        "the paths that are not tested.",
        unit="s",
    )
    return Section(
        title="What load does to the latency",
        height=9,
        widths=(12, 12),
        panels=(
            panel,
            chart(
                others,
                [
                    Curve(
                        expr=f"max by (path, probe) (max_over_time(stream:{promql.P95}_1m{{{TARGET}}}[{STEP}]))",
                        legend="{{path}} {{probe}}",
                    )
                ],
            ),
        ),
    )


def _budget() -> Section:
    budget = 'eragent_throughput_budget{}_bytes{{agent="$agent"}}'
    counted = f"sum by (path, probe, outcome, reason) (eragent_throughput_tests_total{{{TARGET}}})"
    left, whole = budget.format("_left"), budget.format("")
    return Section(
        title="The tests themselves",
        height=7,
        widths=(6, 6, 12),
        panels=(
            single_values(
                "Left of today's budget",
                "Of what all tests of a probe may move over the path in a day. At zero tests are skipped, and results "
                "grow old. No data where the configuration has no budget.",
                "percentunit",
                f"min by (path, probe) ({left} / ({whole} > 0))",
                name="{{path}} {{probe}}",
                steps=((None, WARNING), (0.1, GOOD)),
                decimals=0,
            ),
            single_values(
                "Next tests, in",
                "How long until the timetable has the next round of each probe.",
                "s",
                'clamp_min(max by (probe) (eragent_throughput_due_timestamp_seconds{agent="$agent"}) - time(), 0)',
                name="{{probe}}",
            ),
            rows(
                "Tests since the agent started",
                "How tests went, and why those that are not complete are not: docs/throughput.md explains the reasons.",
                {"path": "Path", "probe": "Probe", "outcome": "Outcome", "reason": "Reason"},
                [Figure(expr=f"{counted} > 0", heading="Tests")],
                worst_first="Tests",
            ),
        ),
    )
