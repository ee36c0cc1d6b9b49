"""``python -m docs.metrics`` writes docs/metrics.md, the reference of all metrics, from the metrics themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric

from agent.metrics import Metrics
from agent.plan import Plan, Probe, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target

FILE = Path(__file__).with_suffix(".md")

_LABELS = {
    "agent": "name of the agent, from `agent.name` in the configuration",
    "probe": "name of the probe",
    "kind": "of a stream: what its probe sends, `icmp` or `stamp`; of a path: `kind` in the configuration",
    "target": "name of the target",
    "path": "name of the path",
    "reason": "why packets could not be sent",
    "direction": "`forward` is the way to the target, `backward` the way back, `round_trip` both",
    "source": "of timestamps: who took them; of a path: the source address that pins packets to it",
    "interface": "the interface that pins packets to the path",
    "version": "version of the agent",
    "python": "version of the Python that runs it",
}
_ENUMERATED = ("reason", "direction", "source")

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


def families() -> list[Metric]:
    """Return every metric of an agent with one stream."""
    path = NetworkPath(name="path", source=ip_address("192.0.2.1"), rate=1)
    target = Target(name="target", host="192.0.2.2")
    probe = Probe(name="probe", options=IcmpOptions(), interval_ns=1, timeout_ns=1, targets=(target,), paths=(path,))
    plan = Plan(
        agent="agent",
        listen=SocketAddress(host="127.0.0.1", port=0),
        probes=(probe,),
        paths={path.name: path},
        targets={target.name: target},
    )
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    figures = Figures()
    figures.opened(StreamKey(probe=probe.name, kind=probe.options.kind, target=target.name, path=path.name))
    Metrics(registry, plan, figures)
    return sorted(registry.collect(), key=lambda family: family.name)


def sample_names() -> set[str]:
    """Return every name that a query can use, such as ``eragent_rtt_seconds_bucket``."""
    return {sample.name for family in families() for sample in family.samples}


def reference() -> str:
    """Return the page."""
    measured, process = _split(families())
    return "\n".join(
        [
            _HEAD,
            "## Of the measurement",
            "",
            *_table(measured),
            "",
            "## Of the agent's process",
            "",
            "They come from the Prometheus client library and have no label `agent`; join them with",
            "`eragent_build_info` on `job` and `instance`.",
            "",
            *_table(process),
            "",
            "## Labels",
            "",
            "| label | meaning |",
            "|---|---|",
            *(f"| `{label}` | {_LABELS[label]} |" for label in _labels_of(measured)),
            "",
            "Values that are fixed:",
            "",
            *_fixed_values(measured),
            "",
            "## Buckets",
            "",
            "Upper bounds in milliseconds; a last one, `+Inf`, takes the rest.",
            "",
            *(f"- `{family.name}`: {_bounds(family)}" for family in measured if family.type == "histogram"),
            "",
        ]
    )


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


def _fixed_values(metrics: Iterable[Metric]) -> list[str]:
    lines = []
    for family in metrics:
        for label in _ENUMERATED:
            values = dict.fromkeys(sample.labels[label] for sample in family.samples if label in sample.labels)
            if len(values) > 1:
                lines.append(f"- `{label}` of `{_name(family)}`: {_code(values)}")
    return lines


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
