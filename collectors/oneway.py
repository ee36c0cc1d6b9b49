"""One-way delays of a stream, with what is uncertain about them, or the reason why there are none. No I/O, no clock.

What may be shown, and as what:

- *One-way delay*, with its bounds, only while ``OneWay.valid``: both ends say that something keeps their clocks at UTC,
  the errors that they admit are small, and no packet contradicts them (RFC 7679, sections 3.7 and 3.8).
- Without that, *bounds of a one-way delay*: what the round trips leave possible. They hold whatever the clocks do; of a
  packet that was not held up they say no more than "between 0 and the round-trip time".
- *Variation* (IPDV, PDV) of either direction, always; it is computed elsewhere, from raw differences.
- *Half of the round-trip time* is called that, never a one-way delay: on a path that takes 15 ms there and 5 ms back
  it is wrong by 5 ms, and nothing in the packets shows it.

A delay that is not known is ``None``. It is never 0, and never a bound in the place of an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from collectors.claim import NO_CLAIM, PHI_PPM, ClockClaim
from collectors.envelope import WINDOW_NS
from collectors.offset import Bounds, OffsetTrack, Step
from collectors.skew import Skew
from collectors.timescale import TAI_UTC_S, Timescale, timescale

LIMIT_NS = 1_000_000
"""By how much both clocks together may be off for one-way delays to be shown.

One-way delays are looked at for differences of a few milliseconds between directions or paths, which 1 ms keeps. It
leaves out clocks kept over the very path that is measured: NTP halves round trips too, so that the asymmetry looked for
would be in the clock. Claims grow by 15 ppm from one update of a clock to the next (:mod:`collectors.claim`): by
0.1 ms where those are 8 s apart, and by 1 ms at a minute, where a larger limit may be the operator's choice.
"""

FEWEST_SAMPLES = 16
"""Packets that must have agreed with the clocks' claims since the start, or since a step."""

_CREDIBLE_NS = 10  # no network keeps a clock closer; some daemons leave an error of 0 behind


class Doubt(StrEnum):
    """Why there are no one-way delays. Where several apply, the first in this order is told."""

    CLOCK_STEPPED = "clock_stepped"
    """A clock was set within the last window, or is being set; which of the two, packets cannot tell."""
    TOO_FEW_SAMPLES = "too_few_samples"
    """Not enough packets yet to contradict anything."""
    TAI_UTC = "tai_utc"
    """A clock counts TAI or GPS time; :class:`collectors.timescale.Timescale` says whose."""
    NOT_SYNCHRONISED = "not_synchronised"
    """One end does not say that its clock is synchronised."""
    ERROR_UNKNOWN = "error_unknown"
    """One end does not say by how much its clock may be off, or says that it is not at all."""
    CONTRADICTED = "contradicted"
    """Packets arrived before they were sent, or the clocks drift apart, by more than their errors allow, or faster than
    kept clocks do."""
    ERROR_TOO_LARGE = "error_too_large"
    """Together the clocks may be off by more than the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """A time, ns, known to be from ``low_ns`` to ``high_ns``; ``value_ns`` where there is an estimate of it."""

    low_ns: int
    high_ns: int
    value_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay:
    """What is known at ``at_ns`` of a stream's clocks, and of the one-way delays of its latest packet.

    ``reason``: why there are no one-way delays; ``None`` where there are. ``samples``: packets since the last step.
    ``offset``: reflector's clock less this host's, from round trips alone: bounds that hold however unequal the path's
    two directions are; the value is right only where their least delays are equal.
    ``error_ns``: what both ends admit together, ``None`` where one of them is not synchronised or says nothing.
    ``skew``: the rate at which the offset grows, ``None`` until known.
    ``forward`` and ``backward``: of the latest packet, with a value only where valid; ``None`` where that packet was
    under way while a clock was set. ``steps``: of either clock since the start; ``step`` is the last one.
    ``believed``: between what the offset is taken to lie for delays: ``offset``'s bounds, and within the clocks' own
    where they are valid.
    """

    at_ns: int
    samples: int
    reason: Doubt | None
    offset: Bounded | None
    believed: Bounded | None
    error_ns: int | None
    skew: Skew | None
    forward: Bounded | None
    backward: Bounded | None
    timescale: Timescale | None
    steps: int
    step: Step | None

    @property
    def valid(self) -> bool:
        """Whether there are one-way delays."""
        return self.reason is None

    def forward_of(self, forward_ns: int) -> Bounded | None:
        """Return the one-way delay, or its bounds, of a raw difference T2-T1 of about this time."""
        return None if self.believed is None else _less(forward_ns, self.believed)

    def backward_of(self, backward_ns: int) -> Bounded | None:
        """Return the one-way delay, or its bounds, of a raw difference T4-T3 of about this time."""
        return None if self.believed is None else _plus(backward_ns, self.believed)


class OneWayTrack:
    """Follows one stream's clocks and one-way delays; ``limit_ns`` is described at :data:`LIMIT_NS`.

    ``tai_utc_s``: the kernel's own TAI offset, 0 or ``None`` where nobody told it one.
    """

    def __init__(
        self, *, limit_ns: int = LIMIT_NS, window_ns: int = WINDOW_NS, tai_utc_s: int | None = TAI_UTC_S
    ) -> None:
        self._limit_ns = limit_ns
        self._tai_utc_s = tai_utc_s or TAI_UTC_S
        self._track = OffsetTrack(window_ns=window_ns)
        self._latest: tuple[int, int] | None = None
        self._here = self._there = NO_CLAIM
        self._unclaimed: Doubt | None = Doubt.NOT_SYNCHRONISED
        self._error_ns: int | None = None
        self._reason: Doubt | None = None
        self._offset_ns: int | None = None  # that delays are told with, where there is no reason against it
        self._is_judged = False  # by all packets and claims that were taken

    def clocks(self, here: ClockClaim, there: ClockClaim) -> None:
        """Take what both ends say of their clocks; before the first call neither says anything."""
        if here is not self._here or there is not self._there:
            self._here, self._there = here, there
            self._unclaimed = _missing(here, there)
            self._error_ns = None if self._unclaimed else (here.error_ns or 0) + (there.error_ns or 0)
            self._is_judged = False

    def passes_by(self, at_ns: int, forward_ns: int, backward_ns: int) -> bool:
        """Take a packet that changes nothing of what is known of the clocks; return ``False`` where it may.

        Of packets that are close together nearly all pass by, at a tenth of the cost of :meth:`add`.
        """
        if not self._track.passes_by(at_ns, forward_ns, backward_ns):
            return False
        self._latest = (forward_ns, backward_ns)
        return True

    def add(self, at_ns: int, forward_ns: int, backward_ns: int) -> None:
        """Take an answered packet sent at ``at_ns``, with its raw differences T2-T1 and T4-T3.

        ``at_ns`` is best told by a clock that nobody sets; wall time will do. A reflector that writes T3 ahead of its
        departure narrows the bounds by as much too far; the time that follows an answer up (RFC 8972, section 4.7) does
        not.
        """
        self._latest = (forward_ns, backward_ns) if self._track.add(at_ns, forward_ns, backward_ns) else None
        self._is_judged = False

    def delays_ns(self) -> tuple[int, int] | None:
        """Return the one-way delays of the latest packet, forward and backward; ``None`` unless valid."""
        if self._latest is None or self._error_ns is None or self._error_ns > self._limit_ns:
            return None  # at once: hosts whose clocks nobody keeps ask for each packet too
        if not self._is_judged:
            self._judge()
        offset_ns = self._offset_ns
        return None if offset_ns is None else (self._latest[0] - offset_ns, self._latest[1] + offset_ns)

    @property
    def bounds(self) -> Bounds | None:
        """Between what the offset lies, by round trips alone; ``None`` without packets."""
        return self._track.bounds

    @property
    def skew(self) -> Skew | None:
        """The rate at which the offset grows; ``None`` until known."""
        return self._track.skew

    @property
    def error_ns(self) -> int | None:
        """What both ends admit together; ``None`` where one of them is not synchronised or says nothing."""
        return self._error_ns

    @property
    def steps(self) -> int:
        """How often either clock was set, since the start."""
        return self._track.steps

    def timescale(self) -> Timescale | None:
        """Return whose clock counts another timescale than UTC, once there were enough packets to tell."""
        if self.reason() is None or self._track.samples < FEWEST_SAMPLES:  # another timescale would be a reason
            return None
        return self._timescale()

    def reason(self) -> Doubt | None:
        """Return why there are no one-way delays, ``None`` where there are."""
        if not self._is_judged:
            self._judge()
        return self._reason

    def _judge(self) -> None:
        self._reason, self._offset_ns, self._is_judged = self._doubt(), None, True
        if self._reason is None:
            low_ns, high_ns = self._believed_ns(valid=True)
            self._offset_ns = (low_ns + high_ns) // 2

    def _doubt(self) -> Doubt | None:
        track = self._track
        if track.is_stepping or (track.step is not None and track.at_ns - track.step.at_ns < track.window_ns):
            return Doubt.CLOCK_STEPPED
        if track.samples < FEWEST_SAMPLES:
            return Doubt.TOO_FEW_SAMPLES
        if self._timescale() is not None:
            return Doubt.TAI_UTC
        if self._error_ns is None:
            return self._unclaimed
        if self._is_contradicted(self._error_ns):
            return Doubt.CONTRADICTED
        return Doubt.ERROR_TOO_LARGE if self._error_ns > self._limit_ns else None

    def figures(self) -> OneWay:
        """Return what is known now, about 20 µs of work; without packets nearly all of it is ``None``."""
        track, reason = self._track, self.reason()
        offset = believed = forward = backward = None
        if track.bounds is not None:
            offset = Bounded(low_ns=track.bounds.low_ns, high_ns=track.bounds.high_ns, value_ns=track.offset_ns())
            low_ns, high_ns = self._believed_ns(valid=reason is None)
            middle_ns = None if reason else (low_ns + high_ns) // 2
            believed = Bounded(low_ns=low_ns, high_ns=high_ns, value_ns=middle_ns)
        if believed is not None and self._latest is not None:
            forward, backward = _less(self._latest[0], believed), _plus(self._latest[1], believed)
        return OneWay(
            at_ns=track.at_ns,
            samples=track.samples,
            reason=reason,
            offset=offset,
            believed=believed,
            error_ns=self._error_ns,
            skew=track.skew,
            forward=forward,
            backward=backward,
            timescale=self.timescale(),
            steps=track.steps,
            step=track.step,
        )

    def _timescale(self) -> Timescale | None:
        bounds = self._track.bounds
        if bounds is None:
            return None
        return timescale(bounds.low_ns, bounds.high_ns, self._track.skew, tai_utc_s=self._tai_utc_s)

    def _is_contradicted(self, error_ns: int) -> bool:
        """Whether packets disprove that the offset is at most ``error_ns``, now and all through the window."""
        bounds, skew = self._track.bounds, self._track.skew
        if bounds is not None and (bounds.low_ns > error_ns or bounds.high_ns < -error_ns):
            return True
        if skew is None:
            return False
        apart_ppm = max(skew.low_ppm, -skew.high_ppm)
        return apart_ppm > 2 * PHI_PPM or apart_ppm * 1e-6 * self._track.span_ns > 2 * error_ns

    def _believed_ns(self, *, valid: bool) -> tuple[int, int]:
        bounds = self._track.bounds
        assert bounds is not None
        if not valid or self._error_ns is None:
            return bounds.low_ns, bounds.high_ns
        return max(bounds.low_ns, -self._error_ns), min(bounds.high_ns, self._error_ns)


def _missing(here: ClockClaim, there: ClockClaim) -> Doubt | None:
    if not here.synchronised or not there.synchronised:
        return Doubt.NOT_SYNCHRONISED
    if any(claim.error_ns is None or claim.error_ns < _CREDIBLE_NS for claim in (here, there)):
        return Doubt.ERROR_UNKNOWN
    return None


def _less(forward_ns: int, offset: Bounded) -> Bounded:
    value_ns = None if offset.value_ns is None else forward_ns - offset.value_ns
    return Bounded(low_ns=forward_ns - offset.high_ns, high_ns=forward_ns - offset.low_ns, value_ns=value_ns)


def _plus(backward_ns: int, offset: Bounded) -> Bounded:
    value_ns = None if offset.value_ns is None else backward_ns + offset.value_ns
    return Bounded(low_ns=backward_ns + offset.low_ns, high_ns=backward_ns + offset.high_ns, value_ns=value_ns)
