"""Metrics of one-way delays, and of the clocks that they need; only streams of STAMP have them.

A stream has about 140 of these series, nearly all of them in its two histograms, which are like that of round trips.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.counts import StreamCounts
from agent.metrics.series import StreamFamily, counter, gauge, histograms, only, states
from collectors.offset import Bounds
from collectors.oneway import Doubt
from collectors.skew import Skew
from collectors.stamp.options import StampOptions
from collectors.timescale import Timescale

_NS_PER_S = 1e9
_PS_PER_PPM = 1e6
_PS_PER_S = 1e12


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / _NS_PER_S


def _offset(edge: Callable[[Bounds], int]) -> Callable[[StreamCounts], float | None]:
    def read(counts: StreamCounts) -> float | None:
        bounds = counts.one_way.track.bounds
        return None if bounds is None else edge(bounds) / _NS_PER_S

    return read


def _skew(edge: Callable[[Skew], float]) -> Callable[[StreamCounts], float | None]:
    def read(counts: StreamCounts) -> float | None:
        skew = counts.one_way.track.skew
        # No clock is told to fractions of a picosecond a second, and a number without them is written in half the time.
        return None if skew is None else round(edge(skew) * _PS_PER_PPM) / _PS_PER_S

    return read


ONE_WAY_FAMILIES: tuple[StreamFamily, ...] = only(
    (StampOptions.kind,),
    gauge(
        "one_way_valid",
        "Whether one-way delays are valid (1), as of the latest packet, or not (0).",
        lambda counts: int(counts.one_way.track.reason() is None),
    ),
    states(
        "one_way_doubt",
        "reason",
        "Why one-way delays are not valid, as of the latest packet: 1 for that reason, 0 for all others.",
        Doubt,
        lambda counts: counts.one_way.track.reason(),
    ),
    states(
        "one_way_timescale",
        "timescale",
        "Whose clock counts another timescale than UTC: 1 for what was recognised, 0 for all others.",
        Timescale,
        lambda counts: counts.one_way.track.timescale(),
    ),
    gauge(
        "one_way_error_seconds",
        "How far apart both ends' clocks may be by what they admit; not there while one of them says nothing.",
        lambda counts: _seconds(counts.one_way.track.error_ns),
    ),
    gauge(
        "one_way_offset_low_seconds",
        "The reflector's clock less this host's is at least this, by round trips alone.",
        _offset(lambda bounds: bounds.low_ns),
    ),
    gauge(
        "one_way_offset_high_seconds",
        "The reflector's clock less this host's is at most this, by round trips alone.",
        _offset(lambda bounds: bounds.high_ns),
    ),
    gauge(
        "one_way_skew_low_ratio",
        "The reflector's clock gains at least this on this host's, in seconds a second; there after about 16 s.",
        _skew(lambda skew: skew.low_ppm),
    ),
    gauge(
        "one_way_skew_high_ratio",
        "The reflector's clock gains at most this on this host's, in seconds a second; there after about 16 s.",
        _skew(lambda skew: skew.high_ppm),
    ),
    counter(
        "one_way_clock_steps",
        "How often either end's clock was set so that packets showed it.",
        lambda counts: counts.one_way.track.steps,
    ),
    histograms(
        "one_way_delay",
        "direction",
        "One-way delay of received packets, while valid (RFC 7679): its count says of how many.",
        lambda counts: counts.one_way.histograms,
    ),
)
