"""What a wide-area link does to a frame: lost, queued, delayed, kept in order. No I/O, no clock of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The rare long delays: a Pareto distribution from ``least_ns``, cut off at ``most_ns``.

    ``share`` of the frames has one. The smaller ``shape`` is, the heavier the tail (internet paths: 1 to 2).
    """

    share: float
    least_ns: int
    most_ns: int
    shape: float

    def draw_ns(self, random: Random) -> int:
        """Draw one delay."""
        return min(self.most_ns, int(self.least_ns * random.paretovariate(self.shape)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Jitter:
    """What is added to a link's delay: a log-normal body, and perhaps a heavy tail.

    A draw holds for ``lasts_ns``, as the queue that caused it would: frames closer together than that share it, frames
    further apart are independent. Were each frame of a fast flow drawn by itself, the slowest of them would hold up
    all others, and a link that keeps order would carry bursts instead of a flow.
    """

    median_ns: int
    sigma: float
    lasts_ns: int = 10_000_000
    tail: Tail | None = None

    def draw_ns(self, random: Random) -> int:
        """Draw one delay; never negative."""
        if self.tail is not None and random.random() < self.tail.share:
            return self.tail.draw_ns(random)
        return int(self.median_ns * math.exp(random.gauss(0, self.sigma)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """Losses that come together: the bad state of a Gilbert model, in which every frame is lost.

    ``enter`` is the probability to fall into it at a frame, ``mean_frames`` how many frames it lasts on average.
    """

    enter: float
    mean_frames: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One direction of a link.

    ``loss`` is the share of frames lost at random. With ``bits_per_second`` the link has a drop-tail queue that is
    ``queue_ns`` long. A link that does not ``keep_order`` lets a frame with little jitter overtake others; one that
    does adds delay where the jitter falls faster than time passes.
    """

    delay_ns: int
    jitter: Jitter | None = None
    loss: float = 0.0
    bursts: Bursts | None = None
    bits_per_second: int | None = None
    queue_ns: int = 50_000_000
    keep_order: bool = True


def behaviour_of(values: Mapping[str, Any]) -> Behaviour:
    """Build a :class:`Behaviour` from what :func:`dataclasses.asdict` made of one."""
    jitter, bursts = values["jitter"], values["bursts"]
    if jitter is not None:
        jitter = Jitter(**{**jitter, "tail": jitter["tail"] and Tail(**jitter["tail"])})
    return Behaviour(**{**values, "jitter": jitter, "bursts": bursts and Bursts(**bursts)})


@dataclass(slots=True, kw_only=True)
class Fates:
    """How many frames went which way."""

    carried: int = 0
    lost: int = 0
    overflowed: int = 0
    cut: int = 0


@dataclass(slots=True)
class Direction:
    """Decides when each frame that enters one direction of a link leaves it, if ever."""

    behaviour: Behaviour
    random: Random
    is_up: bool = True
    fates: Fates = field(default_factory=Fates)
    _in_burst: bool = False
    _busy_until_ns: int = 0
    _last_due_ns: int = 0
    _jitter_ns: int = 0
    _jitter_until_ns: int = 0

    def due_ns(self, arrived_ns: int, octets: int) -> int | None:
        """Say when a frame of ``octets`` that arrived at ``arrived_ns`` is due to leave; None when it never does."""
        if not self.is_up:
            self.fates.cut += 1
            return None
        if self._is_lost():
            self.fates.lost += 1
            return None
        sent_ns = self._sent_ns(arrived_ns, octets)
        if sent_ns is None:
            self.fates.overflowed += 1
            return None
        self.fates.carried += 1
        return self._arrival_ns(sent_ns)

    def _is_lost(self) -> bool:
        bursts = self.behaviour.bursts
        if bursts is not None:
            leave_or_enter = 1 / bursts.mean_frames if self._in_burst else bursts.enter
            if self.random.random() < leave_or_enter:
                self._in_burst = not self._in_burst
        return self._in_burst or self.random.random() < self.behaviour.loss

    def _sent_ns(self, arrived_ns: int, octets: int) -> int | None:
        """Return when the last bit is on the wire; None when the queue has no room."""
        rate = self.behaviour.bits_per_second
        if rate is None:
            return arrived_ns
        start_ns = max(self._busy_until_ns, arrived_ns)
        if start_ns - arrived_ns > self.behaviour.queue_ns:
            return None
        self._busy_until_ns = start_ns + octets * 8 * 1_000_000_000 // rate
        return self._busy_until_ns

    def _arrival_ns(self, sent_ns: int) -> int:
        due_ns = sent_ns + self.behaviour.delay_ns + self._jitter_at(sent_ns)
        if self.behaviour.keep_order:
            due_ns = self._last_due_ns = max(due_ns, self._last_due_ns)
        return due_ns

    def _jitter_at(self, now_ns: int) -> int:
        jitter = self.behaviour.jitter
        if jitter is not None and now_ns >= self._jitter_until_ns:
            self._jitter_ns = jitter.draw_ns(self.random)
            self._jitter_until_ns = now_ns + jitter.lasts_ns
        return self._jitter_ns


class Lateness:
    """How far from its due time each frame left, in steps of a microsecond; size bounded by the spread, not by time."""

    def __init__(self) -> None:
        self._frames_at_us: dict[int, int] = {}

    def add(self, late_ns: int) -> None:
        """Count one frame that left ``late_ns`` after it was due (negative: before)."""
        late_us = late_ns // 1000
        self._frames_at_us[late_us] = self._frames_at_us.get(late_us, 0) + 1

    def quantile_ns(self, share: float) -> int | None:
        """Return the lateness that ``share`` of the frames did not exceed (nearest rank); None without frames."""
        rank = math.ceil(share * sum(self._frames_at_us.values()))
        for late_us, frames in sorted(self._frames_at_us.items()):
            rank -= frames
            if rank <= 0:
                return late_us * 1000
        return None

    def summary(self) -> dict[str, int | None]:
        """Return p50, p99 and max in nanoseconds."""
        return {"p50": self.quantile_ns(0.5), "p99": self.quantile_ns(0.99), "max": self.quantile_ns(1.0)}
