"""How Prometheus names the streams: the labels that all their series have, and counters with one label more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, Metric

from agent.counts import StreamCounts

STREAM = ("agent", "probe", "kind", "target", "path")

Series = Sequence[tuple[tuple[str, ...], StreamCounts]]
"""Streams: the values of the labels above, and what was counted."""

LabelledCounter = tuple[str, str, str, Callable[[StreamCounts], Mapping[str, int]]]
"""A counter's name without its prefix, its further label, its meaning, and the counts by that label's values."""


def labelled_counters(table: Iterable[LabelledCounter], streams: Series) -> Iterator[Metric]:
    """Yield a family for each counter, with a series for every value of its label."""
    for name, label, text, by_label in table:
        family = CounterMetricFamily(f"eragent_{name}", text, labels=(*STREAM, label))
        for labels, counts in streams:
            for value, count in by_label(counts).items():
                family.add_metric((*labels, value), count)
        yield family
