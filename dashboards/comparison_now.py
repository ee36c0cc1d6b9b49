"""The front page's first row: which path is the better one now, and by which figures. Knows nothing of other rows."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat

from dashboards import promql
from dashboards.layout import Section
from dashboards.panels import NEUTRAL, name_of_winner, pair_of_values
from dashboards.promql import BASELINE, CANDIDATE


def now() -> Section:
    """Return the row: verdicts to the left, and beside each the figures that one looks at first, or further ones."""
    return Section(
        title="Now: $candidate (candidate) against $baseline (baseline), $agent to $target",
        height=4,
        widths=(4, 4, 4, 4, 4, 4),
        panels=(
            _more_predictable(),
            _not_delivered(),
            _p99(),
            _spread(),
            _available(),
            _predictable(),
            _verdict(),
            _variation(),
            _p50(),
            _p95(),
            _p999(),
            _of_purchased(),
        ),
    )


def _more_predictable() -> stat.Panel:
    return name_of_winner(
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
    )


def _not_delivered() -> stat.Panel:
    return pair_of_values(
        "Not delivered",
        "Packets without an answer within their timeout (RFC 6673), and those that a router or the far end "
        "turned down, of all that were sent in the last five minutes. Packets that this host could not send "
        "are not in it.",
        "percentunit",
        lambda role: promql.now(promql.LOSS, role),
        decimals=2,
    )


def _p99() -> stat.Panel:
    return pair_of_values(
        "p99 round trip",
        "99 of 100 packets of the last five minutes came back faster. From histogram buckets, exact to about a "
        "bucket's width.",
        "s",
        lambda role: promql.now(promql.P99, role),
    )


def _spread() -> stat.Panel:
    return pair_of_values(
        "Spread, p99 - p50",
        "How much longer than usual the slowest of a hundred packets took. From histogram buckets: a path "
        "whose packets all lie in one bucket shows about half of the bucket's width.",
        "s",
        lambda role: promql.now(promql.SPREAD, role),
    )


def _available() -> stat.Panel:
    return pair_of_values(
        "Available minutes",
        "Of all minutes shown, those in which at least half of the packets were delivered. Minutes in which "
        "nothing was sent do not count.",
        "percentunit",
        lambda role: promql.share_of_minutes(promql.AVAILABLE, role),
        decimals=2,
    )


def _predictable() -> stat.Panel:
    return pair_of_values(
        "Predictable minutes",
        "Of all minutes shown, those whose spread was within the objective (5 ms unless eragent-objectives.yml "
        "says otherwise). A minute without answers is not one.",
        "percentunit",
        lambda role: promql.share_of_minutes(promql.PREDICTABLE, role),
        decimals=1,
    )


def _verdict() -> stat.Panel:
    return name_of_winner(
        "Verdict, last day",
        "What the agent's own comparison of pairs of packets says of the candidate beside the baseline: "
        "better, worse, same, or insufficient evidence. It needs 25 blocks of ten minutes. Not compared: "
        "the agent's configuration has no such comparison.",
        promql.verdict(),
        "verdict",
        ((None, NEUTRAL),),
    )


def _variation() -> stat.Panel:
    return pair_of_values(
        "Variation (IPDV)",
        "Mean magnitude of the change of the round-trip time from one packet to the next (RFC 3393): the "
        "smaller, the more predictable. Exact, for it needs no buckets.",
        "s",
        lambda role: promql.now(promql.VARIATION, role),
    )


def _p50() -> stat.Panel:
    return pair_of_values(
        "p50 round trip",
        "The median of the last five minutes, from histogram buckets, without the reflector's residence time.",
        "s",
        lambda role: promql.now(promql.P50, role),
    )


def _p95() -> stat.Panel:
    return pair_of_values(
        "p95 round trip",
        "95 of 100 packets of the last five minutes came back faster. From histogram buckets.",
        "s",
        lambda role: promql.now(promql.P95, role),
    )


def _p999() -> stat.Panel:
    return pair_of_values(
        "p99.9 round trip",
        "999 of 1000 packets of the last five minutes came back faster. From histogram buckets; it takes a "
        "probe every 50 ms to have six packets beyond it.",
        "s",
        lambda role: promql.now(promql.P999, role),
    )


def _of_purchased() -> stat.Panel:
    return pair_of_values(
        "Of purchased rate",
        "What the latest complete test of throughput reached, in the worse direction, of the rate that the "
        "configuration names as purchased. No data where nothing was tested or no rate is named.",
        "percentunit",
        promql.of_purchased,
        decimals=0,
    )
