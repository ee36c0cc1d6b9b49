"""The metrics of reloads, named as Prometheus names its own."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.reload import Refusal
from agent.service.reloading import ReloadCounts

_NS_PER_S = 1e9


class ReloadMetrics(Collector):
    """Shows ``registry`` how reloads went when it is read."""

    def __init__(self, registry: CollectorRegistry, agent: str, counts: ReloadCounts) -> None:
        self._agent = agent
        self._counts = counts
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        counts = self._counts
        yield self._gauge(
            "eragent_config_last_reload_successful",
            "Whether the configuration in use is the file's as it was read last (1), or that was refused (0).",
            counts.successful,
        )
        yield self._gauge(
            "eragent_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read.",
            counts.succeeded_at_ns / _NS_PER_S,
        )
        refused = CounterMetricFamily(
            "eragent_config_reloads_refused",
            "Reloads that changed nothing, by reason: the file is not valid, or it takes a restart.",
            labels=("agent", "reason"),
        )
        for reason in Refusal:
            refused.add_metric((self._agent, reason), counts.refused[reason])
        yield refused

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text, labels=("agent",))
        family.add_metric((self._agent,), float(value))
        return family
