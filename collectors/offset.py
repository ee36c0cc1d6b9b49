"""Bounds of the offset between two clocks, from round trips alone; notices steps of either clock. No I/O, no clock.

A delay is never negative, so the offset (reflector minus sender) is at most T2-T1 of any packet, and at least T3-T4:
the bound of RFC 5905, section 8, half the round trip to either side. How a round trip divides into its directions
cannot be seen from its end. Older packets bound the offset too, more widely by what clocks can have drifted since: the
least delayed of either direction decides until a better one comes, however uneven the path, and two numbers keep it.

A step of a clock moves T2-T1 and T4-T3 by the same amount in opposite directions; another route moves their sum. Only
a route that becomes longer in one direction and at once shorter in the other looks like a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.envelope import MAX_PER_NS, WINDOW_NS, Block, Envelope
from collectors.skew import Skew

_NOTICED_NS = 250_000  # smaller falls of the least delay are queueing's
_NOTICED_SHARE = 0.2  # of the mean excess: so far below the least so far may packets of a busy path come
_UNFORESEEN_PER_NS = 5e-5  # by as much may a clock change its rate without being set
_SETTLED = 32  # packets, until which least delays are still falling
_CONFIRMING = 8  # packets, where queueing could be the reason
_CONFIRMING_PROVEN = 2  # where no offset explains old and new: one may have been under way when the clock was set
_QUIET = 18.0  # mean excesses to a fall: that queues held every packet up by half of it has a chance of 1 in 10,000
_SMOOTHING = 32
_CLOSE_NS = 10_000_000  # packets that follow another one so closely only count where they tell something new
_OVERTAKING_NS = 10_000_000_000  # samples come in order of answers; further back than that, the time itself was set


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A clock was set, or slewed faster than packets could follow: the offset changed at once by ``by_ns``."""

    at_ns: int
    by_ns: int


class Bounds:
    """Between what the offset lies, at the time of the latest packet taken."""

    __slots__ = ("_at_ns", "high_ns", "low_ns")

    def __init__(self, at_ns: int, forward_ns: int, backward_ns: int) -> None:
        self._at_ns = at_ns
        self.low_ns = -backward_ns
        self.high_ns = forward_ns

    def take(self, at_ns: int, forward_ns: int, backward_ns: int) -> bool:
        """Narrow the bounds by a packet; return ``False``, and do nothing, where no offset satisfies old and new."""
        if at_ns >= self._at_ns:
            drift_ns = round((at_ns - self._at_ns) * MAX_PER_NS)
            low_ns, high_ns = self.low_ns - drift_ns, self.high_ns + drift_ns
        else:  # overtaken by others: it is the older one
            drift_ns = round((self._at_ns - at_ns) * MAX_PER_NS)
            low_ns, high_ns, at_ns = self.low_ns, self.high_ns, self._at_ns
            forward_ns, backward_ns = forward_ns + drift_ns, backward_ns + drift_ns
        if -backward_ns > low_ns:  # max() and min() would take a fifth of this method's time
            low_ns = -backward_ns
        if forward_ns < high_ns:
            high_ns = forward_ns
        if low_ns > high_ns:
            return False
        self.low_ns, self.high_ns, self._at_ns = low_ns, high_ns, at_ns
        return True

    def admit(self, at_ns: int, forward_ns: int, backward_ns: int) -> bool:
        """Widen the bounds by a packet; return whether an offset satisfied old and new."""
        drift_ns = round(abs(at_ns - self._at_ns) * MAX_PER_NS)
        low_ns, high_ns = self.low_ns - drift_ns, self.high_ns + drift_ns
        self.low_ns, self.high_ns = min(low_ns, -backward_ns), max(high_ns, forward_ns)
        self._at_ns = max(at_ns, self._at_ns)
        return forward_ns >= low_ns and -backward_ns <= high_ns


class _Trial:
    """Packets since one took less time in one direction than any before, until a step is told from a change of route.

    Those that were under way by then are left out: they have times of a clock from before and after it was set.
    """

    def __init__(self, from_ns: int, excess: tuple[float, float], *, proven: bool) -> None:
        self.from_ns = from_ns
        self.proven = proven
        self.samples = 0
        self.bounds: Bounds | None = None
        self.block: Block | None = None
        self._forward_fell = excess[0] < excess[1]
        self._fell_ns = -min(excess)
        self._rose_ns = float("inf")
        self._sum_ns = 0.0

    def take(self, at_ns: int, forward_ns: int, backward_ns: int, excess: tuple[float, float]) -> None:
        fell, rose = excess if self._forward_fell else excess[::-1]
        self._fell_ns, self._rose_ns = max(self._fell_ns, -fell), min(self._rose_ns, rose)
        self._sum_ns += rose
        self.samples += 1
        if self.bounds is None or not self.bounds.take(at_ns, forward_ns, backward_ns):
            self.bounds = Bounds(at_ns, forward_ns, backward_ns)
        if self.block is None:
            self.block = Block(at_ns, forward_ns, backward_ns, excess)
        self.block.take(at_ns, forward_ns, backward_ns, excess)

    def is_outdone(self, excess: tuple[float, float]) -> bool:
        """Whether a packet fell further in the other direction: there is more to explain than what began this."""
        return -excess[self._forward_fell] > self._fell_ns

    def is_refuted(self, mean_excess: tuple[float, float], unsure_ns: float) -> bool:
        """Whether a packet was not held up in the other direction by half as much: no clock was set."""
        noticed_ns = unsure_ns + mean_excess[self._forward_fell] * _NOTICED_SHARE
        return self._rose_ns < max(self._fell_ns / 2, noticed_ns)

    def is_confirmed(self, mean_excess: tuple[float, float]) -> bool:
        """Whether queues in the other direction, as busy as before or since, cannot be why none was."""
        busy_ns = max(mean_excess[self._forward_fell], self._sum_ns / self.samples - self._rose_ns)
        at_least = _CONFIRMING_PROVEN if self.proven else _CONFIRMING
        return self.samples >= max(at_least, _QUIET * busy_ns / self._fell_ns)

    @property
    def by_ns(self) -> int:
        by_ns = round((self._fell_ns + self._rose_ns) / 2)
        return -by_ns if self._forward_fell else by_ns


class OffsetTrack:
    """Follows the offset of one stream's reflector: 3 to 5 µs a packet that is fed to it, 11 KiB.

    Where packets are closer than 10 ms, most need not be: :meth:`passes_by` tells which.

    ``samples`` counts packets since the last step, ``step``; ``steps`` how many there were. ``at_ns`` is the time of
    the latest packet that was fed, for which ``bounds`` hold.

    A step larger than the round trip is certain with two packets. A smaller one is told after eight, or more on a busy
    path, once the skew is known to some ppm, which takes half a minute: 1 ms on paths with less queueing than that.
    Each packet that follows a doubt is fed, so that one at a high rate is told as soon. While one is not told,
    ``bounds`` are from before it for up to 2 s a millisecond, which matters only where one direction takes less time
    than the step.
    """

    def __init__(self, *, window_ns: int = WINDOW_NS) -> None:
        self.samples = self.steps = self.at_ns = 0
        self.step: Step | None = None
        self.window_ns = window_ns
        self._bounds: Bounds | None = None
        self._envelope: Envelope | None = None
        self._trial: _Trial | None = None
        self._mean_excess = (0.0, 0.0)
        self._set_back_ns = 0
        self._close_until_ns = 0
        self._least_forward_ns = self._least_backward_ns = 0  # of late, of packets that were fed

    @property
    def bounds(self) -> Bounds | None:
        """Between what the offset lies; ``None`` without packets."""
        return self._bounds if self._trial is None else self._trial.bounds or self._bounds

    @property
    def is_stepping(self) -> bool:
        """Whether no offset explains the latest packets and those before, and a step is about to be told."""
        return self._trial is not None and self._trial.proven

    @property
    def skew(self) -> Skew | None:
        """How fast the clocks drift apart; ``None`` until that is known."""
        return None if self._envelope is None else self._envelope.skew

    @property
    def span_ns(self) -> int:
        """Over how much time the skew was looked for."""
        return 0 if self._envelope is None else self._envelope.span_ns

    def offset_ns(self) -> int | None:
        """Return what the offset is if the least delays of both directions are equal, which nothing can tell."""
        bounds = self.bounds
        if bounds is None or self._envelope is None:
            return None
        middle_ns = self._envelope.middle_ns(self.at_ns)
        if bounds.low_ns <= middle_ns <= bounds.high_ns:
            return middle_ns
        return (bounds.low_ns + bounds.high_ns) // 2

    def passes_by(self, at_ns: int, forward_ns: int, backward_ns: int) -> bool:
        """Count a packet that can tell nothing new; return ``False``, and do nothing, where it has to be fed.

        It left within 10 ms of one that was, and took at least as long in both directions as the least delayed of late:
        it is no step, and proves none. So at any rate about 100 packets a second are fed, and while a step is looked
        for all of them.
        """
        at_ns += self._set_back_ns
        if (
            self.at_ns <= at_ns < self._close_until_ns
            and forward_ns >= self._least_forward_ns
            and backward_ns >= self._least_backward_ns
        ):
            self.samples += 1
            return True
        return False

    def add(self, at_ns: int, forward_ns: int, backward_ns: int) -> bool:
        """Take a packet sent at ``at_ns`` with the differences T2-T1 and T4-T3; return whether they can be believed.

        ``at_ns`` is best told by a clock that nobody sets; where it falls back it is taken to have stood still. What
        cannot be believed has times from before and after a step, or raises the question whether it has.
        """
        at_ns += self._set_back_ns
        if at_ns < self.at_ns - _OVERTAKING_NS:
            self._set_back_ns += self.at_ns - at_ns
            at_ns = self.at_ns
        believed = forward_ns + backward_ns >= 0 and self._take(at_ns, forward_ns, backward_ns)
        self.at_ns = max(self.at_ns, at_ns)
        self._let_pass()
        return believed

    def _let_pass(self) -> None:
        """Say which packets may pass by: none while a step is looked for, nor before it is known what is least."""
        self._close_until_ns = 0
        if self._trial is None and self._envelope is not None and self.samples >= _SETTLED:
            self._close_until_ns = self.at_ns + _CLOSE_NS
            self._least_forward_ns, self._least_backward_ns = self._envelope.least_ns(self.at_ns)

    def _take(self, at_ns: int, forward_ns: int, backward_ns: int) -> bool:
        envelope, bounds = self._envelope, self._bounds
        if envelope is None or bounds is None:
            self._begin(Bounds(at_ns, forward_ns, backward_ns), Block(at_ns, forward_ns, backward_ns, (0.0, 0.0)), 1)
            return True
        excess = envelope.excess(at_ns, forward_ns, backward_ns)
        if self._trial is not None:
            if self._trial.is_outdone(excess):
                return self._doubt(self._trial.bounds or bounds, (at_ns, forward_ns, backward_ns), excess)
            return self._try(self._trial, envelope, (at_ns, forward_ns, backward_ns), excess)
        is_least = excess[0] <= -_NOTICED_NS or excess[1] <= -_NOTICED_NS  # which few are
        if is_least and self._has_fallen(envelope.age_ns(at_ns), excess):
            return self._doubt(bounds, (at_ns, forward_ns, backward_ns), excess)
        if not bounds.take(at_ns, forward_ns, backward_ns):
            return self._doubt(bounds, (at_ns, forward_ns, backward_ns), excess)
        self.samples += 1
        share = 1 / min(self.samples, _SMOOTHING)
        forward, backward = self._mean_excess
        self._mean_excess = (forward + (excess[0] - forward) * share, backward + (excess[1] - backward) * share)
        envelope.take(at_ns, forward_ns, backward_ns, excess)
        return True

    def _has_fallen(self, age_ns: int, excess: tuple[float, float]) -> bool:
        if self.samples < _SETTLED:
            return False
        forward, backward = excess
        noticed_ns = _NOTICED_NS + age_ns * _UNFORESEEN_PER_NS
        return (
            forward < -noticed_ns - self._mean_excess[0] * _NOTICED_SHARE
            or backward < -noticed_ns - self._mean_excess[1] * _NOTICED_SHARE
        )

    def _doubt(self, bounds: Bounds, packet: tuple[int, int, int], excess: tuple[float, float]) -> bool:
        at_ns, forward_ns, backward_ns = packet
        round_trip_ns = max(bounds.high_ns - bounds.low_ns, forward_ns + backward_ns)
        self._trial = _Trial(at_ns + 2 * round_trip_ns, excess, proven=not bounds.admit(*packet))
        self._bounds = bounds
        return False

    def _try(
        self, trial: _Trial, envelope: Envelope, packet: tuple[int, int, int], excess: tuple[float, float]
    ) -> bool:
        if packet[0] <= trial.from_ns and self._bounds is not None:
            self._bounds.admit(*packet)
            return False
        trial.take(*packet, excess)
        assert trial.bounds is not None
        assert trial.block is not None
        if trial.is_refuted(self._mean_excess, envelope.unsure_ns(packet[0])):
            self._bounds, self._trial = trial.bounds, None
            self.samples += trial.samples
            envelope.merge(trial.block)
        elif trial.is_confirmed(self._mean_excess):
            self._trial = None
            self.steps += 1
            self.step = Step(at_ns=packet[0], by_ns=trial.by_ns)
            self._begin(trial.bounds, trial.block, trial.samples)
        return True

    def _begin(self, bounds: Bounds, block: Block, samples: int) -> None:
        self._bounds, self.samples = bounds, samples
        self._envelope = Envelope(block, window_ns=self.window_ns)
