"""One path in detail: when it began, which way, and what the far end and the stamps say of it."""

from __future__ import annotations

from collections.abc import Callable

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from dashboards import frame, promql
from dashboards.distributions import heat_map
from dashboards.layout import Section
from dashboards.panels import (
    ALARM,
    DASHED,
    DATA_SOURCE,
    DOTTED,
    GOOD,
    NEUTRAL,
    SOLID,
    WARNING,
    Chart,
    Curve,
    Limits,
    chart,
    single_values,
)
from dashboards.promql import CANDIDATE, PATH, STEP, STREAMS, TARGET
from dashboards.tables import Figure, rows

_ONE_PERCENT_AND_A_LITTLE = 0.012
_PLAIN = ((None, PATH.colour),)
_NOW_AND_BOUNDS = ("lastNotNull", "min", "max")
_FORWARD, _BACKWARD = CANDIDATE.colour, "#CC79A7"  # Okabe and Ito's reddish purple


def path_detail() -> models.Dashboard:
    """Return the dashboard."""
    return frame.framed(
        "path-detail",
        "one path in detail",
        "What happened on this path, when did it begin, and which way were packets lost?",
        (frame.agent(), frame.target(), frame.probe(), frame.path("path", "Path")),
        (_now(), _smoke(), _round_trip(), _directions(), _siblings(), _way(), _known()),
        (
            _mark("Unavailable", ALARM, f"max by (path) (1 - stream:{promql.AVAILABLE}{{{PATH.streams}}}) > 0"),
            _mark("Loss", WARNING, f"max by (path) (stream:{promql.LOSS}_1m{{{PATH.streams}}}) > 0.01 < 0.5"),
        ),
    )


def _mark(name: str, colour: str, expr: str) -> dashboard.AnnotationQuery:
    return dashboard.AnnotationQuery().name(name).datasource(DATA_SOURCE).enable(True).icon_color(colour).expr(expr)


def _now() -> Section:
    lossy = ((None, GOOD), (0.001, WARNING), (0.01, ALARM))
    return Section(
        title="$path now: $agent to $target",
        height=4,
        widths=(4, 4, 4, 4, 4, 4),
        panels=(
            single_values(
                "Not delivered",
                "Packets that were lost or turned down, of all sent in the last five minutes. Orange from 0.1 %, red "
                "from 1 % on. No data: nothing was sent.",
                "percentunit",
                promql.now(promql.LOSS, PATH),
                steps=lossy,
                decimals=2,
            ),
            single_values(
                "p50 round trip",
                "The median of the last five minutes, from histogram buckets. No data: nothing was answered.",
                "s",
                promql.now(promql.P50, PATH),
                steps=_PLAIN,
            ),
            single_values(
                "p99 round trip",
                "99 of 100 packets of the last five minutes came back faster, from histogram buckets.",
                "s",
                promql.now(promql.P99, PATH),
                steps=_PLAIN,
            ),
            single_values(
                "Spread, p99 - p50",
                "How much longer than usual the slowest of a hundred packets took, in the last five minutes.",
                "s",
                promql.now(promql.SPREAD, PATH),
                steps=_PLAIN,
            ),
            single_values(
                "Available minutes",
                "Of all minutes shown, those in which at least half of the packets were delivered. Orange below the "
                "objective of 99.9 %, red below 99 %.",
                "percentunit",
                promql.share_of_minutes(promql.AVAILABLE, PATH),
                steps=((None, ALARM), (0.99, WARNING), (0.999, GOOD)),
                decimals=2,
            ),
            single_values(
                "Predictable minutes",
                "Of all minutes shown, those whose spread was within the objective of eragent-objectives.yml. Orange "
                "below 99 %, red below 90 %.",
                "percentunit",
                promql.share_of_minutes(promql.PREDICTABLE, PATH),
                steps=((None, ALARM), (0.9, WARNING), (0.99, GOOD)),
                decimals=1,
            ),
        ),
    )


def _smoke() -> Section:
    return Section(
        title="Smoke: every packet's round trip, and the marks of loss and outages",
        height=10,
        widths=(24,),
        panels=(
            heat_map(
                "Round-trip times of $path",
                "Packets a second by bucket of the round-trip time, which widen with it: equal heights are about equal "
                "ratios. A cloud over a steady floor is a queue, two floors are two ways, a hole is a time without "
                "answers. Vertical marks: red where half of the packets or more were not delivered, orange where more "
                "than 1 % was not.",
                "s",
                promql.heat(PATH),
                PATH,
            ),
        ),
    )


def _round_trip() -> Section:
    strokes = (("p50", promql.P50, SOLID, 3), ("p95", promql.P95, DASHED, 1), ("p99", promql.P99, DOTTED, 2))
    return Section(
        title="Round-trip time and loss",
        height=8,
        widths=(12, 12),
        panels=(
            chart(
                Chart(
                    title="Round-trip time: median, p95, p99",
                    description="Solid: median; dashed: p95; dotted: p99, of a minute; zoomed out, the worst of a "
                    "point's minutes. Grey: the usual p99, the median of the week before; until a day is known, of "
                    "what is shown.",
                    unit="s",
                ),
                [
                    *(
                        Curve(expr=promql.curve(record, PATH), legend=name, colour=PATH.colour, dash=dash, width=width)
                        for name, record, dash, width in strokes
                    ),
                    Curve(
                        expr=promql.usual(promql.P99, PATH),
                        legend="usual p99",
                        colour=NEUTRAL,
                    ),
                ],
            ),
            chart(
                Chart(
                    title="Not delivered",
                    description="Packets lost or turned down, of all sent in a minute. No curve means that nothing was "
                    "sent. Dashed lines: 0.1 % and 1 %.",
                    unit="percentunit",
                    limits=Limits(warning=0.001, alarm=0.01),
                    soft_max=_ONE_PERCENT_AND_A_LITTLE,
                ),
                [Curve(expr=promql.curve(promql.LOSS, PATH), legend="not delivered", colour=PATH.colour)],
            ),
        ),
    )


def _directions() -> Section:
    directions = (("forward", _FORWARD, SOLID), ("backward", _BACKWARD, DASHED))
    return Section(
        title="By direction: forward is the way to the target",
        height=8,
        widths=(8, 8, 8),
        panels=(
            chart(
                Chart(
                    title="Lost, by direction",
                    description="As a stateful reflector's sequence numbers tell (STAMP alone). An outage is told by "
                    "the first answer after it, all at once; losses whose direction is unknown are not here.",
                    unit="suffix: packets/s",
                    soft_max=1,
                ),
                [
                    Curve(expr=promql.directional_loss(name, PATH), legend=name, colour=colour, dash=dash)
                    for name, colour, dash in directions
                ],
            ),
            chart(
                Chart(
                    title="Jitter, by direction (RFC 3550)",
                    description="Interarrival jitter, smoothed over about 16 packets. It needs no synchronised clocks: "
                    "an offset that is constant cancels out.",
                    unit="s",
                ),
                [
                    Curve(expr=promql.jitter(PATH, name), legend=name, colour=colour, dash=dash)
                    for name, colour, dash in directions
                ],
            ),
            single_values(
                "One-way delay, mean",
                "Of the last five minutes, while both ends' clocks are known to be good enough; else the reason why "
                "not, which docs/stamp.md explains. Never half a round trip. No data: the probe is not of STAMP.",
                "s",
                promql.one_way(PATH),
                name="{{direction}}",
                words={"-1": "not valid"},
            ),
        ),
    )


def _siblings() -> Section:
    return Section(
        title="All paths to $target, redundant links among them: is it this path alone?",
        height=8,
        widths=(12, 12),
        panels=(
            chart(
                Chart(
                    title="p99 of every path",
                    description="All paths that this probe measures to the target. Paths that rise together have a "
                    "cause in common: this site, this host or the target. Broad and blue: $path.",
                    unit="s",
                ),
                _of_all_paths(_worst(promql.P99)),
            ),
            chart(
                Chart(
                    title="Not delivered, of every path",
                    description="Where both links of a circuit are paths of their own, this shows which of them fails. "
                    "Dashed lines: 0.1 % and 1 %. Broad and blue: $path.",
                    unit="percentunit",
                    limits=Limits(warning=0.001, alarm=0.01),
                    soft_max=_ONE_PERCENT_AND_A_LITTLE,
                ),
                _of_all_paths(_worst(promql.LOSS)),
            ),
        ),
    )


def _of_all_paths(expr: Callable[[str], str], among: str = STREAMS) -> list[Curve]:
    """Return the other paths' curves below that of the chosen one, which is told from them at sight."""
    chosen = f"${PATH.variable}"
    return [
        Curve(expr=expr(f'{among}, path!="{chosen}"'), legend="{{path}}"),
        Curve(expr=expr(f'{among}, path="{chosen}"'), legend="{{path}}", colour=PATH.colour, width=4),
    ]


def _worst(record: str) -> Callable[[str], str]:
    return lambda streams: f"max by (path) (max_over_time(stream:{record}_1m{{{streams}}}[{STEP}]))"


def _arriving(streams: str) -> str:
    return f"min by (path) (min_over_time(eragent_answer_ttl{{{streams}}}[{STEP}]))"


def _largest_packet(tests: str) -> str:
    return f"min by (path) (min_over_time(eragent_throughput_path_mtu_bytes{{{tests}}}[{STEP}]))"


def _way() -> Section:
    return Section(
        title="Signs of another way, of every path to $target",
        height=7,
        widths=(12, 12),
        panels=(
            chart(
                Chart(
                    title="TTL of answers as they arrive",
                    description="What the far end began with, mostly 64, 128 or 255, less the hops on the way back: a "
                    "jump means that answers take another way back, or come from another machine. It says nothing of "
                    "the way there, and no number of hops. Zoomed out, the lowest of a point. ICMP and STAMP alone.",
                    unit="none",
                    legend_figures=_NOW_AND_BOUNDS,
                    jumps=True,
                ),
                _of_all_paths(_arriving),
            ),
            chart(
                Chart(
                    title="Path MTU in bytes, as tests of throughput knew it",
                    description="The largest packet, headers included, that this host's TCP took the path to carry at "
                    "the end of the latest test of throughput in which it sent, as an interface, a route or a router's "
                    "ICMP error told. A jump means that a tunnel or another link came in between. Where larger packets "
                    "vanish silently it stays too large. No data: no test has sent TCP since the agent started.",
                    unit="none",
                    legend_figures=_NOW_AND_BOUNDS,
                    jumps=True,
                ),
                _of_all_paths(_largest_packet, among=TARGET),
            ),
        ),
    )


def _known() -> Section:
    stamped = f"min by (path) (min_over_time(stream:eragent_timestamps:kernel_ratio_5m{{{PATH.streams}}}[{STEP}]))"
    return Section(
        title="What is known of the path and of its far end",
        height=7,
        widths=(9, 9, 6),
        panels=(
            rows(
                "The path, as configured",
                "What pins packets to the path, and of which kind the configuration says it is. Whether packets really "
                "take it is for a traceroute to say.",
                {"path": "Path", "kind": "Kind", "source": "Source", "interface": "Interface"},
                [Figure(expr='eragent_path_info{agent="$agent", path="$path"}', heading="Configured", hidden=True)],
            ),
            rows(
                "The reflector",
                "What is known of the far end at present: whether it numbers its answers (losses have a direction), "
                "what keeps its clock, and who takes its times. STAMP alone.",
                {
                    "stateful": "Stateful",
                    "clock_source": "Clock",
                    "synchronised": "In sync",
                    "stamp_method": "Times by",
                },
                [Figure(expr=f"eragent_peer_info{{{PATH.streams}}}", heading="Known", hidden=True)],
            ),
            chart(
                Chart(
                    title="Stamped by the kernel",
                    description="Share of received packets whose both ends this host's kernel stamped; the rest has "
                    "the scheduler's delays in it.",
                    unit="percentunit",
                    soft_max=1,
                ),
                [Curve(expr=stamped, legend="by the kernel", colour=PATH.colour)],
            ),
        ),
    )
