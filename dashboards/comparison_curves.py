"""The front page's curves: round trips, losses and the variation of the delay of both paths over time."""

from __future__ import annotations

from dashboards import promql
from dashboards.layout import Section
from dashboards.panels import DASHED, DOTTED, NEUTRAL, SOLID, Chart, Curve, Limits, chart, curves
from dashboards.promql import BASELINE, CANDIDATE, ROLES

_ONE_PERCENT_AND_A_LITTLE = 0.012
"""Where axes of shares end while there is next to nothing: the line at 1 % stays in sight."""


def round_trip() -> Section:
    """Return the row of round trips and their difference."""
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
                    legend_figures=("min", "mean", "max", "lastNotNull"),
                ),
                quantiles,
            ),
            chart(
                Chart(
                    title="Difference: $candidate less $baseline",
                    description="Below zero the candidate is the faster one. Solid: of the means (exact); dashed: of "
                    "the medians; dotted: of the p99, both from buckets.",
                    unit="s",
                ),
                differences,
            ),
        ),
    )


def loss() -> Section:
    """Return the row of what was not delivered, late, duplicate or reordered."""
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


def variation() -> Section:
    """Return the row of the three definitions of variation."""
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
