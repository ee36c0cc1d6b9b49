"""What is counted of a stream's one-way delays: as long as the clocks support them, and else why not. No I/O."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from agent.histogram import ONE_WAY_BOUNDS_NS, Histogram
from collectors.claim import NO_CLAIM, ClockClaim, OwnClaim
from collectors.oneway import LIMIT_NS, OneWay, OneWayTrack
from collectors.peer import ReflectorFacts
from collectors.sample import Sample

RECENT = 400
"""Of how many packets the service keeps one-way delays: 6 KiB a stream, beside 11 for following its clocks."""

_WITHOUT_PACKETS = OneWayTrack()
_NOTHING = _WITHOUT_PACKETS.figures()


class OneWayCounts:
    """One-way delays of one stream, counted while they are valid.

    ``own`` tells what this host's clock is worth; without, it claims nothing. ``interval_ns`` lies between two slots:
    with it a packet's slot tells when it left, by a clock that nobody sets; without, its wall time has to do.
    ``recent`` bounds how many delays are kept; ``None`` keeps all of them.
    """

    def __init__(
        self,
        own: OwnClaim | None = None,
        *,
        limit_ns: int = LIMIT_NS,
        interval_ns: int | None = None,
        recent: int | None = RECENT,
    ) -> None:
        self._own = own
        self._limit_ns = limit_ns
        self._interval_ns = interval_ns
        self._recent = recent
        self._track: OneWayTrack | None = None
        self._facts: ReflectorFacts | None = None
        self._there = NO_CLAIM
        self._taken = self._kept = 0
        self._known = (0, _NOTHING)
        self._histograms: tuple[Histogram, Histogram] | None = None
        self._forward_ns, self._backward_ns = array("q"), array("q")

    @property
    def track(self) -> OneWayTrack:
        """What follows the clocks: for those who ask for few of its figures, since :attr:`known` works out all."""
        return self._track or _WITHOUT_PACKETS

    @property
    def known(self) -> OneWay:
        """What is known as of the latest packet."""
        if self._track is not None and self._known[0] != self._taken:
            self._known = self._taken, self._track.figures()
        return self._known[1]

    @property
    def histograms(self) -> Mapping[str, Histogram]:
        """All delays that were valid, by direction."""
        forward, backward = self._both()
        return {"forward": forward, "backward": backward}

    @property
    def delays_ns(self) -> Mapping[str, Sequence[int]]:
        """The recent ones of these, in no order."""
        return {"forward": self._forward_ns, "backward": self._backward_ns}

    def take(self, sample: Sample, forward_ns: int, backward_ns: int, facts: ReflectorFacts) -> None:
        """Take a received packet with its raw differences, and what its reflector is known to claim."""
        track = self._track
        if track is None:
            track = self._track = self._begin()
        interval_ns = self._interval_ns
        at_ns = sample.sent_at_ns if interval_ns is None else sample.slot * interval_ns + sample.lateness_ns
        if facts is not self._facts or not track.passes_by(at_ns, forward_ns, backward_ns):
            track.clocks(NO_CLAIM if self._own is None else self._own(), self._claim_of(facts))
            track.add(at_ns, forward_ns, backward_ns)
        self._taken += 1
        delays_ns = track.delays_ns()
        if delays_ns is not None:
            self._count(*delays_ns)

    def _claim_of(self, facts: ReflectorFacts) -> ClockClaim:
        if facts is not self._facts:
            self._facts = facts
            self._there = ClockClaim(synchronised=facts.synchronised is True, error_ns=facts.error_ns)
        return self._there

    def _begin(self) -> OneWayTrack:
        if self._own is None:
            return OneWayTrack(limit_ns=self._limit_ns)
        self._own()  # so that its kernel was asked
        return OneWayTrack(limit_ns=self._limit_ns, tai_utc_s=self._own.tai_offset_s)

    def _both(self) -> tuple[Histogram, Histogram]:
        if self._histograms is None:  # streams of other kinds, which nobody asks for these, do not have them
            self._histograms = Histogram(ONE_WAY_BOUNDS_NS), Histogram(ONE_WAY_BOUNDS_NS)
        return self._histograms

    def _count(self, forward_ns: int, backward_ns: int) -> None:
        forward, backward = self._both()
        forward.observe(forward_ns)
        backward.observe(backward_ns)
        if self._recent is None or self._kept < self._recent:
            self._forward_ns.append(forward_ns)
            self._backward_ns.append(backward_ns)
        else:
            oldest = self._kept % self._recent
            self._forward_ns[oldest], self._backward_ns[oldest] = forward_ns, backward_ns
        self._kept += 1
