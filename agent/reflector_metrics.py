"""The metrics of the reflector that runs beside the agent: raw facts, each reason at zero from the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.reflector_counts import ReflectorCounts
from collectors.stamp.refusal import Refusal


class Reflecting(Protocol):
    """What is known of a reflector: :class:`agent.reflecting.ReflectorProcess`."""

    restarts: int

    @property
    def answering(self) -> bool:
        """Whether it lives and answers."""

    def counts(self) -> ReflectorCounts:
        """Return what was counted since the agent began."""


class ReflectorMetrics(Collector):
    """Shows ``registry`` what the reflector counted when it is read; every series has the label ``agent``."""

    def __init__(self, registry: CollectorRegistry, agent: str, reflector: Reflecting) -> None:
        self._agent = agent
        self._reflector = reflector
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        counts = self._reflector.counts()
        yield self._counter("replies", "Test packets that the reflector answered.", counts.replies)
        yield self._by_reason("refused", "Datagrams that the reflector did not answer, by reason.", counts.refused)
        yield self._by_reason(
            "not_sent", "Answers of the reflector that the kernel refused to send, by reason.", counts.not_sent
        )
        yield self._counter(
            "dropped", "Datagrams that found no room in the receive queue of the reflector.", counts.dropped
        )
        yield self._gauge("sessions", "Sessions of senders that the reflector keeps.", counts.sessions)
        yield self._gauge("up", "Whether the reflector answers (1) or not (0).", self._reflector.answering)
        yield self._counter(
            "restarts", "How often the reflector ended by itself and was started again.", self._reflector.restarts
        )

    def _counter(self, name: str, text: str, value: int) -> Metric:
        family = CounterMetricFamily(f"eragent_reflector_{name}", text, labels=("agent",))
        family.add_metric((self._agent,), value)
        return family

    def _gauge(self, name: str, text: str, value: int) -> Metric:
        family = GaugeMetricFamily(f"eragent_reflector_{name}", text, labels=("agent",))
        family.add_metric((self._agent,), value)
        return family

    def _by_reason(self, name: str, text: str, counts: Mapping[Refusal, int] | Mapping[str, int]) -> Metric:
        family = CounterMetricFamily(f"eragent_reflector_{name}", text, labels=("agent", "reason"))
        for reason, count in counts.items():
            family.add_metric((self._agent, reason), count)
        return family
