"""The bookkeeping of one stream: which packets are on their way, and what became of each. No I/O, no clock.

Every packet is settled exactly once: answered, reordered, lost or not sent. Further answers (late, duplicate) are
reported beside that and change nothing of it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from collectors.direction import DirectionAccount
from collectors.sample import DirectionalLoss, Outcome, Sample, TimestampSource

STAMP_GRACE_NS = 50_000_000
"""How long an answered packet waits for its transmit stamp: the stamp mostly precedes the answer (50-75 µs)."""

_REMEMBERED = 4096  # settled packets whose further answers are still told apart
_CLOCK_STEP_NS = 50_000_000  # less may be this program stalled between reading its two clocks
_LONGEST_RESIDENCE_NS = 1_000_000_000  # a reflector that claims more has other clocks at work

StreamEvent = Sample | DirectionalLoss


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A packet on its way: its slot, both clocks read just before sending, and how far behind its slot that was."""

    slot: int
    wall_ns: int
    monotonic_ns: int
    lateness_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, as a wire format understood it and a socket received it.

    ``sequence`` is the number of the packet that it answers, or its low 32 bits. ``stamp_ns`` is the kernel's receive
    stamp; ``wall_ns`` and ``monotonic_ns`` are both clocks, read when the datagram was. A reflector's own number and
    times, where it gives them: ``reflector_sequence``, ``reflector_received_ns`` (T2) and ``reflector_sent_ns`` (T3),
    its wall clock. ``departure_wall_ns`` is the packet's own departure as the answer repeats it: nobody off the path
    knows it, so it proves what the answer is to. ``stateful``: the reflector is known to number its answers itself.
    """

    sequence: int
    stamp_ns: int | None
    wall_ns: int
    monotonic_ns: int
    ttl: int | None = None
    reflector_sequence: int | None = None
    reflector_received_ns: int | None = None
    reflector_sent_ns: int | None = None
    departure_wall_ns: int | None = None
    stateful: bool = False


@dataclass(slots=True)
class _Outstanding:
    sequence: int
    departure: Departure
    transmit_ns: int | None = None
    answer: Answer | None = None
    reordered: bool = False


@dataclass(slots=True)
class _Settled:
    outcome: Outcome
    slot: int
    sent_at_ns: int


@dataclass(slots=True)
class _Times:
    rtt_ns: int
    source: TimestampSource
    forward_ns: int | None = None
    backward_ns: int | None = None
    residence_ns: int | None = None


class Stream:
    """One probe on one path to one target, as a sequence of packets.

    Every method takes what happened and returns what that settled. Times are nanoseconds: ``monotonic_ns`` decides
    when a packet is lost, wall times of the kernel give the round-trip time.
    """

    def __init__(self, *, timeout_ns: int) -> None:
        self.timeout_ns = timeout_ns
        self.next_sequence = 0
        self.stray_answers = 0
        """Answers to packets that nobody here remembers, or that do not repeat what the packet said."""
        self._outstanding: OrderedDict[int, _Outstanding] = OrderedDict()
        self._settled: OrderedDict[int, _Settled] = OrderedDict()
        self._next_expected = 0  # RFC 4737, section 3.3
        self._direction = DirectionAccount()

    def sent(self, departure: Departure) -> int:
        """Note that the packet with :attr:`next_sequence` left, and return its number."""
        sequence = self.next_sequence
        self.next_sequence += 1
        self._outstanding[sequence] = _Outstanding(sequence, departure)
        return sequence

    def reopened(self) -> None:
        """Note that packets leave from another port from now on: for a reflector this is a new session."""
        self._direction = DirectionAccount()

    def not_sent(self, departure: Departure, reason: str) -> Sample:
        """Settle a packet that the kernel refused; it takes no number."""
        return Sample(
            slot=departure.slot,
            sequence=None,
            sent_at_ns=departure.wall_ns,
            outcome=Outcome.NOT_SENT,
            lateness_ns=departure.lateness_ns,
            reason=reason,
        )

    def transmitted(self, sequence: int, stamp_ns: int) -> list[StreamEvent]:
        """Note the kernel's transmit stamp of a packet, which may come before or after its answer.

        ``sequence`` is the packet's number, or its low 32 bits.
        """
        packet = self._outstanding.get(self._whole(sequence))
        if packet is None:
            return []
        packet.transmit_ns = stamp_ns
        return self._settle_answered(packet) if packet.answer is not None else []

    def answered(self, answer: Answer) -> list[StreamEvent]:
        """Note an answer."""
        self._direction.stateful = self._direction.stateful or answer.stateful
        sequence = self._whole(answer.sequence)
        packet = self._outstanding.get(sequence)
        if packet is None:
            return self._further_answer(sequence, answer)
        if answer.departure_wall_ns not in (None, packet.departure.wall_ns):
            self.stray_answers += 1
            return []
        if packet.answer is not None:
            return [*self._settle_answered(packet), *self._further_answer(sequence, answer)]
        packet.answer = answer
        packet.reordered = sequence < self._next_expected
        self._next_expected = max(self._next_expected, sequence + 1)
        if packet.transmit_ns is None:
            return []
        return self._settle_answered(packet)

    def expire(self, monotonic_ns: int) -> list[StreamEvent]:
        """Settle what has waited long enough: for an answer, or answered, for a transmit stamp that does not come."""
        events: list[StreamEvent] = []
        for packet in list(self._outstanding.values()):
            if packet.departure.monotonic_ns + min(self.timeout_ns, STAMP_GRACE_NS) > monotonic_ns:
                break
            if packet.answer is not None:
                if packet.answer.monotonic_ns + STAMP_GRACE_NS <= monotonic_ns:
                    events += self._settle_answered(packet)
            elif packet.departure.monotonic_ns + self.timeout_ns <= monotonic_ns:
                events += self._settle_lost(packet)
        return events

    @property
    def next_deadline_ns(self) -> int | None:
        """When :meth:`expire` has something to do next, on the monotonic clock; ``None`` while nothing is on its way.

        The oldest packet decides: an answered one behind it waits a little longer than it must.
        """
        for packet in self._outstanding.values():
            if packet.answer is not None:
                return packet.answer.monotonic_ns + STAMP_GRACE_NS
            return packet.departure.monotonic_ns + self.timeout_ns
        return None

    @property
    def outstanding(self) -> int:
        """How many packets are on their way: neither answered nor lost yet."""
        return len(self._outstanding)

    def _settle_answered(self, packet: _Outstanding) -> list[StreamEvent]:
        assert packet.answer is not None
        times = _times(packet, packet.answer)
        if times.rtt_ns > self.timeout_ns:  # the answer was read in time, but its own times say that it came too late
            return [*self._settle_lost(packet), *self._further_answer(packet.sequence, packet.answer)]
        outcome = Outcome.REORDERED if packet.reordered else Outcome.ANSWERED
        if packet.answer.reflector_sequence is not None:
            self._direction.answered(packet.sequence, packet.answer.reflector_sequence)
        return self._close(packet, _sample(packet, outcome, times))

    def _settle_lost(self, packet: _Outstanding) -> list[StreamEvent]:
        return self._close(packet, _sample(packet, Outcome.LOST, None))

    def _close(self, packet: _Outstanding, sample: Sample) -> list[StreamEvent]:
        del self._outstanding[packet.sequence]
        self._settled[packet.sequence] = _Settled(sample.outcome, sample.slot, sample.sent_at_ns)
        if len(self._settled) > _REMEMBERED:
            self._settled.popitem(last=False)
        settled_below = next(iter(self._outstanding), self.next_sequence)
        loss = self._direction.settled(settled_below)
        return [sample, loss] if loss is not None else [sample]

    def _further_answer(self, sequence: int, answer: Answer) -> list[StreamEvent]:
        """Report an answer to a packet that is settled already."""
        packet = self._settled.get(sequence)
        if packet is None:
            self.stray_answers += 1
            return []
        outcome = Outcome.LATE if packet.outcome is Outcome.LOST else Outcome.DUPLICATE
        if outcome is Outcome.LATE:
            packet.outcome = Outcome.LATE  # what comes after it is a duplicate
        elif answer.reflector_sequence is not None:
            self._direction.answered(sequence, answer.reflector_sequence)
        rtt_ns = (answer.stamp_ns or answer.wall_ns) - packet.sent_at_ns - (_residence(answer) or 0)
        return [
            Sample(
                slot=packet.slot,
                sequence=sequence,
                sent_at_ns=packet.sent_at_ns,
                outcome=outcome,
                rtt_ns=max(rtt_ns, 0),
                ttl=answer.ttl,
            )
        ]

    def _whole(self, sequence: int) -> int:
        """Complete a number of which a packet or a stamp carries the low 32 bits (RFC 1982)."""
        return self.next_sequence - ((self.next_sequence - sequence) & 0xFFFFFFFF)


def _sample(packet: _Outstanding, outcome: Outcome, times: _Times | None) -> Sample:
    departure = packet.departure
    return Sample(
        slot=departure.slot,
        sequence=packet.sequence,
        sent_at_ns=packet.transmit_ns or departure.wall_ns,
        outcome=outcome,
        rtt_ns=times.rtt_ns if times else None,
        forward_ns=times.forward_ns if times else None,
        backward_ns=times.backward_ns if times else None,
        residence_ns=times.residence_ns if times else None,
        ttl=packet.answer.ttl if packet.answer else None,
        timestamps=times.source if times else None,
        lateness_ns=departure.lateness_ns,
    )


def _times(packet: _Outstanding, answer: Answer) -> _Times:
    """Work out the round trip of an answered packet: (T4 - T1) - (T3 - T2), RFC 6673, section 8.

    Both ends from the kernel where it stamped them. A wall clock that was stepped in between falsifies those: then the
    monotonic clock, read by this program, has the last word.
    """
    departure = packet.departure
    sent_ns = packet.transmit_ns or departure.wall_ns
    arrived_ns = answer.stamp_ns or answer.wall_ns
    elapsed_ns = answer.monotonic_ns - departure.monotonic_ns
    step_ns = (answer.wall_ns - departure.wall_ns) - elapsed_ns
    residence_ns = _residence(answer)
    total_ns = arrived_ns - sent_ns
    if abs(step_ns) > _CLOCK_STEP_NS or total_ns < 0:
        return _Times(max(elapsed_ns - (residence_ns or 0), 0), TimestampSource.USER, residence_ns=residence_ns)
    from_kernel = packet.transmit_ns is not None and answer.stamp_ns is not None
    times = _Times(
        max(total_ns - (residence_ns or 0), 0),
        TimestampSource.KERNEL if from_kernel else TimestampSource.USER,
        residence_ns=residence_ns,
    )
    if answer.reflector_received_ns is not None and answer.reflector_sent_ns is not None:
        times.forward_ns = answer.reflector_received_ns - sent_ns
        times.backward_ns = arrived_ns - answer.reflector_sent_ns
    return times


def _residence(answer: Answer) -> int | None:
    """Return T3 - T2; ``None`` where the reflector gives no times or impossible ones, or one time for both."""
    if answer.reflector_received_ns is None or answer.reflector_sent_ns is None:
        return None
    residence_ns = answer.reflector_sent_ns - answer.reflector_received_ns
    return residence_ns if 0 < residence_ns <= _LONGEST_RESIDENCE_NS else None
