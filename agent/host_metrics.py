"""Metrics of the host that measures: how late it ran, how long it was suspended, and what its kernel says of its clock.

The clock is read when it is scraped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.host import HostCounts
from agent.series import histogram_family
from collectors.clock import ClockState

_NS_PER_S = 1e9
_LABELS = ("agent",)

_CLOCK: tuple[tuple[str, str, Callable[[ClockState], float | None]], ...] = (
    (
        "synchronised",
        "Whether something keeps this host's clock synchronised to UTC (1) or not (0), by its kernel.",
        lambda state: state.synchronised,
    ),
    (
        "error_seconds",
        "How far this host's clock is off UTC at most, by its kernel; not there while it is not synchronised.",
        lambda state: state.max_error_ns / _NS_PER_S if state.synchronised else None,
    ),
    (
        "synchronised_within_seconds",
        "How long ago this host's clock was set right at most: the kernel's bound grows by 500 ppm from then on, and"
        " keeps no time of it. Not there while the clock is not synchronised.",
        lambda state: state.synchronised_within_s,
    ),
    (
        "tai_offset_seconds",
        "TAI less UTC, by this host's kernel; not there where nothing told it.",
        lambda state: state.tai_offset_s,
    ),
)


def host_families(agent: str, host: HostCounts, clock_state: Callable[[], ClockState]) -> Iterator[Metric]:
    """Yield every family; those of the clock have no series where a sandbox forbids to read its state."""
    yield histogram_family(
        "loop_lag",
        "How long after a slot was due the agent's loop came to it; of slots that went by the first counts.",
        _LABELS,
        [((agent,), host.loop_lag)],
    )
    suspensions = CounterMetricFamily(
        "eragent_host_suspensions", "How often this host was suspended while the agent ran.", labels=_LABELS
    )
    suspensions.add_metric((agent,), host.suspensions)
    yield suspensions
    suspended = CounterMetricFamily(
        "eragent_host_suspended_seconds", "How long this host was suspended while the agent ran.", labels=_LABELS
    )
    suspended.add_metric((agent,), host.suspended_ns / _NS_PER_S)
    yield suspended
    yield from _clock_families(agent, clock_state)


def _clock_families(agent: str, clock_state: Callable[[], ClockState]) -> Iterator[Metric]:
    try:
        state = clock_state()
    except OSError:
        return
    for name, text, value in _CLOCK:
        family = GaugeMetricFamily(f"eragent_clock_{name}", text, labels=_LABELS)
        found = value(state)
        if found is not None:
            family.add_metric((agent,), found)
        yield family
