"""What this host did to its own measurements: how late it ran, and how long it was suspended. No I/O, no Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from agent.histogram import LATENESS_BOUNDS_NS, Histogram
from collectors.clock import suspended_ns
from collectors.sample import NOISE_NS

_LEAST_SUSPENSION_NS = 100_000_000  # less may be this program stalled between reading two clocks


class HostCounts:
    """Counts of the host since the start.

    ``loop_lag`` is how long after a slot was due the loop came to it, the first of those that went by where some did;
    ``longest_lag_ns`` the most of it, ``stalls`` how often it was beyond :data:`collectors.sample.NOISE_NS`.
    """

    def __init__(self) -> None:
        self.loop_lag = Histogram(LATENESS_BOUNDS_NS)
        self.longest_lag_ns = self.stalls = 0
        self.suspensions = self.suspended_ns = 0

    def lagged(self, lag_ns: int) -> None:
        """Count how late the loop came to a slot."""
        self.loop_lag.observe(lag_ns)
        if lag_ns > self.longest_lag_ns:
            self.longest_lag_ns = lag_ns
        if lag_ns > NOISE_NS:
            self.stalls += 1

    def suspended(self, duration_ns: int) -> None:
        """Count a suspension."""
        self.suspensions += 1
        self.suspended_ns += duration_ns


class Suspensions:
    """Notices that the host was suspended, by ``read``: how long it has been, all in all."""

    def __init__(self, read: Callable[[], int] = suspended_ns) -> None:
        self.count = 0
        self._read = read
        self._known_ns = read()

    def passed_ns(self) -> int:
        """Return how long the host was suspended since this was asked last; 0 where it was not."""
        now_ns = self._read()
        passed_ns = now_ns - self._known_ns
        self._known_ns = max(self._known_ns, now_ns)
        if passed_ns < _LEAST_SUSPENSION_NS:
            return 0
        self.count += 1
        return passed_ns
