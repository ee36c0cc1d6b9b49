"""How predictable a path was, and when it changed."""

from __future__ import annotations

import numpy as np
import pytest

from agent.columns import Columns
from agent.compare.minutes import Change, changes_of, minutes_of, with_common_causes
from agent.compare.outages import outages
from agent.compare.pairs import pair
from agent.compare.predictability import Predictability, predictability
from tests.agent.compare.streams import MIDNIGHT_NS, MS, stream

MINUTE_NS = 60_000_000_000


def described(path: Columns, *, limit_ms: float) -> Predictability:
    pairs = pair(path, path)
    side = pairs.baseline
    return predictability(pairs, side, minutes_of(pairs, side), outages(pairs, side), limit_ns=limit_ms * MS)


def changes(path: Columns, *, least_ms: float = 0.5) -> list[Change]:
    pairs = pair(path, path)
    return changes_of(minutes_of(pairs, pairs.baseline), "vpn", least_ns=least_ms * MS)


def noise(count: int, scale_ms: float = 0.1, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).exponential(scale_ms, count)


def test_a_minutes_level_is_its_median_and_its_spread_the_tail_above() -> None:
    path = stream([*range(1, 61), *([None] * 60)], interval_ms=1000)
    pairs = pair(path, path)
    minutes = minutes_of(pairs, pairs.baseline)
    assert minutes.minute.tolist() == [MIDNIGHT_NS // MINUTE_NS, MIDNIGHT_NS // MINUTE_NS + 1]
    assert (minutes.level[0], minutes.spread[0]) == (30 * MS, 30 * MS)
    assert np.isnan(minutes.level[1])
    assert np.isnan(minutes.spread[1])


def test_minutes_beyond_the_limit_and_minutes_without_answers_are_not_within() -> None:
    calm, wild, dead = [5.0] * 60, [5.0, 50.0] * 30, [None] * 60
    found = described(stream([*calm, *calm, *wild, *dead], interval_ms=1000), limit_ms=5)
    assert (found.minutes, found.minutes_within) == (4, 0.5)
    assert found.hours_within == 0
    assert found.bursts == 1
    assert found.longest_burst == 60
    assert found.lost_in_bursts == 1
    assert found.outages.length_s.tolist() == [60]


def test_the_robust_coefficient_of_variation_ignores_a_few_wild_values() -> None:
    draws = np.random.default_rng(1).normal(20, 2, 10_000)
    draws[:100] = 900
    assert described(stream(draws.tolist()), limit_ms=5).robust_cv == pytest.approx(0.1, rel=0.05)


def test_hours_of_the_day_and_days_are_told_apart() -> None:
    minutes = np.arange(3 * 1440)
    level = 5 + np.where(minutes // 60 % 24 == 14, 2.0, 0.0) + np.where(minutes // 1440 == 2, 1.0, 0.0)
    found = described(stream(level.tolist(), interval_ms=60_000), limit_ms=5)
    assert found.hour_of_day_range_ns == 2 * MS
    assert found.day_range_ns == 1 * MS


def test_a_run_of_an_hour_says_nothing_of_days() -> None:
    found = described(stream([5.0] * 3600, interval_ms=1000), limit_ms=5)
    assert found.hour_of_day_range_ns is None
    assert found.day_range_ns is None


def test_a_path_without_answers_has_no_variation() -> None:
    found = described(stream([None] * 100), limit_ms=5)
    assert found.robust_cv is None
    assert found.minutes_within == 0


def test_a_change_of_route_is_found_to_the_minute() -> None:
    level = np.where(np.arange(240 * 60) < 100 * 60, 5.0, 7.0) + noise(240 * 60)
    [change] = changes(stream(level.tolist(), interval_ms=1000))
    assert (change.of, change.path) == ("level", "vpn")
    assert abs(change.at_ns - (MIDNIGHT_NS + 100 * MINUTE_NS)) <= MINUTE_NS
    assert change.after_ns - change.before_ns == pytest.approx(2 * MS, rel=0.05)


def test_a_change_of_spread_alone_is_one_of_spread() -> None:
    scale = np.where(np.arange(240 * 60) < 120 * 60, 0.1, 1.0)
    level = 5 - 0.693 * scale + noise(240 * 60, 1.0) * scale
    assert [change.of for change in changes(stream(level.tolist(), interval_ms=1000))] == ["spread"]


@pytest.mark.parametrize("seed", range(5))
def test_a_daily_cycle_and_a_bad_quarter_of_an_hour_are_no_changes(seed: int) -> None:
    seconds = np.arange(0, 86_400, 5)
    level = 6 + 1.5 * np.cos(2 * np.pi * seconds / 86_400) + noise(len(seconds), 0.5, seed)
    level[5000:5140] += 5
    assert changes(stream(level.tolist(), interval_ms=5000)) == []


def test_a_run_of_less_than_an_hour_has_no_changes() -> None:
    level = np.where(np.arange(50 * 60) < 1500, 5.0, 9.0)
    assert changes(stream(level.tolist(), interval_ms=1000)) == []


def change(path: str, minute: int, before: float, after: float) -> Change:
    return Change(at_ns=minute * MINUTE_NS, path=path, of="level", before_ns=before, after_ns=after)


def test_changes_of_both_paths_at_the_same_time_and_the_same_way_have_a_common_cause() -> None:
    ours = [change("vpn", 10, 5, 7), change("vpn", 100, 5, 7), change("vpn", 200, 5, 7)]
    theirs = [change("er", 12, 3, 4), change("er", 100, 7, 5)]
    marked = with_common_causes(ours, theirs)
    assert [(one.path, one.together) for one in marked] == [
        ("vpn", True),
        ("er", True),
        ("vpn", False),
        ("er", False),
        ("vpn", False),
    ]
