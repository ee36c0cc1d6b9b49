"""The comparisons that are simulated: short and hard, a day with and without a difference, a week of two real kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.statistics.process import DAY_S, PathProcess, Scenario

_VPN = PathProcess(daily=1.5, slow=0.2, outage_every_s=6 * 3600.0)
_EXPRESSROUTE = PathProcess(base=5.0, daily=0.4, scale=0.3, slow=0.2, burst_every_s=900.0)
_STEADY = PathProcess(daily=1.5, slow=0.1, slow_s=120.0)

P99_SHIFTED = replace(_STEADY, scale=0.914)
"""A tail that is heavier such that p99 is 1.0 ms higher, while the median stays what it is."""

SCENARIOS: Mapping[str, Scenario] = {
    "hour": Scenario(
        name="hour",
        baseline=replace(_VPN, daily=0.0, slow_s=60.0, outage_every_s=0.0),
        candidate=replace(_EXPRESSROUTE, daily=0.0, slow_s=60.0),
        duration_s=3600.0,
    ),
    "equal": Scenario(name="equal", baseline=_STEADY, candidate=_STEADY, duration_s=DAY_S),
    "shift": Scenario(name="shift", baseline=_STEADY, candidate=P99_SHIFTED, duration_s=DAY_S),
    "week": Scenario(name="week", baseline=_VPN, candidate=_EXPRESSROUTE, duration_s=7 * DAY_S, interval_s=1.0),
}

MONTH = Scenario(name="month", baseline=_VPN, candidate=_VPN, duration_s=30 * DAY_S, interval_s=1.0)
"""Two equal paths, for the verdict that is looked at every ten minutes."""

DESCRIPTIONS: Mapping[str, str] = {
    "hour": "an hour at 10/s of a VPN and ExpressRoute",
    "equal": "a day at 10/s of two equal paths",
    "shift": "a day at 10/s of two paths, p99 of one 1 ms higher",
    "week": "a week at 1/s of a VPN and ExpressRoute, with outages",
}
