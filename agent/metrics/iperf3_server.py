"""The metrics of iperf3's server that runs beside the agent: raw facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class ServingTests(Protocol):
    """What is known of such a server: :class:`agent.iperf3_server.supervise.Iperf3Server`."""

    listening: bool
    tests: int
    restarts: int

    @property
    def refused(self) -> int:
        """How many packets of peers that are not allowed were dropped, at least."""


class Iperf3ServerMetrics(Collector):
    """Shows ``registry`` what is known of the server when it is read; every series has the label ``agent``."""

    def __init__(self, registry: CollectorRegistry, agent: str, server: ServingTests) -> None:
        self._agent = agent
        self._server = server
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        up = GaugeMetricFamily(
            "eragent_iperf3_server_up", "Whether iperf3's server listens (1) or not (0).", labels=("agent",)
        )
        up.add_metric((self._agent,), self._server.listening)
        yield up
        yield self._counter("tests", "Clients that iperf3's server accepted for a test.", self._server.tests)
        yield self._counter(
            "restarts", "How often iperf3's server ended by itself and was started again.", self._server.restarts
        )
        yield self._counter(
            "refused_packets",
            "Packets to iperf3's server from peers that are not allowed, at least: each was dropped.",
            self._server.refused,
        )

    def _counter(self, name: str, text: str, value: int) -> Metric:
        family = CounterMetricFamily(f"eragent_iperf3_server_{name}", text, labels=("agent",))
        family.add_metric((self._agent,), value)
        return family
