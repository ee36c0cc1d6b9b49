"""The dashboard that sets two paths side by side: which one is the more predictable, and can the figures be trusted."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from agent.histogram import RTT_BOUNDS_NS
from dashboards import promql
from dashboards.distributions import bars, heat_map
from dashboards.instrument import instrument
from dashboards.layout import Section, placed
from dashboards.panels import (
    DASHED,
    DATA_SOURCE,
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
from dashboards.promql import BASELINE, CANDIDATE, NOW, ROLES, STEP

_ONE_PERCENT_AND_A_LITTLE = 0.012
"""Where axes of shares end while there is next to nothing: the line at 1 % stays in sight."""


def path_comparison() -> models.Dashboard:
    """Return the dashboard."""
    built = (
        dashboard.Dashboard("eragent: two paths compared")
        .uid("eragent-path-comparison")
        .description("Which of two paths to the same target is the more predictable, and can the figures be trusted?")
        .tags(["eragent"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables(_variables())
        .build()
    )
    built.panels = placed((_now(), _round_trip(), _variation(), _loss(), _distribution(), instrument()))
    return built


def _variables() -> list[Builder[models.VariableModel]]:
    """Return what the viewer chooses. Baseline and candidate begin at opposite ends of the alphabet: never the same."""
    streams = "eragent_packets_sent_total"
    paths = f"label_values({streams}{{{promql.STREAMS}}}, path)"
    ascending, descending = models.VariableSort.ALPHABETICAL_ASC, models.VariableSort.ALPHABETICAL_DESC
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _choice("agent", "Agent", f"label_values({streams}, agent)", ascending),
        _choice("target", "Target", f'label_values({streams}{{agent="$agent"}}, target)', ascending),
        _choice("probe", "Probe", f'label_values({streams}{{agent="$agent", target="$target"}}, probe)', descending),
        _choice("baseline", "Baseline path", paths, descending),
        _choice("candidate", "Candidate path", paths, ascending),
        dashboard.CustomVariable("window")
        .label('"Now" is the last')
        .values("1m,5m,15m,1h")
        .current(models.VariableOption(selected=True, text="5m", value="5m")),
    ]


def _choice(name: str, label: str, query: str, sort: models.VariableSort) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(DATA_SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(sort)
    )


def _now() -> Section:
    return Section(
        title="Now: $candidate (candidate) against $baseline (baseline), $agent to $target",
        height=4,
        widths=(4, 4, 4, 4, 4, 4),
        panels=(
            name_of_winner(
                "More predictable now",
                "The path whose delay changes at least 10 % less from packet to packet (mean), that does not lose 0.1 "
                "percentage points more, and whose spread is not half as wide again. Mixed: it varies less, but "
                "has one of these flaws. A path that answers wins over one that does not. A reading of the present, "
                "not a statistical verdict.",
                promql.more_predictable(NOW),
                "winner",
                (
                    (None, CANDIDATE.colour),
                    (promql.CLEARLY_LESS, NEUTRAL),
                    (1 / promql.CLEARLY_LESS, BASELINE.colour),
                ),
            ),
            pair_of_values(
                "Variation, packet to packet",
                "Mean magnitude of the change of the round-trip time from one packet to the next (RFC 3393): the "
                "smaller, the more predictable. Exact, for it needs no buckets.",
                "s",
                lambda role: promql.mean("ipdv", role, NOW),
            ),
            pair_of_values(
                "Spread: p99 less median",
                "How much longer than usual the slowest of a hundred packets took. From histogram buckets: a path "
                "whose packets all lie in one bucket shows about half of the bucket's width.",
                "s",
                lambda role: promql.spread(role, NOW),
            ),
            pair_of_values(
                "Mean round trip",
                "Without the reflector's residence time. Exact, for it needs no buckets.",
                "s",
                lambda role: promql.mean("rtt", role, NOW),
            ),
            pair_of_values(
                "p99 round trip",
                "99 of 100 packets came back faster. From histogram buckets, exact to about a bucket's width.",
                "s",
                lambda role: promql.quantile(0.99, "rtt", role, NOW),
            ),
            pair_of_values(
                "Lost",
                "Packets without an answer within their timeout (RFC 6673), and those that a router or the far end "
                "turned down, of all that were sent. Packets that this host could not send are not in it.",
                "percentunit",
                lambda role: promql.loss(role, NOW),
                decimals=2,
            ),
        ),
    )


def _round_trip() -> Section:
    strokes = ((0.5, SOLID, 3), (0.95, DASHED, 1), (0.99, DOTTED, 2))
    quantiles = [
        Curve(
            expr=promql.quantile(q, "rtt", role, STEP),
            legend=f"{{{{path}}}} p{100 * q:g}",
            colour=role.colour,
            dash=dash,
            width=width,
        )
        for role in ROLES
        for q, dash, width in strokes
    ]
    figures = (
        ("mean", SOLID, [promql.mean("rtt", role, STEP) for role in ROLES]),
        ("p50", DASHED, [promql.quantile(0.5, "rtt", role, STEP) for role in ROLES]),
        ("p99", DOTTED, [promql.quantile(0.99, "rtt", role, STEP) for role in ROLES]),
    )
    differences = [
        Curve(expr=promql.difference(of_candidate, of_baseline), legend=name, colour=NEUTRAL, dash=dash)
        for name, dash, (of_baseline, of_candidate) in figures
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
                    "buckets: straight lines are bounds of buckets. A gap is a time without answers.",
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
            chart(spread, curves(lambda role: promql.spread(role, STEP))),
            chart(jitter, curves(promql.jitter)),
            chart(
                ipdv,
                [
                    *curves(lambda role: promql.mean("ipdv", role, STEP), "{{path}} mean"),
                    *curves(lambda role: promql.quantile(0.99, "ipdv", role, STEP), "{{path}} p99", DOTTED),
                ],
            ),
        ),
    )


def _loss() -> Section:
    lost = Chart(
        title="Lost",
        description="Packets without an answer within their timeout (RFC 6673), and those that a router or the far end "
        "turned down, of all that were sent. No curve means that nothing was sent. Dashed lines: 0.1 % and 1 %.",
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
            chart(lost, curves(lambda role: promql.loss(role, STEP))),
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
    return curves(
        lambda role: promql.share_of(f"packets_{outcome}", whole, role, STEP), f"{{{{path}}}} {outcome}", dash
    )


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
