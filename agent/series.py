"""How Prometheus names the streams: the labels that all their series have, and families made of what was counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from agent.counts import Histogram, StreamCounts

STREAM = ("agent", "probe", "kind", "target", "path")

Series = Sequence[tuple[tuple[str, ...], StreamCounts]]
"""Streams: the values of the labels above, and what was counted."""

LabelledCounter = tuple[str, str, str, Callable[[StreamCounts], Mapping[str, int]]]
"""A counter's name without its prefix, its further label, its meaning, and the counts by that label's values."""

NamedHistogram = tuple[str, str, Callable[[StreamCounts], Histogram]]
"""A histogram's name without its prefix and unit, its meaning, and where it is counted."""

_NS_PER_S = 1e9


def labelled_counters(table: Iterable[LabelledCounter], streams: Series) -> Iterator[Metric]:
    """Yield a family for each counter, with a series for every value of its label."""
    for name, label, text, by_label in table:
        family = CounterMetricFamily(f"eragent_{name}", text, labels=(*STREAM, label))
        for labels, counts in streams:
            for value, count in by_label(counts).items():
                family.add_metric((*labels, value), count)
        yield family


def histograms(table: Iterable[NamedHistogram], streams: Series) -> Iterator[Metric]:
    """Yield a family for each histogram, in seconds."""
    for name, text, histogram in table:
        yield histogram_family(name, text, STREAM, ((labels, histogram(counts)) for labels, counts in streams))


def histogram_family(
    name: str, text: str, label_names: Sequence[str], series: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    """Return the family of a histogram, in seconds; ``name`` is without its prefix and unit."""
    family = HistogramMetricFamily(f"eragent_{name}_seconds", text, labels=label_names)
    for labels, counted in series:
        bounds = [*map(floatToGoString, (bound_ns / _NS_PER_S for bound_ns in counted.bounds_ns)), "+Inf"]
        family.add_metric(labels, list(zip(bounds, counted.cumulative(), strict=True)), counted.sum_ns / _NS_PER_S)
    return family
