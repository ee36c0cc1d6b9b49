"""Minutes of a history as series of Prometheus: which families there are, and what the columns are called. No I/O.

The families are not those of ``/metrics``, which count since the agent's start: what is scraped and what is sent or
loaded afterwards must not meet in one series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PREFIX = "eragent_minute_"
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A gauge, and its series: the value of a further label, and a term of columns of the table of minutes."""

    name: str
    text: str
    label: str | None = None
    series: Sequence[tuple[str, str]]
    in_seconds: bool = False

    def value(self, found: float) -> float:
        """Return a value as Prometheus has it."""
        return found / _NS_PER_S if self.in_seconds else found


def _count(name: str, text: str) -> Family:
    return Family(name=f"{PREFIX}packets_{name}", text=text, series=[("", name)])


FAMILIES = (
    _count("sent", "Packets that were sent in this minute and are settled."),
    _count("received", "Those that were answered in time."),
    _count("lost", "Those without an answer in time."),
    _count("failed", "Those that somebody answered cannot be."),
    _count("overlooked", "Those whose answer this host's kernel may have dropped."),
    _count("not_sent", "Packets that could not be sent."),
    _count("reordered", "Packets whose answer came behind that to a later one."),
    _count("noisy", "Packets during which this host was stalled."),
    _count("late", "Answers that came after the timeout."),
    _count("duplicate", "Further copies of answers."),
    Family(
        name=f"{PREFIX}packets_lost_direction",
        text="Losses whose direction was told in this minute.",
        label="direction",
        series=[("forward", "lost_forward"), ("backward", "lost_backward")],
    ),
    Family(
        name=f"{PREFIX}rtt_seconds",
        text="Percentiles of the round-trip times of this minute; 0 and 1 are the least and the most.",
        label="quantile",
        series=[
            ("0", "rtt_min_ns"),
            ("0.5", "rtt_p50_ns"),
            ("0.95", "rtt_p95_ns"),
            ("0.99", "rtt_p99_ns"),
            ("1", "rtt_max_ns"),
        ],
        in_seconds=True,
    ),
    Family(
        name=f"{PREFIX}rtt_mean_seconds",
        text="Mean of the round-trip times of this minute.",
        series=[("", "rtt_sum_ns * 1.0 / nullif(received, 0)")],
        in_seconds=True,
    ),
    Family(
        name=f"{PREFIX}jitter_seconds",
        text="Interarrival jitter at the end of this minute (RFC 3550).",
        series=[("", "jitter_ns")],
        in_seconds=True,
    ),
)
