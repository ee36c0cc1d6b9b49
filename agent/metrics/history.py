"""The metrics of a history: how much was written and dropped, why, and how far behind the disk is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.history.counts import HistoryCounts
from agent.history.trouble import Reason

_NS_PER_S = 1e9


class HistoryMetrics(Collector):
    """Shows ``registry`` what was counted when it is read; every series has the label ``agent``."""

    def __init__(self, registry: CollectorRegistry, agent: str, counts: HistoryCounts) -> None:
        self._agent = agent
        self._counts = counts
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family; times that are not known yet have no series."""
        counts = self._counts
        yield self._gauge("up", "Whether samples can be written at present (1) or not (0).", counts.trouble is None)
        yield self._counter("samples_written", "Samples that are on disk.", counts.written)
        yield self._by_reason(
            "samples_dropped", "Samples that found no more room in memory, by what kept them from disk.", counts.dropped
        )
        yield self._by_reason("errors", "Attempts to write that failed, by reason.", counts.errors)
        yield self._gauge("queue_samples", "Samples in memory that are not on disk yet.", counts.held)
        yield self._counter("commits", "Transactions that are on disk.", counts.commits)
        yield self._counter(
            "commit_seconds",
            "How long they took altogether, the disk included.",
            counts.commit_ns / _NS_PER_S,
        )
        yield self._time("last_commit_timestamp_seconds", "When the last one was on disk.", counts.last_commit_ns)
        yield self._time("oldest_sample_timestamp_seconds", "The minute of the oldest sample.", counts.oldest_ns)
        yield self._gauge("file_bytes", "What the file takes, with what SQLite keeps beside it.", counts.octets)
        yield self._counter("files_set_aside", "Damaged files that were renamed and begun anew.", counts.set_aside)

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(f"eragent_history_{name}", text, labels=("agent",))
        family.add_metric((self._agent,), value)
        return family

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"eragent_history_{name}", text, labels=("agent",))
        family.add_metric((self._agent,), value)
        return family

    def _time(self, name: str, text: str, at_ns: int | None) -> Metric:
        family = GaugeMetricFamily(f"eragent_history_{name}", text, labels=("agent",))
        if at_ns is not None:
            family.add_metric((self._agent,), at_ns / _NS_PER_S)
        return family

    def _by_reason(self, name: str, text: str, counts: Mapping[Reason, int]) -> Metric:
        family = CounterMetricFamily(f"eragent_history_{name}", text, labels=("agent", "reason"))
        for reason, count in counts.items():
            family.add_metric((self._agent, reason), count)
        return family
