"""The metrics of the continuous comparison of two paths: the verdict, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from agent.compare.continuous import ContinuousComparison
from agent.compare.margins import Verdict
from agent.comparing import Comparisons
from agent.metrics.series import Family, counter, counters, gauge, gauges, shown

LABELS = ("agent", "probe", "target", "baseline", "candidate")
_NS_PER_S = 1e9


def _verdicts(comparison: ContinuousComparison) -> Mapping[str, float]:
    given = comparison.verdict
    return {verdict.value: verdict is given for verdict in Verdict}


def _delays(comparison: ContinuousComparison) -> Mapping[str, float]:
    found = comparison.differences.items()
    return {name: difference / _NS_PER_S for name, difference in found if name != "loss"}


FAMILIES: tuple[Family[ContinuousComparison], ...] = (
    gauges(
        "comparison_verdict",
        "verdict",
        "What the blocks of the last day say of the candidate beside the baseline: 1 for the verdict that holds, 0 for"
        " the others.",
        _verdicts,
    ),
    gauges(
        "comparison_difference_seconds",
        "figure",
        "Median over the blocks of the last day of candidate - baseline, of p99 and of p99 - p50 of round trips.",
        _delays,
    ),
    gauge(
        "comparison_loss_difference_ratio",
        "Median over the blocks of the last day of candidate - baseline, of the share of packets that were lost or"
        " failed.",
        lambda comparison: comparison.differences.get("loss"),
    ),
    gauge(
        "comparison_blocks",
        "Blocks, of ten minutes or more, that the verdict rests on: 144 at the most; less than 25 never decide.",
        lambda comparison: len(comparison.judges["rtt_p99"].differences),
    ),
    counter(
        "comparison_pairs",
        "Pairs of packets that were compared; of fast probes not every slot is.",
        lambda comparison: comparison.pairs,
    ),
    counters(
        "comparison_excluded_pairs",
        "reason",
        "Slots that were left out of the comparison, by reason.",
        lambda comparison: comparison.excluded,
    ),
)


class ComparisonMetrics(Collector):
    """Shows ``registry`` all comparisons when it is read."""

    def __init__(self, registry: CollectorRegistry, agent: str, comparisons: Comparisons) -> None:
        self._agent = agent
        self._comparisons = comparisons
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family; differences have series once there are blocks."""
        rows = [((self._agent, *names), comparison) for names, comparison in self._comparisons.running.items()]
        yield from shown(FAMILIES, LABELS, rows)
