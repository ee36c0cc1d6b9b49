"""The host's own metrics: at zero from the start, and of the clock only what its kernel knows."""

from __future__ import annotations

import errno
from typing import NoReturn

import pytest

from agent.host import HostCounts
from agent.metrics.host import host_families
from collectors.clock import ClockState

KEPT = ClockState(synchronised=True, error_ns=1000, max_error_ns=32_000_000, tai_offset_s=37)
LEFT_ALONE = ClockState(synchronised=False, error_ns=16_000_000_000, max_error_ns=16_000_000_000)


def values(host: HostCounts, state: ClockState = KEPT) -> dict[str, float]:
    families = host_families("dc1", host, lambda: state)
    found = [sample for family in families for sample in family.samples]
    assert all(sample.labels["agent"] == "dc1" for sample in found)
    return {sample.name.removeprefix("eragent_"): sample.value for sample in found if "le" not in sample.labels}


def test_a_host_that_did_nothing_wrong_shows_zeros() -> None:
    found = values(HostCounts())
    assert (found["loop_lag_seconds_count"], found["loop_lag_seconds_sum"]) == (0, 0)
    assert (found["host_suspensions_total"], found["host_suspended_seconds_total"]) == (0, 0)


def test_lag_and_suspensions_are_shown_in_seconds() -> None:
    host = HostCounts()
    host.lagged(2_000_000)
    host.suspended(60_000_000_000)
    found = values(host)
    assert found["loop_lag_seconds_sum"] == pytest.approx(0.002)
    assert (found["host_suspensions_total"], found["host_suspended_seconds_total"]) == (1, 60)


def test_a_synchronised_clock_shows_its_bounds() -> None:
    found = values(HostCounts())
    clock = {name: found[f"clock_{name}"] for name in ("synchronised", "tai_offset_seconds")}
    assert clock == {"synchronised": 1, "tai_offset_seconds": 37}
    assert found["clock_error_seconds"] == pytest.approx(0.032)
    assert found["clock_synchronised_within_seconds"] == pytest.approx(64)


def test_of_a_clock_that_nobody_keeps_only_that_is_shown() -> None:
    found = {name: value for name, value in values(HostCounts(), LEFT_ALONE).items() if name.startswith("clock_")}
    assert found == {"clock_synchronised": 0}


def test_where_the_clocks_state_cannot_be_read_the_rest_is_shown() -> None:
    def forbidden() -> NoReturn:
        raise OSError(errno.EPERM, "Operation not permitted")

    names = {family.name for family in host_families("dc1", HostCounts(), forbidden)}
    assert names == {"eragent_loop_lag_seconds", "eragent_host_suspensions", "eragent_host_suspended_seconds"}
