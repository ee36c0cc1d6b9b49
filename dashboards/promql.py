"""PromQL over the agent's metrics, as text: what a panel asks. Knows nothing of how the answer is drawn."""

from __future__ import annotations

from dataclasses import dataclass

STREAMS = 'agent="$agent", target="$target", probe="$probe"'
"""Selects the streams that the dashboard's variables name; all paths of one probe at one target."""

NOW = "$window"
"""How far back "now" reaches: long enough for a percentile, chosen by the viewer."""
STEP = "$__rate_interval"
"""How far back each point of a curve reaches: at least four scrapes, so that a rate exists."""
SHOWN = "$__range"
"""All that is shown."""

CLEARLY_LESS = 0.9
"""A variation is called smaller when it is at most this share of the other."""
SAME_LOSS = 0.001
"""Loss ratios that differ by less are called the same: one packet of a thousand."""
SAME_SPREAD = 1.5
"""Spreads are called alike up to this ratio: they come from buckets that are up to half as wide as their bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One of the two paths, by the part that it has in the comparison."""

    variable: str
    colour: str
    heat: str

    @property
    def streams(self) -> str:
        """Select the streams of this path."""
        return f'{STREAMS}, path="${self.variable}"'


# Vermilion and blue of Okabe and Ito stay apart for all common kinds of colour blindness; the blue is lightened until
# both have about the same contrast, 4:1, on Grafana's dark and on its light background.
BASELINE = Role(variable="baseline", colour="#D55E00", heat="Oranges")
CANDIDATE = Role(variable="candidate", colour="#2A84C6", heat="Blues")
ROLES = (BASELINE, CANDIDATE)


def rate(counter: str, role: Role, window: str, *, by: str = "path", where: str = "") -> str:
    """Return the rate of a counter of a path, per second."""
    return f"sum by ({by}) (rate(eragent_{counter}_total{{{role.streams}{where}}}[{window}]))"


def ratio(part: str, whole: str, *, on: str = "path") -> str:
    """Divide; where there is nothing to divide by there is no answer, rather than NaN."""
    return f"{part} / on ({on}) group_left () ({whole} > 0)"


def share_of(counter: str, whole: str, role: Role, window: str, *, where: str = "") -> str:
    """Return what share of one counter's packets another counter counted."""
    return ratio(rate(counter, role, window, where=where), rate(whole, role, window))


def loss(role: Role, window: str) -> str:
    """Return the share of settled packets that were not delivered: no answer in time (RFC 6673), or turned down.

    A router that says "unreachable" delivers as little as one that is silent.
    """
    lost, failed = (f"rate(eragent_packets_{what}_total{{{role.streams}}}[{window}])" for what in ("lost", "failed"))
    return ratio(f"sum by (path) ({lost} or {failed})", rate("packets_sent", role, window))


def quantile(q: float, histogram: str, role: Role, window: str) -> str:
    """Estimate a quantile from buckets; without observations (NaN compares false) there is no answer."""
    buckets = f"rate(eragent_{histogram}_seconds_bucket{{{role.streams}}}[{window}])"
    return f"(histogram_quantile({q:g}, sum by (path, le) ({buckets})) >= 0)"


def mean(histogram: str, role: Role, window: str) -> str:
    """Return the mean of what a histogram observed: exact, for it needs no buckets."""
    total, count = (
        f"sum by (path) (rate(eragent_{histogram}_seconds_{part}{{{role.streams}}}[{window}]))"
        for part in ("sum", "count")
    )
    return f"({ratio(total, count)})"


def spread(role: Role, window: str) -> str:
    """Return how far the slow packets are from the usual one: p99 less median of the round-trip time."""
    return f"({quantile(0.99, 'rtt', role, window)} - {quantile(0.5, 'rtt', role, window)})"


def difference(of_candidate: str, of_baseline: str) -> str:
    """Subtract the baseline's figure from the candidate's."""
    return f"({of_candidate} - on () {of_baseline})"


def more_predictable(window: str) -> str:
    """Name in the label ``winner`` the path that varies clearly less from packet to packet, unless it has a flaw.

    A flaw is more loss, or a clearly wider spread. The value is a ratio, candidate to baseline: that of the variations
    where it decided, 1 where nothing did, 0 or 2 where only the candidate or only the baseline got answers.

    The mean variation decides because it is exact: two paths of the same constant delay can show spreads that differ
    by half, where one of them lies in a wider bucket.
    """
    variations = _quotient(mean("ipdv", CANDIDATE, window), mean("ipdv", BASELINE, window))
    spreads = _quotient(spread(CANDIDATE, window), spread(BASELINE, window))
    more_loss = difference(loss(CANDIDATE, window), loss(BASELINE, window))
    answering = {role: mean("rtt", role, window) for role in ROLES}
    arms = (
        (
            f"{variations} < {CLEARLY_LESS} and on () {more_loss} <= {SAME_LOSS} and on () {spreads} <= {SAME_SPREAD}",
            "$candidate",
        ),
        (
            f"{variations} > {1 / CLEARLY_LESS:.4f} and on () {more_loss} >= -{SAME_LOSS}"
            f" and on () {spreads} >= {1 / SAME_SPREAD:.4f}",
            "$baseline",
        ),
        (f"0 * ({variations} >= {CLEARLY_LESS} <= {1 / CLEARLY_LESS:.4f}) + 1", "neither: alike"),
        (f"0 * {variations} + 1", "neither: mixed"),
        (f"0 * {answering[CANDIDATE]} unless on () {answering[BASELINE]}", "$candidate"),
        (f"0 * {answering[BASELINE]} + 2 unless on () {answering[CANDIDATE]}", "$baseline"),
    )
    return "\nor on () ".join(f'label_replace({arm}, "winner", "{name}", "", "")' for arm, name in arms)


def _quotient(of_candidate: str, of_baseline: str) -> str:
    return f"({of_candidate} / on () ({of_baseline} > 0))"


def slower_than(role: Role) -> str:
    """Return by ``le`` the share of a path's packets that took longer, over all that is shown.

    Only bounds that tell something are in it: those with packets of either path on both sides.
    """
    ours = _cumulative(role.streams)
    either = _cumulative(f'{STREAMS}, path=~"$baseline|$candidate"')
    return f"1 - {ours} and on (le) ({either} > 0 < 1)"


def _cumulative(streams: str) -> str:
    buckets = f"sum by (le) (increase(eragent_rtt_seconds_bucket{{{streams}}}[{SHOWN}]))"
    count = f"sum(increase(eragent_rtt_seconds_count{{{streams}}}[{SHOWN}]))"
    return f"{buckets} / on () group_left () ({count} > 0)"


def heat(role: Role) -> str:
    """Return the rate of packets by cumulative bucket, which a heat map takes apart."""
    return f"sum by (le) (rate(eragent_rtt_seconds_bucket{{{role.streams}}}[{STEP}]))"


def not_sent(role: Role) -> str:
    """Return packets a second that were not sent, by reason; reason "none" at zero while all are sent."""
    by_reason = rate("packets_not_sent", role, STEP, by="path, reason")
    total = rate("packets_not_sent", role, STEP)
    return f'{by_reason} > 0 or on (path) label_replace({total}, "reason", "none", "", "")'


def jitter(role: Role) -> str:
    """Return the interarrival jitter of the round trip (RFC 3550)."""
    return f'max by (path) (eragent_jitter_seconds{{{role.streams}, direction="round_trip"}})'


def directional_loss(direction: str, role: Role) -> str:
    """Return packets a second that are known to be lost in this direction.

    No share of those sent: after an outage the first answer tells of all of them at once.
    """
    return rate("packets_lost_direction", role, STEP, where=f', direction="{direction}"')


def kernel_stamped(role: Role) -> str:
    """Return the share of received packets whose both ends the kernel stamped."""
    return share_of("timestamps", "packets_received", role, STEP, where=', source="kernel"')
