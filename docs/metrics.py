"""``python -m docs.metrics`` writes docs/metrics.md, the reference of all metrics, from the metrics themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client.metrics_core import Metric

from agent.plan import ProbeOptions
from collectors.icmp.sender import IcmpOptions
from collectors.session import SessionEvent
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions
from docs.families import (
    HTTP,
    TELLING,
    agent_with,
    families,
    history_families,
    reflector_families,
    throughput_families,
)

FILE = Path(__file__).with_suffix(".md")

_LABELS = {
    "agent": "name of the agent, from `agent.name` in the configuration",
    "probe": "name of the probe",
    "baseline": "name of the path that is compared with",
    "candidate": "name of the path that should be better",
    "verdict": "of a comparison: `better`, `worse`, `same` or `insufficient`",
    "figure": "of a comparison: `rtt_p99` or `rtt_p99_p50`",
    "kind": "of a stream: `icmp`, `stamp`, `tcp` or `http`, as its probe; of a path: `kind` in the configuration",
    "target": "name of the target",
    "path": "name of the path",
    "reason": "why packets or answers could not be sent, packets failed, answers were not taken for any, datagrams got"
    " none, TWAMP clients were refused, or samples could not be written; why a reload was refused; why one-way"
    " delays are not valid (docs/stamp.md); why a test of throughput was skipped or failed",
    "timescale": "what a clock counts in the place of UTC, and whose: `sender` is this host",
    "direction": "`forward` is the way to the target, `backward` the way back, `round_trip` both; of tests of"
    " throughput `up` and `down`",
    "protocol": "of a test of throughput: `tcp` or `udp`",
    "stage": "of a test of throughput: how many flows it had",
    "limit": "what limits a throughput: docs/throughput.md has the rules",
    "load": "what a test did on the path: `loaded-up`, `loaded-down` or `loaded-both`",
    "outcome": "how a test went: `complete`, `partial`, `failed` or `skipped`",
    "source": "of timestamps: who took them; of a path: the source address that pins packets to it",
    "quirk": "how answers depart from the standard that are used all the same",
    "point": "where packets were counted: when sent here, and when they reached and left the reflector",
    "dscp": "0 to 63 (RFC 2474)",
    "ecn": "0 to 3 (RFC 3168): `0` not capable of ECN, `1` and `2` capable, `3` congestion was met",
    "stateful": "`yes` where the reflector numbers its answers itself, so that losses have a direction; else `no`, or"
    " `unknown`",
    "understands": "what the reflector understood of RFC 8972, joined by commas; empty where nothing is known",
    "clock_source": "what keeps the reflector's clock, as it says; or `unknown`",
    "synchronised": "whether the reflector claims a synchronised clock: `yes`, `no` or `unknown`",
    "stamp_method": "what takes the reflector's times, as it says; or `unknown`",
    "phase": "of an attempt at a web server, in this order: docs/http.md says from when to when each is",
    "status": "of the answer, 100 to 599 (RFC 9110)",
    "http_version": "of the answer",
    "tls_version": "what was agreed on; empty without TLS",
    "verified": "whether the server's certificate was checked: `yes` or `no`; empty without TLS",
    "interface": "the interface that pins packets to the path",
    "version": "version of the agent",
    "python": "version of the Python that runs it",
}
_ENUMERATED = ("limit", "outcome", "reason", "direction", "source", "quirk", "point", "phase", "timescale")

_HEAD = """# Metrics

Generated from the program by `python -m docs.metrics`; a test fails when this page is stale.

`eragent run` serves these on `/metrics`. All times are in seconds. Every series of a stream is there at zero from the
start, so that the first event counts. Counters and histograms are raw facts: ratios and percentiles are PromQL's work,
for example

    rate(eragent_packets_lost_total[5m]) / (rate(eragent_packets_sent_total[5m]) > 0)
    histogram_quantile(0.99, sum by (path, le) (rate(eragent_rtt_seconds_bucket[5m])))
    rate(eragent_rtt_seconds_sum[5m]) / rate(eragent_rtt_seconds_count[5m])

The last one, the mean, is exact; a percentile is exact to about the width of its bucket.
"""
_OF_REFLECTOR = """
They are there where the configuration has a section `reflector`, those of TWAMP where that has a section
`twamp`, those of iperf3's server where it has a section `iperf3`, and count over restarts.
"""
_OF_HISTORY = """
They are there where the configuration has a section `history`, those of remote write where it has
`remote_write`. What to do about each reason stands in
[history.md](history.md).
"""
_OF_TESTS = "They are there where the configuration has probes of kind `iperf3`. A scrape starts no test."
_OF_PROCESS = """
They come from the Prometheus client library and have no label `agent`; join them with
`eragent_build_info` on `job` and `instance`.
"""
_OF_BUCKETS = "Upper bounds in milliseconds; a last one, `+Inf`, takes the rest."


def sample_names() -> set[str]:
    """Return every name that a query can use, such as ``eragent_rtt_seconds_bucket``."""
    return {sample.name for family in families() for sample in family.samples}


def reference() -> str:
    """Return the page."""
    own, kept, tests = reflector_families(), history_families(), throughput_families()
    apart = {known.name for known in (*own, *kept, *tests)}
    measured, process = _split(family for family in families() if family.name not in apart)
    ours = [*measured, *own, *kept, *tests]
    return "\n".join(
        [
            _HEAD,
            *_chapter("Of the measurement", _table(measured)),
            *_chapter("Of the agent's own reflector", _table(own), _OF_REFLECTOR),
            *_chapter("Of the history", _table(kept), _OF_HISTORY),
            *_chapter("Of tests of throughput", _table(tests), _OF_TESTS),
            *_chapter("Of the agent's process", _table(process), _OF_PROCESS),
            *_chapter("Labels", _labels(ours)),
            "Values that are fixed:",
            "",
            *_fixed_values(ours),
            "",
            *_chapter("How many series", _how_many()),
            *_chapter("Buckets", _buckets([*measured, *tests]), _OF_BUCKETS),
        ]
    )


def _chapter(title: str, lines: Iterable[str], introduction: str = "") -> list[str]:
    before = [introduction.strip(), ""] if introduction else []
    return [f"## {title}", "", *before, *lines, ""]


def _split(everything: Iterable[Metric]) -> tuple[list[Metric], list[Metric]]:
    measured: list[Metric] = []
    process: list[Metric] = []
    for family in everything:
        (measured if family.name.startswith("eragent_") else process).append(family)
    return measured, process


def _table(metrics: Sequence[Metric]) -> list[str]:
    rows = (
        f"| `{_name(family)}` | {family.type} | {_code(_labels_of([family]))} | {family.documentation} |"
        for family in metrics
    )
    return ["| name | type | labels | meaning |", "|---|---|---|---|", *rows]


def _name(family: Metric) -> str:
    """Return the name to look for: a counter's has the suffix that the registry's does not."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels_of(metrics: Iterable[Metric]) -> list[str]:
    """Return all labels in the order of their explanations; an unexplained one is an error."""
    used = {label for family in metrics for sample in family.samples for label in sample.labels} - {"le"}
    assert used <= _LABELS.keys(), f"unexplained: {used - _LABELS.keys()}"
    return [label for label in _LABELS if label in used]


def _labels(metrics: Iterable[Metric]) -> list[str]:
    rows = (f"| `{label}` | {_LABELS[label]} |" for label in _labels_of(metrics))
    return ["| label | meaning |", "|---|---|", *rows]


def _fixed_values(metrics: Iterable[Metric]) -> list[str]:
    lines = []
    for family in metrics:
        for label in _ENUMERATED:
            values = dict.fromkeys(sample.labels[label] for sample in family.samples if sample.labels.get(label))
            if len(values) > 1:
                lines.append(f"- `{label}` of `{_name(family)}`: {_code(values)}")
    return lines


def _how_many() -> list[str]:
    kinds = (IcmpOptions(), StampOptions(), TcpOptions(), HTTP)
    icmp, stamp, tcp, http = (_stream_series(options, ()) for options in kinds)
    marks, ttl = 2, 1
    further = _stream_series(StampOptions(), TELLING) - stamp - marks
    return [
        f"A stream of ICMP has {icmp} from the start, one of STAMP {stamp}, one of TCP {tcp}, one of HTTP {http}, the",
        "buckets of histograms among them. An answer of a web server adds one for its status, one for how it came and",
        f"one for its certificate. What STAMP's answers tell adds {further}: jitter by direction, the TTL that they",
        "arrived with, which answers to ICMP tell too, and direct measurement. Of marks, that is of",
        "`eragent_packets_marked_total`, there is one for each that was seen: one or two in each direction in most",
        "networks, 512 at most (64 DSCPs, 4 ECNs, 2 directions). Of `eragent_peer_info` there is one at a time:",
        "its labels follow what the reflector tells.",
        "",
        "An agent with 10 targets over 3 paths has 30 streams of each probe:"
        f" {30 * (icmp + ttl)} series with a probe of ICMP,",
        f"{30 * (stamp + further + marks)} with one of STAMP whose reflectors tell all, {30 * tcp} with one of TCP,",
        f"{30 * http} with one of HTTP; 10 of missed slots for each probe; and {_own_series()} of the agent itself.",
    ]


def _stream_series(options: ProbeOptions, events: Sequence[SessionEvent]) -> int:
    families = agent_with(options, events).collect()
    return sum("kind" in sample.labels and "probe" in sample.labels for family in families for sample in family.samples)


def _own_series() -> int:
    """Count what an agent with one path has whatever it probes, its process left out."""
    measured, _ = _split(agent_with(IcmpOptions(), ()).collect())
    return sum("probe" not in sample.labels for family in measured for sample in family.samples)


def _buckets(metrics: Iterable[Metric]) -> list[str]:
    return [f"- `{family.name}`: {_bounds(family)}" for family in metrics if family.type == "histogram"]


def _bounds(family: Metric) -> str:
    bounds = dict.fromkeys(
        float(sample.labels["le"]) for sample in family.samples if sample.labels.get("le", "+Inf") != "+Inf"
    )
    return ", ".join(f"{1000 * bound:g}" for bound in bounds)


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def main() -> None:
    """Write the page."""
    FILE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
