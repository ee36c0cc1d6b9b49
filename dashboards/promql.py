"""PromQL over the rules' records and the agent's metrics, as text: what a panel asks. Not how the answer is drawn.

Curves and present figures read records (:mod:`dashboards.recording`), so that a month opens as fast as an hour; what is
read as it is scraped are gauges and counters of few series.
"""

from __future__ import annotations

from dataclasses import dataclass

TARGET = 'agent="$agent", target="$target"'
"""Selects what there is of the target that the dashboard's variables name: all probes and paths."""
STREAMS = f'{TARGET}, probe="$probe"'
"""Selects the streams that the dashboard's variables name; all paths of one probe at one target."""

STEP = "$__rate_interval"
"""How far back each point of a curve reaches: at least four scrapes, so that no record between two points is missed."""
SHOWN = "$__range"
"""All that is shown."""

CLEARLY_LESS = 0.9
"""A variation is called smaller when it is at most this share of the other."""
SAME_LOSS = 0.001
"""Loss ratios that differ by less are called the same: one packet of a thousand."""
SAME_SPREAD = 1.5
"""Spreads are called alike up to this ratio: they come from buckets that are up to half as wide as their bound."""

LOSS = "eragent_packets_undelivered:ratio"
RTT = "eragent_rtt_seconds"
MEAN, P50, P95, P99, P999, SPREAD = (f"{RTT}:{what}" for what in ("mean", "p50", "p95", "p99", "p999", "spread"))
VARIATION = "eragent_ipdv_seconds:mean"
AVAILABLE = "eragent_minute_available:bool"
PREDICTABLE = "eragent_minute_predictable:bool"

_RULES_ARE_EVALUATED = "0 * max(eragent:availability:objective)"
"""Zero while Prometheus evaluates the rules, by the record that needs no agent; else nothing."""

ABSENT_AGENTS = (
    "count(group by (agent) (last_over_time(eragent_build_info[1d])) unless group by (agent) (eragent_build_info))"
    " or 0 * count(eragent_build_info)"
)
"""How many agents were scraped within a day and are not any more; nothing where there never was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A path that a variable names, by the part that it has in a dashboard."""

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
# Viridis shows single packets on either theme, and is read by the colour-blind; it names no role.
PATH = Role(variable="path", colour=CANDIDATE.colour, heat="Viridis")


def now(record: str, role: Role) -> str:
    """Return the figure of the last five minutes."""
    return f"max by (path) (stream:{record}_5m{{{role.streams}}})"


def curve(record: str, role: Role, how: str = "max") -> str:
    """Return the figure of a minute over time: where a point stands for more minutes the worst, or ``how``."""
    return f"max by (path) ({how}_over_time(stream:{record}_1m{{{role.streams}}}[{STEP}]))"


def usual(record: str, role: Role) -> str:
    """Return the median of the week before; until a day is known, of what is shown.

    The latter is one value, at the end: another one for each point sorted a month for each of them.
    """
    shown = f"max by (path) (quantile_over_time(0.5, stream:{record}_5m{{{role.streams}}}[{SHOWN}] @ end()))"
    return f"max by (path) (stream:{record}_usual{{{role.streams}}}) or {shown}"


def one_way(role: Role) -> str:
    """Return the mean one-way delays by ``direction``; -1 and the reason in its place while they are not valid."""
    total, count = (
        f"sum by (direction) (rate(eragent_one_way_delay_seconds_{part}{{{role.streams}}}[5m]))"
        for part in ("sum", "count")
    )
    valid = f"({total} / ({count} > 0)) and on () eragent_one_way_valid{{{role.streams}}} == 1"
    doubt = f"max by (direction) (label_replace(eragent_one_way_doubt{{{role.streams}}} == 1,"
    return f'{valid} or on () (-1 * {doubt} "direction", "$1", "reason", "(.*)")))'


def share_of_minutes(record: str, role: Role) -> str:
    """Return the share of all minutes shown that were good."""
    return f"min by (path) (avg_over_time(stream:{record}{{{role.streams}}}[{SHOWN}]))"


def rate(counter: str, role: Role, *, by: str = "path", where: str = "") -> str:
    """Return the rate of a counter of a path, per second."""
    return f"sum by ({by}) (rate(eragent_{counter}_total{{{role.streams}{where}}}[{STEP}]))"


def ratio(part: str, whole: str, *, on: str = "path") -> str:
    """Divide; where there is nothing to divide by there is no answer, rather than NaN."""
    return f"{part} / on ({on}) group_left () ({whole} > 0)"


def share_of(counter: str, whole: str, role: Role, *, where: str = "") -> str:
    """Return what share of one counter's packets another counter counted."""
    return ratio(rate(counter, role, where=where), rate(whole, role))


def difference(of_candidate: str, of_baseline: str) -> str:
    """Subtract the baseline's figure from the candidate's."""
    return f"({of_candidate} - on () {of_baseline})"


def more_predictable() -> str:
    """Name in the label ``winner`` the path that varies clearly less from packet to packet, unless it has a flaw.

    A flaw is more loss, or a clearly wider spread. The value is a ratio, candidate to baseline: that of the variations
    where it decided, 1 where nothing did, 0 or 2 where only the candidate or only the baseline got answers. Where
    neither did, or one never varies, the label is "undecided"; where both are the same path, "one path only".

    The mean variation decides because it is exact: two paths of the same constant delay can show spreads that differ
    by half, where one of them lies in a wider bucket.
    """
    variations, spreads = (
        f"({now(record, CANDIDATE)} / on () ({now(record, BASELINE)} > 0))" for record in (VARIATION, SPREAD)
    )
    more_loss = difference(now(LOSS, CANDIDATE), now(LOSS, BASELINE))
    answering = {role: now(MEAN, role) for role in ROLES}
    arms = (
        (_same_path(), "one path only"),
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
        ("vector(1)", "undecided"),
    )
    return "\nor on () ".join(f'label_replace({arm}, "winner", "{name}", "", "")' for arm, name in arms)


def _same_path() -> str:
    """Return 1 where both variables name the same path; it is no regular expression that compares the names."""
    named = [f'label_replace(vector(1), "path", "${role.variable}", "", "")' for role in ROLES]
    return " and on (path) ".join(named)


def verdict() -> str:
    """Return the verdict of the agent's own comparison in the label ``verdict``; "not compared" where there is none."""
    pair = f'{STREAMS}, baseline="$baseline", candidate="$candidate"'
    given = f"max by (verdict) (eragent_comparison_verdict{{{pair}}} == 1)"
    return f'{given} or on () label_replace(vector(0), "verdict", "not compared", "", "")'


def slower_than(role: Role) -> str:
    """Return by ``le`` the share of a path's packets that took longer, over all that is shown.

    Only bounds that tell something are in it: those with packets of either path on both sides.
    """
    ours = _cumulative(role.streams)
    either = _cumulative(f'{STREAMS}, path=~"$baseline|$candidate"')
    return f"1 - {ours} and on (le) ({either} > 0 < 1)"


def _cumulative(streams: str) -> str:
    recorded = f"stream:{RTT}_bucket:rate_5m"
    buckets = f"sum by (le) (avg_over_time({recorded}{{{streams}}}[{SHOWN}]))"
    count = f'sum(avg_over_time({recorded}{{{streams}, le="+Inf"}}[{SHOWN}]))'
    return f"{buckets} / on () group_left () ({count} > 0)"


def heat(role: Role) -> str:
    """Return the rate of packets by cumulative bucket, which a heat map takes apart.

    Buckets below the fastest packet of all that is shown are left out: there are many of them. Which those are the
    records of five minutes tell, and those of a minute of the time since the last of them.
    """
    recorded = f"stream:{RTT}_bucket:rate_1m{{{role.streams}}}"
    whole = f"avg_over_time(stream:{RTT}_bucket:rate_5m{{{role.streams}}}[{SHOWN}] @ end())"
    reached = f"(sum by (le) ({whole}) > 0 or sum by (le) (avg_over_time({recorded}[5m] @ end())) > 0)"
    return f"sum by (le) (avg_over_time({recorded}[{STEP}])) and on (le) {reached}"


def by_hour(role: Role) -> str:
    """Return the mean of the five-minute p99 in ms by the labels ``hour`` and ``weekday``, over all that is shown."""
    return f"1000 * avg by (hour, weekday) (avg_over_time(stream:{P99}_by_hour{{{role.streams}}}[{SHOWN}]))"


def jitter(role: Role, direction: str = "round_trip") -> str:
    """Return the interarrival jitter of the round trip, or of a direction (RFC 3550)."""
    jittered = f'eragent_jitter_seconds{{{role.streams}, direction="{direction}"}}'
    return f"max by (path) (max_over_time({jittered}[{STEP}]))"


def directional_loss(direction: str, role: Role) -> str:
    """Return packets a second that are known to be lost in this direction.

    No share of those sent: after an outage the first answer tells of all of them at once.
    """
    return rate("packets_lost_direction", role, where=f', direction="{direction}"')


def of_purchased(role: Role) -> str:
    """Return the share of the purchased rate that the latest test reached, in the worse direction."""
    return f'min by (path) (path:eragent_throughput:purchased_ratio{{{TARGET}, path="${role.variable}"}})'


def alerts(where: str) -> str:
    """Return the alerts that fire; one named "none" while none does, and nothing where no rule is evaluated."""
    none = f'label_replace({_RULES_ARE_EVALUATED}, "alertname", "none", "", "")'
    return f'ALERTS{{alertstate="firing", {where}}} or on () label_replace({none}, "severity", "-", "", "")'


def number_of_alerts(where: str) -> str:
    """Return how many alerts fire; nothing where no rule is evaluated."""
    return f'count(ALERTS{{alertstate="firing", {where}}}) or {_RULES_ARE_EVALUATED}'


def number_of(whatever: str, among: str) -> str:
    """Return how many series of ``among`` are ``whatever``; nothing where there are none to be so.

    A zero says that all is well: that is not known of paths of which nothing is known.
    """
    return f"count({whatever}) or 0 * count({among})"
