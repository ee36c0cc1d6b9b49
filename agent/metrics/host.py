"""Metrics of the host that measures: how late it ran, how long it was suspended, and what its kernel says of its clock.

The clock is read when it is scraped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from prometheus_client.core import Metric

from agent.host import HostCounts
from agent.metrics.series import Family, counter, gauge, histogram, shown
from collectors.clock import ClockState

_NS_PER_S = 1e9
_LABELS = ("agent",)

_HOST_FAMILIES: tuple[Family[HostCounts], ...] = (
    histogram(
        "loop_lag",
        "How long after a slot was due the agent's loop came to it; of slots that went by the first counts.",
        lambda host: host.loop_lag,
    ),
    counter(
        "host_suspensions", "How often this host was suspended while the agent ran.", lambda host: host.suspensions
    ),
    counter(
        "host_suspended_seconds",
        "How long this host was suspended while the agent ran.",
        lambda host: host.suspended_ns / _NS_PER_S,
    ),
)
_CLOCK_FAMILIES: tuple[Family[ClockState], ...] = (
    gauge(
        "clock_synchronised",
        "Whether something keeps this host's clock synchronised to UTC (1) or not (0), by its kernel.",
        lambda state: state.synchronised,
    ),
    gauge(
        "clock_error_seconds",
        "How far this host's clock is off UTC at most, by its kernel; not there while it is not synchronised.",
        lambda state: state.max_error_ns / _NS_PER_S if state.synchronised else None,
    ),
    gauge(
        "clock_synchronised_within_seconds",
        "How long ago this host's clock was set right at most: the kernel's bound grows by 500 ppm from then on, and"
        " keeps no time of it. Not there while the clock is not synchronised.",
        lambda state: state.synchronised_within_s,
    ),
    gauge(
        "clock_tai_offset_seconds",
        "TAI less UTC, by this host's kernel; not there where nothing told it.",
        lambda state: state.tai_offset_s,
    ),
)


def host_families(agent: str, host: HostCounts, clock_state: Callable[[], ClockState]) -> Iterator[Metric]:
    """Yield every family; those of the clock have no series where a sandbox forbids to read its state."""
    yield from shown(_HOST_FAMILIES, _LABELS, [((agent,), host)])
    with suppress(OSError):
        yield from shown(_CLOCK_FAMILIES, _LABELS, [((agent,), clock_state())])
