"""Latency under load: which samples were taken while a test ran on their path, and what the load did to them. No I/O.

A sample belongs to a load by the moment it was sent. What was sent while the load built up or drained belongs to none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from collectors.statistics import percentile


class Load(StrEnum):
    """What a test did on a sample's path while the sample was under way; up is away from this host."""

    IDLE = "idle"
    UP = "loaded-up"
    DOWN = "loaded-down"
    BOTH = "loaded-both"


GUARD_NS = 1_000_000_000
"""How long a load builds up, and drains: slow start takes a dozen round trips, each of 80 ms at most on most paths."""

LEAST_ROUND_TRIPS = 5
"""A median of fewer round trips says nothing of a queue: what disturbs one or two of them would be most of them."""

LEAST_SAMPLES = 20
"""Below this many round trips on either side nothing is said of a leak."""

LEAK_NS = 500_000
"""A rise that is no leak, whatever the statistics say: a host that sends at full speed delays its own packets."""


class Probed(NamedTuple):
    """What is kept of a sample: its slot, when it was sent (wall time), its round trip (``None``: lost), its noise."""

    slot: int
    sent_at_ns: int
    rtt_ns: int | None
    noisy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """When a test was on a path, in wall time: begun at ``start_ns`` at the earliest, and over at ``end_ns``.

    What it sent took ``length_ns`` of that, as it says itself; it does not say when that began, and on a host without
    processor time starting and ending take seconds. ``moved_ns`` is how long it moved something where it did not come
    to its end: who falls silent is no load. ``None``: all the time.
    """

    path: str
    load: Load
    start_ns: int
    end_ns: int
    length_ns: int | None = None
    moved_ns: int | None = None

    @property
    def loaded_ns(self) -> tuple[int, int]:
        """From when until when the load was there for sure and steady; never where the first lies behind the second.

        That is what all times at which it may have begun have in common, less a guard, of a quarter of a short test at
        most.
        """
        whole_ns = self.end_ns - self.start_ns
        length_ns = whole_ns if self.length_ns is None else min(self.length_ns, whole_ns)
        moved_ns = length_ns if self.moved_ns is None else min(self.moved_ns, length_ns)
        first_ns, last_ns = self.end_ns - length_ns, self.start_ns + moved_ns
        return first_ns + min(GUARD_NS, moved_ns // 4), last_ns - min(GUARD_NS // 4, moved_ns // 8)


def tag(path: str, sent_at_ns: int, periods: Iterable[Period]) -> Load | None:
    """Name the load under which a sample was sent on ``path``; ``None`` where one was building up or draining."""
    for period in periods:
        if period.path != path:
            continue
        first_ns, last_ns = period.loaded_ns
        if first_ns <= sent_at_ns <= last_ns:
            return period.load
        if period.start_ns <= sent_at_ns <= period.end_ns + GUARD_NS:
            return None
    return Load.IDLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Round trips of one stream under one load, ns; what is not known is ``None``.

    ``round_trips_per_minute`` is 60 s through the mean of the round trips without the slowest twentieth of them, as
    "Responsiveness under Working Conditions" (draft-ietf-ippm-responsiveness-08) trims it. That draft takes its times
    from TCP, TLS and HTTP connections that carry the load or stand beside it; here they are a probe's, so figures are
    higher than its own.
    """

    sent: int
    lost: int
    noisy: int
    min_ns: int | None = None
    mean_ns: int | None = None
    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None
    round_trips_per_minute: int | None = None

    @property
    def tells(self) -> bool:
        """Whether there are round trips enough for a median to say something."""
        return self.p50_ns is not None and self.sent - self.lost >= LEAST_ROUND_TRIPS

    @property
    def loss_share(self) -> float | None:
        """The share of the packets that were lost."""
        return self.lost / self.sent if self.sent else None


def latency(samples: Sequence[Probed]) -> Latency:
    """Summarise samples of one load."""
    rtts = sorted(sample.rtt_ns for sample in samples if sample.rtt_ns is not None)
    counted = Latency(sent=len(samples), lost=len(samples) - len(rtts), noisy=sum(sample.noisy for sample in samples))
    if not rtts:
        return counted
    quick = rtts[: max(len(rtts) * 95 // 100, 1)]
    return Latency(
        sent=counted.sent,
        lost=counted.lost,
        noisy=counted.noisy,
        min_ns=rtts[0],
        mean_ns=round(sum(rtts) / len(rtts)),
        p50_ns=percentile(rtts, 0.50),
        p95_ns=percentile(rtts, 0.95),
        p99_ns=percentile(rtts, 0.99),
        round_trips_per_minute=round(60e9 * len(quick) / sum(quick)) if sum(quick) else None,
    )


def by_load(path: str, samples: Iterable[Probed], periods: Sequence[Period]) -> dict[Load, list[Probed]]:
    """Sort one stream's samples by the load on its path; those of no clear load are left out."""
    sorted_out: dict[Load, list[Probed]] = {}
    for sample in samples:
        load = tag(path, sample.sent_at_ns, periods)
        if load is not None:
            sorted_out.setdefault(load, []).append(sample)
    return sorted_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What a load on one path did to another one: ``leaked`` is ``None`` where too few samples tell."""

    leaked: bool | None
    idle: Latency
    meanwhile: Latency
    evidence: str


def leak(idle: Iterable[Probed], meanwhile: Iterable[Probed]) -> Leak:
    """Judge whether another path felt a load, from its idle samples and from those of the loaded slots.

    It did where more than half of its round trips took longer than 95 % of the idle ones had, by half a millisecond or
    more: among twenty independent samples of an unchanged path that happens less than once in 10^8 times. Losses count
    where there were three at least and their share is three times the idle one. Samples that this host disturbed say
    nothing of a path and are left out.
    """
    before, during = (latency([sample for sample in samples if not sample.noisy]) for samples in (idle, meanwhile))
    answered = min(before.sent - before.lost, during.sent - during.lost)
    loses = during.lost >= 3 and (during.loss_share or 0) > 3 * (before.loss_share or 0)
    if answered < LEAST_SAMPLES or during.p50_ns is None or before.p50_ns is None or before.p95_ns is None:
        few = f"{answered} round trips are too few to tell"
        return Leak(leaked=True if loses else None, idle=before, meanwhile=during, evidence=few)
    slower = during.p50_ns > max(before.p95_ns, before.p50_ns + LEAK_NS)
    evidence = (
        f"median {before.p50_ns / 1e6:.3g} ms idle (p95 {before.p95_ns / 1e6:.3g}), {during.p50_ns / 1e6:.3g} ms "
        f"meanwhile; {before.lost} of {before.sent} lost idle, {during.lost} of {during.sent} meanwhile"
    )
    return Leak(leaked=slower or loses, idle=before, meanwhile=during, evidence=evidence)
