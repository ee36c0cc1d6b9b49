"""Moving-block bootstrap of means of a series that depends on its own past, and how long the blocks must be. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.compare.blocks import Floats

RESAMPLES = 4000
_CHUNK = 500  # resamples drawn at a time: 500 x 2048 weights are 8 MiB
_LEAST_BLOCKS = 6
_LEAST_FREEDOM = 3.0  # below, the expansion of t does not hold
_SERVED = 0.9  # the longest of all choices is mostly chance
_SEED = 20_260_101  # the same evidence gives the same answer


def block_length(series: Floats) -> int:
    """Return how many elements of ``series`` a block needs for a mean's error (Politis & White 2004).

    With the correction of Patton, Politis & White (2009): the automatic choice for overlapping blocks, b = (1.5 g² / D)
    ^ 1/3 · N^1/3, from a flat-top window over autocovariances up to twice the lag from which on they are negligible.
    """
    count = len(series)
    if count < 8 or not np.any(series != series[0]):
        return 1
    covariance = autocovariance(series)
    lag = 2 * _negligible_from(covariance / covariance[0], count)
    reach = np.arange(1, min(lag, count - 1) + 1)
    window = np.clip(2 * (1 - reach / max(lag, 1)), 0, 1)
    long_run = covariance[0] + 2 * np.sum(window * covariance[reach])
    slope = 2 * np.sum(window * reach * covariance[reach])
    if long_run <= 0 or slope == 0:
        return 1
    length = (1.5 * (slope / long_run) ** 2 * count) ** (1 / 3)
    return int(np.clip(np.ceil(length), 1, count))


def autocovariance(series: Floats) -> Floats:
    """Return the autocovariance at every lag, by the fast Fourier transform."""
    centred = series - series.mean()
    size = 2 ** (2 * len(series) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    found: Floats = np.fft.irfft(spectrum, size)[: len(series)] / len(series)
    return found


def _negligible_from(correlation: Floats, count: int) -> int:
    """Return the smallest lag behind which five lags or more in a row are within chance: 2 · sqrt(log10(N) / N)."""
    run = max(5, int(np.ceil(np.sqrt(np.log10(count)))))
    small = np.abs(correlation[1:]) < 2 * np.sqrt(np.log10(count) / count)
    most = int(np.ceil(np.sqrt(count))) + run
    in_a_row = 0
    for lag, is_small in enumerate(small[: most + run]):
        in_a_row = in_a_row + 1 if is_small else 0
        if in_a_row == run:
            return max(lag + 1 - run, 1)
    return most


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How long a series remembers, and what that makes of the error of its sum.

    ``length``: elements of a block. ``variance``: of each column's sum. ``freedom``: degrees of freedom of that
    variance.
    """

    length: int
    variance: Floats
    freedom: float


def memory_of(errors: Floats, *, freedom_lost: int = 0) -> Memory:
    """Estimate the variance of sums of series; ``errors``: shape (elements, figures), each column of mean zero.

    Two things keep it large enough where the memory is long. Blocks are twice as long as is best for the variance,
    since bias harms an interval more than noise. And what bias is left is taken off by the variance from blocks of a
    third of that length (Vats & Flegal 2022). ``freedom_lost``: to what was fitted before.
    """
    count = len(errors)
    lengths = [block_length(errors[:, column]) for column in range(errors.shape[1])]
    length = int(np.clip(2 * np.quantile(lengths, _SERVED), 1, max(count // _LEAST_BLOCKS, 1)))
    independent = count / length
    long, short = _variance(errors, length), _variance(errors, max(length // 3, 1))
    freedom = max(independent - 1 - freedom_lost, 1)
    variance = np.maximum(2 * long - short, long) * max(independent - 1, 1) / freedom
    return Memory(length=length, variance=variance, freedom=freedom)


def drawn_errors(errors: Floats, *, freedom_lost: int = 0) -> Floats:
    """Draw sums of whole series from blocks of their rows (Künsch 1989).

    ``errors`` as of :func:`memory_of`. All columns are drawn with the same blocks, which keeps what they have in
    common, and spread like Student's t of as many degrees of freedom as the variance has. Returned: shape
    (:data:`RESAMPLES`, figures).
    """
    memory = memory_of(errors, freedom_lost=freedom_lost)
    draws = _resampled(errors, memory.length)
    deviation = draws.std(axis=0)
    scale = np.sqrt(memory.variance) / np.where(deviation > 0, deviation, 1)
    return _studentised(draws * scale, memory.freedom)


def error_of(errors: Floats, *, freedom_lost: int = 0) -> tuple[Floats, float]:
    """Return the variance of each sum, as that of Student's t, and the correlation of two columns' sums."""
    memory = memory_of(errors, freedom_lost=freedom_lost)
    freedom = max(memory.freedom, _LEAST_FREEDOM)
    sums = _block_sums(errors, memory.length)
    deviations = math.sqrt(float(np.prod((sums**2).sum(axis=0))))
    correlation = float((sums[:, 0] * sums[:, 1]).sum()) / deviations if deviations else 0.0
    return memory.variance * freedom / (freedom - 2), correlation


def _variance(errors: Floats, length: int) -> Floats:
    """Return the variance of each column's sum, by overlapping batches (Meketon & Schmeiser 1984)."""
    count = len(errors)
    if count <= length:
        return np.zeros(errors.shape[1])
    found: Floats = (_block_sums(errors, length) ** 2).sum(axis=0) * count**2
    return found / (length * (count - length) * (count - length + 1.0))


def _block_sums(errors: Floats, length: int) -> Floats:
    cumulated = np.vstack([np.zeros(errors.shape[1]), np.cumsum(errors, axis=0)])
    found: Floats = cumulated[length:] - cumulated[:-length]
    return found


def _resampled(errors: Floats, length: int) -> Floats:
    of_blocks = _block_sums(errors, length)
    of_blocks -= of_blocks.mean(axis=0)
    starts, drawn = len(of_blocks), -(-len(errors) // length)
    rng = np.random.default_rng(_SEED)
    sums = np.empty((RESAMPLES, errors.shape[1]))
    for begin in range(0, RESAMPLES, _CHUNK):
        rows = min(_CHUNK, RESAMPLES - begin)
        chosen = rng.integers(0, starts, size=(rows, drawn)) + starts * np.arange(rows)[:, None]
        weights = np.bincount(chosen.ravel(), minlength=rows * starts).reshape(rows, starts)
        sums[begin : begin + rows] = weights.astype(np.float64) @ of_blocks
    return sums


def _studentised(draws: Floats, freedom: float) -> Floats:
    """Spread normal draws as Student's t is spread, each at its own distance (Abramowitz & Stegun, 26.7.5)."""
    freedom = max(freedom, _LEAST_FREEDOM)
    deviation = draws.std(axis=0)
    z = draws / np.where(deviation > 0, deviation, 1)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    found: Floats = deviation * (z + first / freedom + second / freedom**2 + third / freedom**3)
    return found
