"""The bootstrap beside series whose error is known."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from agent.compare.blocks import Floats
from agent.compare.resampling import autocovariance, block_length, drawn_errors


def remembering(count: int, memory: float, seed: int = 1) -> Floats:
    """Return AR(1) of variance 1: each value remembers the one before."""
    noise = np.random.default_rng(seed).standard_normal(count) * np.sqrt(1 - memory**2)
    return np.fromiter(accumulate(noise, lambda before, new: memory * before + new), float)


def test_autocovariance_is_the_mean_product_at_each_lag() -> None:
    series = np.array([1.0, 2.0, 4.0, 1.0])
    centred = series - 2
    expected = [float(np.sum(centred[lag:] * centred[: 4 - lag])) / 4 for lag in range(4)]
    assert autocovariance(series) == pytest.approx(expected)


def test_a_series_without_memory_needs_short_blocks_and_one_with_memory_longer_ones() -> None:
    lengths = [block_length(remembering(2000, memory)) for memory in (0, 0.5, 0.9, 0.97)]
    assert lengths == sorted(lengths)
    assert lengths[0] <= 3
    assert lengths[-1] >= 30


@pytest.mark.parametrize("series", [np.zeros(100), np.full(100, 7.0), np.arange(5.0)])
def test_a_constant_or_very_short_series_needs_blocks_of_one(series: Floats) -> None:
    assert block_length(series) == 1


@pytest.mark.parametrize(("memory", "low", "high"), [(0.0, 0.9, 1.15), (0.8, 0.85, 1.35)])
def test_drawn_errors_spread_as_the_mean_does(memory: float, low: float, high: float) -> None:
    count = 2000
    true = np.sqrt((1 + memory) / (1 - memory) / count)
    spreads = []
    for seed in range(5):
        series = remembering(count, memory, seed)
        drawn = drawn_errors((series - series.mean())[:, None] / count)
        spreads.append(drawn.std() / true)
    assert low < np.mean(spreads) < high


def test_what_two_series_have_in_common_is_kept() -> None:
    series = remembering(500, 0.5)
    drawn = drawn_errors(np.column_stack([series, -series]) / 500)
    assert np.allclose(drawn[:, 0], -drawn[:, 1])


def test_the_same_evidence_is_drawn_alike_every_time() -> None:
    series = remembering(100, 0.3)[:, None]
    assert np.array_equal(drawn_errors(series), drawn_errors(series))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_handful_of_values_is_drawn_without_a_warning(count: int) -> None:
    drawn = drawn_errors(np.arange(count, dtype=float)[:, None])
    assert np.all(np.isfinite(drawn))
