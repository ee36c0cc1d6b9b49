"""The metrics of the reflector that runs beside the agent: raw facts, each reason at zero from the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.reflector.counts import ReflectorCounts, TwampCounts

_Reason = TypeVar("_Reason", bound=str)


class Reflecting(Protocol):
    """What is known of a reflector: :class:`agent.reflector.process.ReflectorProcess`."""

    restarts: int

    @property
    def answering(self) -> bool:
        """Whether it lives and answers."""

    @property
    def serves_twamp(self) -> bool:
        """Whether TWAMP-Control is to be served beside it."""

    def counts(self) -> ReflectorCounts:
        """Return what was counted since the agent began."""


class ReflectorMetrics(Collector):
    """Shows ``registry`` what the reflector counted when it is read; every series has the label ``agent``."""

    def __init__(self, registry: CollectorRegistry, agent: str, reflector: Reflecting) -> None:
        self._agent = agent
        self._reflector = reflector
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family; those of TWAMP-Control only where it is to be served."""
        counts = self._reflector.counts()
        yield self._counter("reflector_replies", "Test packets that the reflector answered.", counts.replies)
        yield self._by_reason(
            "reflector_refused", "Datagrams that the reflector did not answer, by reason.", counts.refused
        )
        yield self._by_reason(
            "reflector_not_sent",
            "Answers of the reflector that the kernel refused to send, by reason.",
            counts.not_sent,
        )
        yield self._counter(
            "reflector_dropped", "Datagrams that found no room in the receive queue of the reflector.", counts.dropped
        )
        yield self._gauge("reflector_sessions", "Sessions of senders that the reflector keeps.", counts.sessions)
        yield self._gauge("reflector_up", "Whether the reflector answers (1) or not (0).", self._reflector.answering)
        yield self._counter(
            "reflector_restarts",
            "How often the reflector ended by itself and was started again.",
            self._reflector.restarts,
        )
        if self._reflector.serves_twamp:
            yield from self._twamp(counts.twamp)

    def _twamp(self, counts: TwampCounts) -> Iterator[Metric]:
        # A gauge of the counter's own name is refused by readers of OpenMetrics: there a counter's has no suffix.
        yield self._gauge(
            "twamp_connections_open", "Control connections of TWAMP clients that are open.", counts.connections_open
        )
        yield self._counter("twamp_connections", "Control connections that were taken.", counts.connections)
        yield self._by_reason(
            "twamp_connections_refused",
            "Control connections that were closed before a word was said, by reason.",
            counts.connections_refused,
        )
        yield self._counter("twamp_sessions", "Test sessions that TWAMP clients were granted.", counts.sessions)
        yield self._by_reason(
            "twamp_sessions_refused",
            "Test sessions that TWAMP clients were refused, by reason.",
            counts.sessions_refused,
        )

    def _counter(self, name: str, text: str, value: int) -> Metric:
        family = CounterMetricFamily(f"eragent_{name}", text, labels=("agent",))
        family.add_metric((self._agent,), value)
        return family

    def _gauge(self, name: str, text: str, value: int) -> Metric:
        family = GaugeMetricFamily(f"eragent_{name}", text, labels=("agent",))
        family.add_metric((self._agent,), value)
        return family

    def _by_reason(self, name: str, text: str, counts: Mapping[_Reason, int]) -> Metric:
        family = CounterMetricFamily(f"eragent_{name}", text, labels=("agent", "reason"))
        for reason, count in counts.items():
            family.add_metric((self._agent, reason), count)
        return family
