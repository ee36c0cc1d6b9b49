"""Makes the packets of two paths whose true figures are known: slow and fast congestion, heavy tails, bursts, outages.

A delay is a base, a daily cycle, and a heavy-tailed function of a normal variable. That variable is the sum of three:
congestion that lasts minutes and is partly the same on both paths, queues that last a second, and what is new with each
packet. So each packet's distribution is known exactly while its neighbours depend on each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.columns import OUTCOMES, UNKNOWN, Columns
from collectors.sample import Outcome

Floats = NDArray[np.float32]

DAY_S = 86_400.0
_MONDAY_NS = 1_767_571_200_000_000_000
_SLOW_STEP_S = 1.0
_COMMON = 0.5  # the share of the slow congestion that both paths have in common


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProcess:
    """One path. Times in ms unless said; ``slow`` and ``fast`` are shares of the variance.

    Losses come while the path is in a bad state (Gilbert 1960), which begins every ``burst_every_s`` and lasts
    ``burst_s``, and in outages.
    """

    base: float = 6.0
    daily: float = 0.0
    scale: float = 0.8
    skew: float = 0.8
    tail: float = 0.1
    slow: float = 0.2
    slow_s: float = 300.0
    fast: float = 0.3
    fast_s: float = 1.0
    burst_every_s: float = 300.0
    burst_s: float = 0.5
    burst_loss: float = 0.5
    outage_every_s: float = 0.0
    outage_s: float = 40.0

    def delay(self, normal: Any, day: Any) -> Any:
        """Return delays of a normal variable at times of the day (0 to 1): Tukey's g-and-h distribution."""
        heavy = (np.exp(self.skew * normal) - 1) / self.skew * np.exp(self.tail * normal**2 / 2)
        return self.base + self.daily * (1 - np.cos(2 * np.pi * day)) / 2 + self.scale * heavy

    @property
    def loss(self) -> float:
        """Return the share of lost packets in truth."""
        out = self.outage_s / (self.outage_s + self.outage_every_s) if self.outage_every_s else 0.0
        return out + (1 - out) * self.burst_loss * self.burst_s / (self.burst_s + self.burst_every_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Two paths, how long they are measured, and how often."""

    name: str
    baseline: PathProcess
    candidate: PathProcess
    duration_s: float
    interval_s: float = 0.1

    def equal(self) -> Scenario:
        """Return the scenario whose candidate is just like its baseline."""
        return replace(self, name=f"{self.name}, equal paths", candidate=self.baseline)


def generate(scenario: Scenario, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """Return the packets of both paths in one run."""
    count = round(scenario.duration_s / scenario.interval_s)
    common = _slow(scenario, scenario.baseline.slow_s, rng)
    day = (np.arange(count, dtype=np.float32) * np.float32(scenario.interval_s / DAY_S)) % 1
    return tuple(_columns(scenario, path, common, day, rng) for path in (scenario.baseline, scenario.candidate))  # type: ignore[return-value]  # two


def independent_pairs(
    scenario: Scenario, count: int, rng: np.random.Generator
) -> tuple[tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
    """Draw pairs independent of each other: for each path the delays of a packet and of the one before."""
    day = rng.random(count)
    common = rng.standard_normal(count)
    found = []
    for path in (scenario.baseline, scenario.candidate):
        slow = np.sqrt(_COMMON) * common + np.sqrt(1 - _COMMON) * rng.standard_normal(count)
        memory = np.exp(-scenario.interval_s / path.fast_s)
        fast = rng.standard_normal(count)
        before = memory * fast + np.sqrt(1 - memory**2) * rng.standard_normal(count)
        rest = np.sqrt(1 - path.slow - path.fast)
        found.append(
            tuple(
                path.delay(
                    np.sqrt(path.slow) * slow + np.sqrt(path.fast) * quick + rest * rng.standard_normal(count), day
                )
                for quick in (fast, before)
            )
        )
    return found[0], found[1]


def _columns(scenario: Scenario, path: PathProcess, common: Floats, day: Floats, rng: np.random.Generator) -> Columns:
    count = len(day)
    own = _slow(scenario, path.slow_s, rng)
    each = max(round(_SLOW_STEP_S / scenario.interval_s), 1)
    slow = np.repeat(np.sqrt(_COMMON) * common + np.sqrt(1 - _COMMON) * own, each)[:count]
    fast = _remembering(count, np.exp(-scenario.interval_s / path.fast_s), rng)
    new = rng.standard_normal(count, dtype=np.float32)
    normal = np.sqrt(path.slow) * slow + np.sqrt(path.fast) * fast + np.sqrt(1 - path.slow - path.fast) * new
    rtt_ns = (path.delay(normal.astype(np.float32), day) * 1e6).astype(np.int64)
    lost = _bad(count, path.burst_every_s, path.burst_s, scenario.interval_s, rng)
    lost &= rng.random(count, dtype=np.float32) < path.burst_loss
    if path.outage_every_s:
        lost |= _bad(count, path.outage_every_s, path.outage_s, scenario.interval_s, rng)
    slot = np.arange(count, dtype=np.int64)
    unknown = np.full(count, UNKNOWN)
    return Columns(
        slot=slot,
        sent_at_ns=_MONDAY_NS + slot * round(scenario.interval_s * 1e9),
        rtt_ns=np.where(lost, UNKNOWN, rtt_ns),
        forward_ns=unknown,
        backward_ns=unknown,
        outcome=np.where(lost, OUTCOMES.index(Outcome.LOST), OUTCOMES.index(Outcome.ANSWERED)).astype(np.uint8),
        noisy=np.zeros(count, dtype=np.bool_),
    )


def _slow(scenario: Scenario, memory_s: float, rng: np.random.Generator) -> Floats:
    step_s = max(_SLOW_STEP_S, scenario.interval_s)
    return _remembering(int(np.ceil(scenario.duration_s / step_s)) + 1, np.exp(-step_s / memory_s), rng)


def _remembering(count: int, correlation: float, rng: np.random.Generator) -> Floats:
    """Return a normal series of variance 1 each of whose values remembers the one before: AR(1), by its spectrum."""
    size = 1 << (count - 1).bit_length()
    angle = np.linspace(0, np.pi, size // 2 + 1, dtype=np.float32)
    gain = np.sqrt((1 - correlation**2) / (1 - 2 * correlation * np.cos(angle, dtype=np.float64) + correlation**2))
    noise = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
    series: Floats = np.fft.irfft(noise * gain, size)[:count].astype(np.float32)
    return series


def _bad(count: int, good_s: float, bad_s: float, interval_s: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return when a state that comes and goes is bad, with exponential times in both states."""
    changes = int(2 * count * interval_s / (good_s + bad_s) * 1.5) + 40
    times = np.empty(changes)
    begins_bad = rng.random() < bad_s / (good_s + bad_s)
    times[begins_bad::2] = rng.exponential(good_s, len(times[begins_bad::2]))
    times[1 - begins_bad :: 2] = rng.exponential(bad_s, len(times[1 - begins_bad :: 2]))
    changed = np.searchsorted(np.cumsum(times), np.arange(count) * interval_s, "right")
    bad: NDArray[np.bool_] = (changed + begins_bad) % 2 == 1
    return bad
