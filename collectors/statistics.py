"""Figures of a stream, each named for the definition that it follows. No I/O.

Series are in nanoseconds and hold received packets only: a lost packet has no delay (RFC 7679 counts it as infinite,
which these figures leave to the loss counts beside them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SLACK_NS = 1_000_000  # a reflector's times are not exact: by this much a way may be longer than the whole


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest value whose share of values at or below it is ``share`` or more (RFC 2330, section 11.3).

    ``ordered`` ascends and is not empty; ``share`` is between 0 and 1.
    """
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayFigures:
    """Round-trip times of the received packets, ns."""

    min: int
    mean: int
    p50: int
    p90: int
    p95: int
    p99: int
    p999: int
    max: int
    stddev: int


def delay_figures(delays_ns: Sequence[int]) -> DelayFigures | None:
    """Summarise delays; ``None`` without any. ``stddev`` is that of the sample as a population."""
    if not delays_ns:
        return None
    ordered = sorted(delays_ns)
    mean = sum(ordered) / len(ordered)
    return DelayFigures(
        min=ordered[0],
        mean=round(mean),
        p50=percentile(ordered, 0.50),
        p90=percentile(ordered, 0.90),
        p95=percentile(ordered, 0.95),
        p99=percentile(ordered, 0.99),
        p999=percentile(ordered, 0.999),
        max=ordered[-1],
        stddev=round(math.sqrt(sum((delay - mean) ** 2 for delay in ordered) / len(ordered))),
    )


class Rfc3550Jitter:
    """Interarrival jitter of RFC 3550, section 6.4.1: J += (|D| - J) / 16, over packets in order of arrival.

    D is the difference of two packets' transit times, so a constant clock offset cancels. ``value_ns`` is ``None``
    until two packets have arrived. Where D exceeds what the round trips allow a clock was stepped: nothing is taken.
    """

    def __init__(self) -> None:
        self.value_ns: float | None = None
        self._previous_ns: int | None = None
        self._previous_rtt_ns = 0

    def add(self, transit_ns: int, rtt_ns: int) -> None:
        """Take the transit time, on one way or both, and the round-trip time of the packet that arrived next."""
        if self._previous_ns is not None:
            difference_ns = transit_ns - self._previous_ns
            if -self._previous_rtt_ns - _SLACK_NS <= difference_ns <= rtt_ns + _SLACK_NS:
                jitter = self.value_ns or 0.0
                self.value_ns = jitter + (abs(difference_ns) - jitter) / 16
        self._previous_ns, self._previous_rtt_ns = transit_ns, rtt_ns


def ipdv(delays_ns: Sequence[int | None]) -> list[int]:
    """Return the delay variation of consecutive packets (RFC 3393; RFC 5481, section 4.1), signed, ns.

    ``delays_ns`` is in order of sending; ``None`` stands for a lost packet, with which no pair is formed.
    """
    return [after - before for before, after in pairwise(delays_ns) if before is not None and after is not None]


def pdv(delays_ns: Sequence[int]) -> list[int]:
    """Return each delay's excess over the smallest of the series (RFC 5481, section 4.2), ns."""
    least = min(delays_ns, default=0)
    return [delay - least for delay in delays_ns]
