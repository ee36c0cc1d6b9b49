"""What is known of all tests since the start: the latest figures, outcomes, octets moved, round trips under load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agent.histogram import RTT_BOUNDS_NS, Histogram
from agent.throughput.limited_by import Limit
from agent.throughput.load import Load
from agent.throughput.measurement import Measurement
from agent.throughput.plan import ThroughputPlan
from agent.throughput.trial import LOADS, NO_TURN, OVER_BUDGET, Outcome
from collectors.iperf3.failing import Iperf3Failure

Tested = tuple[str, str, str]
"""The names of probe, target and path."""
Direction = tuple[str, str, str]
"""Direction, protocol and stage."""
_BREAK_OFF = (Iperf3Failure.ENDED_EARLY, Iperf3Failure.TIMED_OUT, Iperf3Failure.CANCELLED, Iperf3Failure.OTHER)
"""What happens to tests that have begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """One direction of the latest complete test: payload that arrived, and why it was not more."""

    at: datetime
    bits_per_second: float
    limit: Limit
    loss_share: float | None


class ThroughputCounts:
    """Everything there is to show of tests; series of what is planned are there from the start."""

    def __init__(self, plans: Iterable[ThroughputPlan]) -> None:
        self.latest: dict[tuple[Tested, Direction], Latest] = {}
        self.tests: Counter[tuple[Tested, str, str]] = Counter()
        self.moved_octets: Counter[Tested] = Counter()
        self.path_mtu_bytes: dict[Tested, int] = {}
        self.loaded: dict[tuple[Tested, Load], Histogram] = {}
        self.due: dict[str, datetime] = {}
        for plan in plans:
            for target, path in plan.rounds():
                self._begin((plan.name, target.name, path.name), LOADS[plan.options.direction])

    def take(self, measurement: Measurement) -> None:
        """Count a test that ended, or was skipped."""
        tried, trial = measurement.tried, measurement.tried.trial
        tested = (trial.probe, trial.target.name, trial.path.name)
        self.tests[tested, tried.outcome, tried.reason] += 1
        self.moved_octets[tested] += tried.moved_octets or 0
        if measurement.latency is not None:
            loaded = self.loaded.setdefault((tested, measurement.load), Histogram(RTT_BOUNDS_NS))
            for rtt_ns in measurement.latency.loaded_rtts_ns:
                loaded.observe(rtt_ns)
        if tried.result is None:
            return
        if tried.result.path_mtu_bytes is not None:
            self.path_mtu_bytes[tested] = tried.result.path_mtu_bytes
        for direction, verdict in measurement.verdicts.items():
            transfer = tried.result.up if direction == "up" else tried.result.down
            assert transfer is not None, "what has a verdict was measured"
            self.latest[tested, (direction, trial.options.protocol, trial.stage.name)] = Latest(
                at=tried.at,
                bits_per_second=transfer.bits_per_second,
                limit=verdict.limit,
                loss_share=verdict.figures.loss_share,
            )

    def _begin(self, tested: Tested, load: Load) -> None:
        self.tests[tested, Outcome.COMPLETE, ""] = 0
        for reason in (OVER_BUDGET, NO_TURN):
            self.tests[tested, Outcome.SKIPPED, reason] = 0
        for failure in Iperf3Failure:
            self.tests[tested, Outcome.FAILED, failure] = 0
        for failure in _BREAK_OFF:
            self.tests[tested, Outcome.PARTIAL, failure] = 0
        self.moved_octets[tested] = 0
        self.loaded[tested, load] = Histogram(RTT_BOUNDS_NS)
