"""Recording rules: the ratios and quantiles that dashboards and alerts ask for. Knows nothing of how they are drawn.

A record is named ``level:metric:operation``. Of level ``stream`` it has the labels of a stream (agent, probe, kind,
target, path), of level ``path`` those without the probe, of level ``agent`` the agent alone, and each of them whatever
labels the scrape configuration adds, such as a site. Windows are in the names. Nothing divides by zero: where nothing
was measured there is no sample, so that a gap stays a gap and is no success.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PANEL = "1m"
"""The window of curves: four scrapes of 15 s."""
NOW = "5m"
"""The window of present figures and of what alerts compare."""
BUDGET_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Windows of alerts on burn rates, long and short, as chapter 5 of the SRE workbook has them."""
QUANTILES = {PANEL: {"p50": 0.5, "p95": 0.95, "p99": 0.99}, NOW: {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}}
"""A minute of 20 packets a second has one packet beyond its p99.9: that quantile is of five minutes alone."""

_ONE_INSTANCE = "without (instance, job)"  # an agent that moves to another port stays the same agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One record and what it is made of."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated one after the other, so that later ones see earlier ones' records."""

    name: str
    about: str
    rules: Sequence[Rule]
    interval: str | None = None


def groups() -> tuple[Group, ...]:
    """Return all groups."""
    return (
        Group(
            name="eragent-streams",
            about="What became of packets and how long they took, in the last minute and the last five.",
            rules=[
                *(rule for window in (PANEL, NOW) for rule in (*_undelivered(window), *_delays(window))),
                _variation(),
                *_minutes(),
                *_marks(),
            ],
            interval="30s",
        ),
        Group(
            name="eragent-distributions",
            about="How long packets took, each in one window alone: a month of these is read at once.",
            rules=[_buckets(NOW)],
            interval=NOW,
        ),
        Group(
            name="eragent-budgets",
            about="Shares of bad minutes, which alerts on burn rates compare with what the objectives allow.",
            rules=[rule for window in BUDGET_WINDOWS for rule in _bad_minutes(window)],
            interval="1m",
        ),
        Group(
            name="eragent-usual",
            about="What is usual of a path: the median of a week that ends an hour ago, once a day of it is known.",
            rules=[_usual("eragent_rtt_seconds:p99"), _usual("eragent_packets_undelivered:ratio")],
            interval="5m",
        ),
        Group(
            name="eragent-hours",
            about="The tail by hour of the day and day of the week, UTC; Sunday is 0.",
            rules=[
                Rule(
                    record="stream:eragent_rtt_seconds:p99_by_hour",
                    expr="stream:eragent_rtt_seconds:p99_5m\n"
                    "  * on () group_left (hour)\n"
                    '      label_replace(count_values("hour", hour()), "hour", "0$1", "hour", "(.)")\n'
                    '  * on () group_left (weekday) count_values("weekday", day_of_week())',
                )
            ],
            interval="1m",
        ),
        Group(name="eragent-throughput", about="Results of tests beside what was bought.", rules=list(_throughput())),
        Group(name="eragent-agents", about="What hosts did to their measurements.", rules=list(_agents())),
    )


def _undelivered(window: str) -> Iterator[Rule]:
    """Lost without an answer in time (RFC 6673) or turned down: a router that says so delivers as little."""
    yield Rule(
        record=f"stream:eragent_packets_undelivered:ratio_{window}",
        expr="sum without (instance, job, reason) (\n"
        f"  rate(eragent_packets_lost_total[{window}]) or rate(eragent_packets_failed_total[{window}])\n"
        ")\n"
        f"  / (sum {_ONE_INSTANCE} (rate(eragent_packets_sent_total[{window}])) > 0)",
    )


def _delays(window: str) -> Iterator[Rule]:
    """Means are exact; quantiles are those of buckets. Without observations there is no sample (NaN compares false)."""
    for histogram in ("eragent_rtt_seconds", "eragent_ipdv_seconds"):
        total, count = (f"sum {_ONE_INSTANCE} (rate({histogram}_{part}[{window}]))" for part in ("sum", "count"))
        yield Rule(record=f"stream:{histogram}:mean_{window}", expr=f"{total}\n  / ({count} > 0)")
    buckets = _buckets(window)
    if window == PANEL:  # a heat map of hours reads them as finely as curves do
        yield buckets
    counted = buckets.record if window == PANEL else buckets.expr
    for name, q in QUANTILES[window].items():
        yield Rule(
            record=f"stream:eragent_rtt_seconds:{name}_{window}", expr=f"histogram_quantile({q:g}, {counted}) >= 0"
        )
    yield Rule(
        record=f"stream:eragent_rtt_seconds:spread_{window}",
        expr=f"stream:eragent_rtt_seconds:p99_{window} - stream:eragent_rtt_seconds:p50_{window}",
    )


def _buckets(window: str) -> Rule:
    return Rule(
        record=f"stream:eragent_rtt_seconds_bucket:rate_{window}",
        expr=f"sum {_ONE_INSTANCE} (rate(eragent_rtt_seconds_bucket[{window}]))",
    )


def _variation() -> Rule:
    buckets = f"sum {_ONE_INSTANCE} (rate(eragent_ipdv_seconds_bucket[{PANEL}]))"
    return Rule(record=f"stream:eragent_ipdv_seconds:p99_{PANEL}", expr=f"histogram_quantile(0.99, {buckets}) >= 0")


def _minutes() -> Iterator[Rule]:
    """Whether the last minute was a good one: 1 or 0; nothing where nothing was sent.

    A minute without any answer is neither available nor predictable.
    """
    yield Rule(
        record="stream:eragent_minute_available:bool",
        expr=f"stream:eragent_packets_undelivered:ratio_{PANEL} < bool 0.5",
    )
    yield Rule(
        record="stream:eragent_minute_predictable:bool",
        expr=f"stream:eragent_rtt_seconds:spread_{PANEL} <= bool scalar(eragent:spread_seconds:objective)\n"
        f"  or 0 * stream:eragent_packets_undelivered:ratio_{PANEL}",
    )


def _marks() -> Iterator[Rule]:
    """Which share of received packets the kernel stamped at both ends."""
    kernel, received = (
        f"sum {without} (rate(eragent_{counter}[{NOW}]))"
        for without, counter in (
            ("without (instance, job, source)", 'timestamps_total{source="kernel"}'),
            (_ONE_INSTANCE, "packets_received_total"),
        )
    )
    yield Rule(record=f"stream:eragent_timestamps:kernel_ratio_{NOW}", expr=f"{kernel}\n  / ({received} > 0)")


def _bad_minutes(window: str) -> Iterator[Rule]:
    for good, bad in (("available", "unavailable"), ("predictable", "unpredictable")):
        yield Rule(
            record=f"stream:eragent_minute_{bad}:ratio_{window}",
            expr=f"1 - avg_over_time(stream:eragent_minute_{good}:bool[{window}])",
        )


def _usual(what: str) -> Rule:
    recorded = f"stream:{what}_{NOW}"
    return Rule(
        record=f"stream:{what}_usual",
        expr=f"quantile_over_time(0.5, {recorded}[1w] offset 1h)\n  and count_over_time({recorded}[1d] offset 1d) > 0",
    )


def _throughput() -> Iterator[Rule]:
    """Take the best stage of a test: what the path carries is not less than what some number of flows got through."""
    measured = "max without (instance, job, probe, protocol, stage) (eragent_throughput_bytes_per_second)"
    bought = "max without (instance, job) (eragent_path_purchased_bytes_per_second)"
    yield Rule(
        record="path:eragent_throughput:purchased_ratio",
        expr=f"{measured}\n  / on (agent, path) group_left () ({bought} > 0)",
    )
    yield Rule(
        record="path:eragent_throughput:age_seconds",
        expr="time() - max without (instance, job, probe, protocol, stage) (eragent_throughput_timestamp_seconds)",
    )


def _agents() -> Iterator[Rule]:
    lateness = f"sum {_ONE_INSTANCE} (rate(eragent_send_lateness_seconds_bucket[{NOW}]))"
    yield Rule(
        record=f"agent:eragent_send_lateness_seconds:p99_{NOW}",
        expr=f"histogram_quantile(0.99, sum without (probe, kind, target, path) ({lateness})) >= 0",
    )
    lag = f"sum {_ONE_INSTANCE} (rate(eragent_loop_lag_seconds_bucket[{NOW}]))"
    yield Rule(record=f"agent:eragent_loop_lag_seconds:p99_{NOW}", expr=f"histogram_quantile(0.99, {lag}) >= 0")
    for counter, labels in (
        ("slots_missed", "probe, target"),
        ("packets_not_sent", "probe, kind, target, path, reason"),
        ("packets_overlooked", "probe, kind, target, path"),
        ("receive_drops", "probe, kind, target, path"),
        ("samples_noisy", "probe, kind, target, path"),
    ):
        yield Rule(
            record=f"agent:eragent_{counter}:rate_{NOW}",
            expr=f"sum without (instance, job, {labels}) (rate(eragent_{counter}_total[{NOW}]))",
        )
    yield Rule(
        record=f"agent:process_cpu_seconds:rate_{NOW}",
        expr="sum without (instance, job, version, python) (\n"
        f"  rate(process_cpu_seconds_total[{NOW}]) * on (job, instance) group_left (agent) eragent_build_info\n"
        ")",
    )


def written() -> str:
    """Return the rule file."""
    head = (
        "# Generated by `python -m dashboards.generate`: what docs/grafana.md explains, and nobody edits.\n"
        "# The dashboards and eragent-alerts.yml read these records; load all three files together.\n"
    )
    return head + "groups:\n" + "\n".join(_group(group) for group in groups())


def _group(group: Group) -> str:
    interval = "" if group.interval is None else f"    interval: {group.interval}\n"
    rules = "".join(_rule(rule) for rule in group.rules)
    return f"  # {group.about}\n  - name: {group.name}\n{interval}    rules:\n{rules}"


def _rule(rule: Rule) -> str:
    lines = "".join(f"          {line}\n" for line in rule.expr.splitlines())
    return f"      - record: {rule.record}\n        expr: |-\n{lines}"
