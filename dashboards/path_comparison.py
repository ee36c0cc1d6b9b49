"""The front page: two paths side by side, which one is the more predictable, and can the figures be trusted."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from agent.histogram import RTT_BOUNDS_NS
from dashboards import frame, promql
from dashboards.distributions import bars, heat_map
from dashboards.instrument import trust
from dashboards.layout import Section
from dashboards.panels import (
    DASHED,
    DOTTED,
    NEUTRAL,
    SOLID,
    Chart,
    Curve,
    Limits,
    chart,
    curves,
    name_of_winner,
    pair_of_values,
)
from dashboards.promql import BASELINE, CANDIDATE, ROLES
from dashboards.tables import Figure, matrix, rows

_ONE_PERCENT_AND_A_LITTLE = 0.012
"""Where axes of shares end while there is next to nothing: the line at 1 % stays in sight."""
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
        (_now(), _alerts(), _round_trip(), _loss(), _variation(), _distribution(), _hours(), trust()),
    )


def _now() -> Section:
    return Section(
        title="Now: $candidate (candidate) against $baseline (baseline), $agent to $target",
        height=4,
        widths=(4, 4, 4, 4, 4, 4),
        panels=(
            name_of_winner(
                "More predictable",
                "The path whose delay changes at least 10 % less from packet to packet (mean), that does not lose 0.1 "
                "percentage points more, and whose spread is not half as wide again. Mixed: it varies less, but "
                "has one of these flaws. A path that answers wins over one that does not. A reading of the last five "
                "minutes, not a statistical verdict.",
                promql.more_predictable(),
                "winner",
                (
                    (None, CANDIDATE.colour),
                    (promql.CLEARLY_LESS, NEUTRAL),
                    (1 / promql.CLEARLY_LESS, BASELINE.colour),
                ),
            ),
            pair_of_values(
                "Not delivered",
                "Packets without an answer within their timeout (RFC 6673), and those that a router or the far end "
                "turned down, of all that were sent in the last five minutes. Packets that this host could not send "
                "are not in it.",
                "percentunit",
                lambda role: promql.now(promql.LOSS, role),
                decimals=2,
            ),
            pair_of_values(
                "p99 round trip",
                "99 of 100 packets of the last five minutes came back faster. From histogram buckets, exact to about a "
                "bucket's width.",
                "s",
                lambda role: promql.now(promql.P99, role),
            ),
            pair_of_values(
                "Spread, p99 - p50",
                "How much longer than usual the slowest of a hundred packets took. From histogram buckets: a path "
                "whose packets all lie in one bucket shows about half of the bucket's width.",
                "s",
                lambda role: promql.now(promql.SPREAD, role),
            ),
            pair_of_values(
                "Available minutes",
                "Of all minutes shown, those in which at least half of the packets were delivered. Minutes in which "
                "nothing was sent do not count.",
                "percentunit",
                lambda role: promql.share_of_minutes(promql.AVAILABLE, role),
                decimals=2,
            ),
            pair_of_values(
                "Predictable minutes",
                "Of all minutes shown, those whose spread was within the objective (5 ms unless eragent-objectives.yml "
                "says otherwise). A minute without answers is not one.",
                "percentunit",
                lambda role: promql.share_of_minutes(promql.PREDICTABLE, role),
                decimals=1,
            ),
            name_of_winner(
                "Verdict, last day",
                "What the agent's own comparison of pairs of packets says of the candidate beside the baseline: "
                "better, worse, same, or insufficient evidence. It needs 25 blocks of ten minutes. Not compared: "
                "the agent's configuration has no such comparison.",
                promql.verdict(),
                "verdict",
                ((None, NEUTRAL),),
            ),
            pair_of_values(
                "Variation (IPDV)",
                "Mean magnitude of the change of the round-trip time from one packet to the next (RFC 3393): the "
                "smaller, the more predictable. Exact, for it needs no buckets.",
                "s",
                lambda role: promql.now(promql.VARIATION, role),
            ),
            pair_of_values(
                "p50 round trip",
                "The median of the last five minutes, from histogram buckets, without the reflector's residence time.",
                "s",
                lambda role: promql.now(promql.P50, role),
            ),
            pair_of_values(
                "p95 round trip",
                "95 of 100 packets of the last five minutes came back faster. From histogram buckets.",
                "s",
                lambda role: promql.now(promql.P95, role),
            ),
            pair_of_values(
                "p99.9 round trip",
                "999 of 1000 packets of the last five minutes came back faster. From histogram buckets; it takes a "
                "probe every 50 ms to have six packets beyond it.",
                "s",
                lambda role: promql.now(promql.P999, role),
            ),
            pair_of_values(
                "Of purchased rate",
                "What the latest complete test of throughput reached, in the worse direction, of the rate that the "
                "configuration names as purchased. No data where nothing was tested or no rate is named.",
                "percentunit",
                promql.of_purchased,
                decimals=0,
            ),
        ),
    )


def _round_trip() -> Section:
    strokes = (
        ("p50", promql.P50, SOLID, 3),
        ("p95", promql.P95, DASHED, 1),
        ("p99", promql.P99, DOTTED, 2),
    )
    quantiles = [
        Curve(
            expr=promql.curve(record, role),
            legend=f"{{{{path}}}} {name}",
            colour=role.colour,
            dash=dash,
            width=width,
        )
        for role in ROLES
        for name, record, dash, width in strokes
    ]
    figures = (("mean", promql.MEAN, SOLID), ("p50", promql.P50, DASHED), ("p99", promql.P99, DOTTED))
    differences = [
        Curve(
            expr=promql.difference(promql.curve(record, CANDIDATE), promql.curve(record, BASELINE)),
            legend=name,
            colour=NEUTRAL,
            dash=dash,
        )
        for name, record, dash in figures
    ]
    return Section(
        title="Round-trip time",
        height=9,
        widths=(16, 8),
        panels=(
            chart(
                Chart(
                    title="Round-trip time: median, p95, p99",
                    description="Solid: median; dashed: p95; dotted: p99. Of packets answered in time, from histogram "
                    "buckets: straight lines are bounds of buckets. A point is a minute; zoomed out, the worst of its "
                    "minutes. A gap is a time without answers.",
                    unit="s",
                    table_legend=True,
                ),
                quantiles,
            ),
            chart(
                Chart(
                    title="Difference: $candidate less $baseline",
                    description="Below zero the candidate is the faster one. Solid: of the means (exact); dashed: of "
                    "the medians; dotted: of the p99, both from buckets.",
                    unit="s",
                    soft_max=0,
                ),
                differences,
            ),
        ),
    )


def _variation() -> Section:
    spread = Chart(
        title="Spread: p99 less median",
        description="Delay variation against a quantile of the same path, in the manner of PDV (RFC 5481, section 4.2) "
        "with the median in place of the minimum. From histogram buckets.",
        unit="s",
    )
    jitter = Chart(
        title="Jitter (RFC 3550)",
        description="Interarrival jitter of the round trip, smoothed over about 16 packets (section 6.4.1): what "
        "happened longer than that before a scrape is not in it.",
        unit="s",
    )
    ipdv = Chart(
        title="From packet to packet: IPDV (RFC 3393)",
        description="Magnitude of the change of the round-trip time between packets that were sent one after the "
        "other, both received. Solid: mean, exact; dotted: p99, from histogram buckets.",
        unit="s",
    )
    return Section(
        title="Variation of the delay, by its definitions",
        height=8,
        widths=(8, 8, 8),
        panels=(
            chart(spread, curves(lambda role: promql.curve(promql.SPREAD, role))),
            chart(jitter, curves(promql.jitter)),
            chart(
                ipdv,
                [
                    *curves(lambda role: promql.curve(promql.VARIATION, role), "{{path}} mean"),
                    *curves(lambda role: promql.curve("eragent_ipdv_seconds:p99", role), "{{path}} p99", DOTTED),
                ],
            ),
        ),
    )


def _loss() -> Section:
    lost = Chart(
        title="Not delivered",
        description="Packets without an answer within their timeout (RFC 6673), and those that a router or the far end "
        "turned down, of all that were sent in a minute. No curve: nothing was sent. Dashed lines: 0.1 % and 1 %.",
        unit="percentunit",
        limits=Limits(warning=0.001, alarm=0.01),
        soft_max=_ONE_PERCENT_AND_A_LITTLE,
    )
    by_direction = Chart(
        title="Lost, by direction",
        description="Solid: on the way there; dashed: on the way back, as a stateful reflector's sequence numbers tell "
        "(STAMP alone). An outage is told by the first answer after it, all at once. Losses whose direction is unknown "
        "are in the panel to the left only.",
        unit="suffix: packets/s",
        soft_max=1,
    )
    oddities = Chart(
        title="Late, duplicate, reordered",
        description="Solid: answers after the timeout, of all sent (they stay counted as lost); dashed: further copies "
        "(RFC 5560), dotted: overtaken answers (RFC 4737), both of all received.",
        unit="percentunit",
        soft_max=_ONE_PERCENT_AND_A_LITTLE,
    )
    return Section(
        title="Loss, and what else became of packets",
        height=8,
        widths=(8, 8, 8),
        panels=(
            chart(lost, curves(lambda role: promql.curve(promql.LOSS, role))),
            chart(
                by_direction,
                [
                    *curves(lambda role: promql.directional_loss("forward", role), "{{path}} forward"),
                    *curves(lambda role: promql.directional_loss("backward", role), "{{path}} backward", DASHED),
                ],
            ),
            chart(
                oddities,
                [
                    *_shares("late", "packets_sent", SOLID),
                    *_shares("duplicate", "packets_received", DASHED),
                    *_shares("reordered", "packets_received", DOTTED),
                ],
            ),
        ),
    )


def _shares(outcome: str, whole: str, dash: tuple[int, ...]) -> list[Curve]:
    return curves(lambda role: promql.share_of(f"packets_{outcome}", whole, role), f"{{{{path}}}} {outcome}", dash)


def _distribution() -> Section:
    return Section(
        title="Distribution of the round-trip time",
        height=9,
        widths=(8, 8, 8),
        panels=(
            bars(
                "Share of packets slower than …",
                "Both paths, over all that is shown. The path whose bars fall earlier and more steeply is the faster "
                "and the more predictable one; low bars to the right are its tail. Bounds that all packets or none "
                "exceed are left out.",
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
                decimals=0,
                heading="UTC",
                row="weekday",
                column="hour",
                columns=HOURS,
                row_words=WEEKDAYS,
            )
            for role in ROLES
        ],
    )


def _alerts() -> Section:
    return Section(
        title="Alerts, and what is compared",
        height=5,
        widths=(12, 12),
        panels=(
            rows(
                "Alerts that fire for $agent",
                "As Prometheus evaluates the rules; each has a page in docs/runbooks. One row, none: all is quiet.",
                {"alertname": "Alert", "severity": "Severity", "target": "Target", "path": "Path", "what": "What"},
                [Figure(expr=promql.alerts('agent="$agent"'), heading="Fires", hidden=True)],
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
