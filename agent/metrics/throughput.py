"""The metrics of tests of throughput. Results are those of the latest test: a scrape never starts one."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from agent.throughput.limited_by import Limit
from agent.throughput.service import Throughput

_TESTED = ("agent", "probe", "target", "path")
_RESULT = (*_TESTED, "direction", "protocol", "stage")
_NS_PER_S = 1e9


class ThroughputMetrics(Collector):
    """Shows ``registry`` what is known of all tests when it is read."""

    def __init__(self, registry: CollectorRegistry, agent: str, throughput: Throughput) -> None:
        self._agent = agent
        self._throughput = throughput
        self._counts = throughput.counts
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family; results have series once there are any."""
        yield from self._results()
        yield self._limits()
        yield self._tests()
        yield self._moved()
        yield self._path_mtus()
        yield from self._budgets()
        yield self._due()
        yield self._loaded()

    def _results(self) -> Iterator[Metric]:
        rate = GaugeMetricFamily(
            "eragent_throughput_bytes_per_second", "Payload that arrived in the latest complete test.", labels=_RESULT
        )
        at = GaugeMetricFamily(
            "eragent_throughput_timestamp_seconds", "When the latest complete test began.", labels=_RESULT
        )
        loss = GaugeMetricFamily(
            "eragent_throughput_loss_ratio",
            "Of the latest complete test: segments that were sent again (TCP), or datagrams that were lost (UDP).",
            labels=_RESULT,
        )
        for (tested, result), latest in self._counts.latest.items():
            labels = (self._agent, *tested, *result)
            rate.add_metric(labels, latest.bits_per_second / 8)
            at.add_metric(labels, latest.at.timestamp())
            if latest.loss_share is not None:
                loss.add_metric(labels, latest.loss_share)
        yield from (rate, at, loss)

    def _limits(self) -> Metric:
        family = GaugeMetricFamily(
            "eragent_throughput_limited_by",
            "What limited the latest complete test: 1 for that, 0 for all else.",
            labels=(*_RESULT, "limit"),
        )
        for (tested, result), latest in self._counts.latest.items():
            for limit in Limit:
                family.add_metric((self._agent, *tested, *result, limit), latest.limit is limit)
        return family

    def _tests(self) -> Metric:
        family = CounterMetricFamily(
            "eragent_throughput_tests",
            "Tests by how they went; complete ones have no reason.",
            labels=(*_TESTED, "outcome", "reason"),
        )
        for (tested, outcome, reason), count in self._counts.tests.items():
            family.add_metric((self._agent, *tested, outcome, reason), count)
        return family

    def _moved(self) -> Metric:
        family = CounterMetricFamily(
            "eragent_throughput_moved_bytes", "What tests moved both ways, headers included.", labels=_TESTED
        )
        for tested, octets in self._counts.moved_octets.items():
            family.add_metric((self._agent, *tested), octets)
        return family

    def _path_mtus(self) -> Metric:
        family = GaugeMetricFamily(
            "eragent_throughput_path_mtu_bytes",
            "The path's MTU as this host's TCP knew it at the end of the latest test in which it sent.",
            labels=_TESTED,
        )
        for tested, path_mtu_bytes in self._counts.path_mtu_bytes.items():
            family.add_metric((self._agent, *tested), path_mtu_bytes)
        return family

    def _budgets(self) -> Iterator[Metric]:
        labels = ("agent", "probe", "path")
        limit = GaugeMetricFamily(
            "eragent_throughput_budget_bytes", "What all tests may move over the path in a day.", labels=labels
        )
        left = GaugeMetricFamily(
            "eragent_throughput_budget_left_bytes", "What is left of that for today.", labels=labels
        )
        for plan in self._throughput.plans:
            for path in plan.paths if plan.budget is not None else ():
                allowance = self._throughput.books.allowance(plan, path)
                limit.add_metric((self._agent, plan.name, path.name), allowance.limit or 0)
                left.add_metric((self._agent, plan.name, path.name), allowance.left or 0)
        yield from (limit, left)

    def _due(self) -> Metric:
        family = GaugeMetricFamily(
            "eragent_throughput_due_timestamp_seconds",
            "When tests are due next, or were while they run.",
            labels=("agent", "probe"),
        )
        for probe, due in self._counts.due.items():
            family.add_metric((self._agent, probe), due.timestamp())
        return family

    def _loaded(self) -> Metric:
        family = HistogramMetricFamily(
            "eragent_throughput_loaded_rtt_seconds",
            "Round trips of the path's probe stream with most samples while the test's load was steady.",
            labels=(*_TESTED, "load"),
        )
        for (tested, load), counted in self._counts.loaded.items():
            bounds = [*map(floatToGoString, (bound_ns / _NS_PER_S for bound_ns in counted.bounds_ns)), "+Inf"]
            buckets = list(zip(bounds, counted.cumulative(), strict=True))
            family.add_metric((self._agent, *tested, load), buckets, counted.sum_ns / _NS_PER_S)
        return family
