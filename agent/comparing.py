"""The sink that compares two paths as long as the service runs: each comparison of the plan, at each target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from agent.compare.continuous import ContinuousComparison
from agent.plan import ComparisonPlan, Probe
from agent.sink import StreamKey
from collectors.sample import Sample
from collectors.session import Deliver, SessionEvent

Compared = tuple[str, str, str, str]
"""Names: of the probe, the target, the baseline and the candidate."""


class Comparisons:
    """Hands packets of compared paths to their comparisons; everything else is none of its business."""

    def __init__(self, plans: Iterable[ComparisonPlan], probes: Iterable[Probe]) -> None:
        named = {probe.name: probe for probe in probes}
        self.running: dict[Compared, ContinuousComparison] = {
            (plan.probe, target.name, plan.baseline, plan.candidate): ContinuousComparison(
                interval_ns=named[plan.probe].interval_ns,
                timeout_ns=named[plan.probe].timeout_ns,
                margin_ns=plan.margin_ns,
            )
            for plan in plans
            if plan.probe in named  # those of throughput are probes too, but send no packets in slots
            for target in named[plan.probe].targets
        }

    def opened(self, key: StreamKey) -> Deliver:
        """Return what gives the stream's settled packets to the comparisons that it is a side of."""
        takers = [
            _taker(comparison, (baseline, candidate).index(key.path))
            for (probe, target, baseline, candidate), comparison in self.running.items()
            if (probe, target) == (key.probe, key.target) and key.path in (baseline, candidate)
        ]

        def deliver(events: Sequence[SessionEvent]) -> None:
            for event in events:
                if isinstance(event, Sample) and event.outcome.settles:
                    for take in takers:
                        take(event)

        return deliver if takers else _ignore

    def closed(self, key: StreamKey) -> None:
        """Know nothing of it: without packets on both sides there are no pairs."""

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Know nothing of it: a slot without packets is no pair."""

    def lagged(self, lag_ns: int) -> None:
        """Know nothing of it: samples say by themselves that they are noisy."""

    def suspended(self, duration_ns: int) -> None:
        """Know nothing of it, as above."""

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Know nothing of addresses."""


def _taker(comparison: ContinuousComparison, side: int) -> Callable[[Sample], None]:
    def take(sample: Sample) -> None:
        comparison.take(side, sample)

    return take


def _ignore(events: Sequence[SessionEvent]) -> None:
    """Take what no comparison wants."""
