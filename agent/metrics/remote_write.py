"""The metrics of sending a history by remote write: what was taken, refused or tried in vain, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.history.remote.counts import Dropped, Failure, RemoteCounts

_NS_PER_S = 1e9


class RemoteWriteMetrics(Collector):
    """Shows ``registry`` what was counted when it is read; every series has the label ``agent``."""

    def __init__(self, registry: CollectorRegistry, agent: str, counts: RemoteCounts) -> None:
        self._agent = agent
        self._counts = counts
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family; the time has no series before something was sent."""
        counts = self._counts
        taken = CounterMetricFamily(
            "eragent_remote_write_samples", "Samples of minutes that the receiver took.", labels=("agent",)
        )
        taken.add_metric((self._agent,), counts.samples)
        yield taken
        yield self._by_reason("samples_dropped", "Samples that will not be sent again, by reason.", counts.dropped)
        yield self._by_reason("errors", "Requests that were not taken and are made again, by reason.", counts.errors)
        until = GaugeMetricFamily(
            "eragent_remote_write_sent_until_timestamp_seconds",
            "The end of the last minute that was sent.",
            labels=("agent",),
        )
        if counts.sent_until_ns is not None:
            until.add_metric((self._agent,), counts.sent_until_ns / _NS_PER_S)
        yield until

    def _by_reason(self, name: str, text: str, counts: Mapping[Dropped, int] | Mapping[Failure, int]) -> Metric:
        family = CounterMetricFamily(f"eragent_remote_write_{name}", text, labels=("agent", "reason"))
        for reason, count in counts.items():
            family.add_metric((self._agent, reason), count)
        return family
