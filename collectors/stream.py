"""The bookkeeping of one stream: which packets are on their way, and what became of each. No I/O, no clock.

Every packet is settled exactly once: answered, reordered, lost, failed, overlooked or not sent. Further answers (late,
duplicate) are reported beside that and change nothing of it.
"""

from __future__ import annotations

from collectors.direction import DirectionAccount
from collectors.packets import Packet, Packets
from collectors.peer import Rejection
from collectors.roundtrip import Answer, Departure, Quote, RoundTrip, round_trip
from collectors.sample import NOISE_NS, DirectionalLoss, Outcome, Sample

STAMP_GRACE_NS = 50_000_000
"""How long an answered packet waits for its transmit stamp: the stamp mostly precedes the answer (50-75 µs)."""
FOLLOW_UP_GRACE_NS = 200_000_000
"""How long an answered packet waits at least for its follow-up, so that few timers fire where packets are close."""

_MOST_STALLS = 100  # of those before the latest: a host with more of them on one round trip is of no use
_LOW_32_BITS = 0xFFFFFFFF
_ANSWERED, _REORDERED = Outcome.ANSWERED, Outcome.REORDERED  # to find a member takes CPython 3.11 0.1 µs
_UNANSWERED = (Outcome.LOST, Outcome.FAILED, Outcome.OVERLOOKED)

StreamEvent = Sample | DirectionalLoss


class Stream:
    """One probe on one path to one target, as a sequence of packets.

    Every method takes what happened and returns what that settled. Times are nanoseconds: ``monotonic_ns`` decides
    when a packet is lost, wall times of the kernel give the round-trip time.

    Where the reflector follows its answers up (RFC 8972, section 4.7), an answered packet waits for the next answer,
    which tells when its own really left: for two intervals, but not beyond its own timeout, so that no sample comes
    later than a loss would. Where not even one interval fits in there, nothing is waited for.

    A datagram that this host dropped may have been any answer that was due then. So of the packets that stay
    unanswered, as many as datagrams were dropped since they left are overlooked, not lost: each of these explains one
    packet. Where what was dropped was no answer (a copy, or what others sent), a loss is missed; it is counted all the
    same, and the path is not blamed for what this host did.
    """

    def __init__(self, *, timeout_ns: int, first_sequence: int = 0) -> None:
        self.timeout_ns = timeout_ns
        self._packets = Packets(first_sequence)
        self._held: dict[int, Packet] = {}  # by the reflector's number, in order of arrival
        self._next_expected = 0  # RFC 4737, section 3.3
        self._direction = DirectionAccount()
        self._interval_ns = 0  # between the last two departures
        self._departed_ns: int | None = None
        self._ended = False
        self._stalls: list[tuple[int, int]] = []  # from when until when: those that may concern what is on its way
        self._dropped = 0
        self._explained = 0  # of those dropped, the last one that is some packet's answer

    @property
    def next_sequence(self) -> int:
        """The number that the next packet gets."""
        return self._packets.next_sequence

    def sent(self, departure: Departure) -> int:
        """Note that the packet with :attr:`next_sequence` left, and return its number."""
        departed_ns = departure.monotonic_ns
        if self._departed_ns is not None:
            self._interval_ns = departed_ns - self._departed_ns
        self._departed_ns = departed_ns
        self._ended = False
        return self._packets.add(departure, departed_ns + self.timeout_ns, self._dropped)

    def dropped(self, count: int) -> None:
        """Note that the kernel dropped datagrams of this stream's socket, before the next packet left."""
        self._dropped += count

    def unheard(self) -> None:
        """Note that answers to what is on its way can no longer arrive here: its socket is closed."""
        for packet in self._packets.waiting():
            packet.unheard = packet.answer is None

    def is_overdue(self, monotonic_ns: int) -> bool:
        """Whether the oldest packet has waited long enough, and has no answer."""
        oldest = self._packets.oldest
        return oldest is not None and oldest.answer is None and oldest.due_ns <= monotonic_ns

    def disturbed(self, since_ns: int, until_ns: int) -> None:
        """Note when this host was stalled (monotonic): nobody knows what that did to packets on their way."""
        oldest = self._packets.oldest
        if oldest is None:
            self._stalls.clear()
            return
        departed_ns = oldest.departure.monotonic_ns
        self._stalls = [stall for stall in self._stalls[-_MOST_STALLS:] if stall[1] > departed_ns]
        self._stalls.append((since_ns, until_ns))

    def ended(self) -> list[StreamEvent]:
        """Note that no packet follows the last one for now: its answer has no follow-up to wait for."""
        self._ended = True
        last = self._packets.find(self.next_sequence - 1)
        return self._release(last) if last is not None and last.held else []

    def reopened(self) -> list[StreamEvent]:
        """Note that packets leave from another port from now on: for a reflector this is a new session.

        Answered packets settle as they are: neither stamps nor follow-ups come through the new port.
        """
        answered = [packet for packet in self._packets.waiting() if packet.answer is not None]
        events = [event for packet in answered for event in self._settle_answered(packet)]
        self._direction = DirectionAccount()
        return events

    @property
    def restarts(self) -> int:
        """How often the reflector was seen to begin its numbers anew in the middle of this session."""
        return self._direction.restarts

    def departure(self, sequence: int) -> Departure | None:
        """Return how a packet left; ``None`` if nobody remembers it.

        ``sequence`` is the packet's number, or its low 32 bits.
        """
        packet = self._packets.find(sequence)
        return packet.departure if packet is not None else None

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
        packet = self._packets.find(sequence)
        if packet is None or packet.outcome is not None:
            return []
        packet.transmit_ns = stamp_ns
        return self._settle_answered(packet) if packet.answer is not None and not packet.held else []

    def answered(self, answer: Answer) -> list[StreamEvent] | Rejection:
        """Note an answer; what answers no packet that is remembered is none."""
        packet = self._packets.find(answer.sequence)
        if packet is None:
            return Rejection.UNKNOWN_PACKET
        if answer.stateful:
            self._direction.stateful = True
        events = self._no_longer_held(packet.sequence, answer) if self._held else []
        if packet.answer is None and packet.outcome is None:
            events += self._first_answer(packet, answer)
            return events
        if packet.outcome is None:
            events += self._settle_answered(packet)
        return events + self._further_answer(packet, answer)

    def failed(self, quote: Quote, reason: str, offender: str | None) -> list[StreamEvent]:
        """Note that somebody who had to discard a packet said so; what was answered already stays so.

        Where the quote does not tell which packet it was, it is known if only one is on its way.
        """
        packet = self._quoted(quote)
        if packet is None or packet.answer is not None:
            return []
        self._direction.failed(packet.sequence)
        return self._close_unanswered(packet, Outcome.FAILED, reason, offender)

    def _quoted(self, quote: Quote) -> Packet | None:
        if quote.bits:
            packet = self._packets.find(quote.sequence, (1 << quote.bits) - 1)
            return packet if packet is not None and packet.outcome is None else None
        return self._packets.oldest if self._packets.on_their_way == 1 else None

    def expire(self, monotonic_ns: int) -> list[StreamEvent]:
        """Settle what has waited long enough: for an answer, or answered, for a stamp that does not come."""
        events: list[StreamEvent] = []
        for packet in self._packets.waiting():
            if packet.departure.monotonic_ns + min(self.timeout_ns, STAMP_GRACE_NS) > monotonic_ns:
                break
            if packet.due_ns <= monotonic_ns:
                events += self._settle_lost(packet) if packet.answer is None else self._settle_answered(packet)
        return events

    @property
    def next_deadline_ns(self) -> int | None:
        """When :meth:`expire` has something to do next, on the monotonic clock; ``None`` while nothing is on its way.

        The oldest packet decides: an answered one behind it waits a little longer than it must.
        """
        oldest = self._packets.oldest
        return None if oldest is None else oldest.due_ns

    @property
    def outstanding(self) -> int:
        """How many packets are not settled yet."""
        return self._packets.on_their_way

    def _first_answer(self, packet: Packet, answer: Answer) -> list[StreamEvent]:
        packet.answer, packet.reflector_sequence = answer, answer.reflector_sequence
        if packet.sequence >= self._next_expected:
            self._next_expected = packet.sequence + 1
        else:
            packet.reordered = True
        if answer.follow_up_due and self._is_followed_up(packet, answer):
            self._hold(packet, answer)
            return []
        packet.due_ns = answer.monotonic_ns + STAMP_GRACE_NS
        return self._settle_answered(packet) if packet.transmit_ns is not None else []

    def _is_followed_up(self, packet: Packet, answer: Answer) -> bool:
        is_last = self._ended and packet.sequence == self.next_sequence - 1
        return not is_last and answer.monotonic_ns + (self._interval_ns or 1) <= packet.due_ns

    def _hold(self, packet: Packet, answer: Answer) -> None:
        assert answer.reflector_sequence is not None
        packet.held = True
        # The first packet's answer may wait as long as it can: when the next one leaves is not known yet.
        interval_ns = self._interval_ns
        wait_ns = max(2 * interval_ns, FOLLOW_UP_GRACE_NS) if interval_ns else self.timeout_ns
        packet.due_ns = min(answer.monotonic_ns + wait_ns, packet.due_ns)
        self._held[answer.reflector_sequence] = packet

    def _no_longer_held(self, sequence: int, answer: Answer) -> list[StreamEvent]:
        """Settle the packet whose answer is followed up, and those before it, whose follow-ups got lost.

        Where the reflector's numbers fall back while ours go on it has forgotten what it sent, and gives its old
        numbers to others.
        """
        told, left_ns = answer.follow_up or (None, None)
        if len(self._held) == 1 and told in self._held:  # as nearly always
            packet = self._held[told]
            packet.reflector_stamp_ns = left_ns
            return self._release(packet)
        number = answer.reflector_sequence
        events: list[StreamEvent] = []
        for held, packet in list(self._held.items()):
            if told is not None and _is_up_to(held, told):
                packet.reflector_stamp_ns = left_ns if held == told else None
            elif number is not None and (sequence <= packet.sequence or not _is_up_to(number, held)):
                continue
            events += self._release(packet)
        return events

    def _release(self, packet: Packet) -> list[StreamEvent]:
        """Hold a packet no longer: it settles now, or as soon as its transmit stamp comes."""
        self._forget_held(packet)
        return self._settle_answered(packet) if packet.transmit_ns is not None else []

    def _forget_held(self, packet: Packet) -> None:
        assert packet.reflector_sequence is not None
        packet.held = False
        if self._held.get(packet.reflector_sequence) is packet:
            del self._held[packet.reflector_sequence]

    def _settle_answered(self, packet: Packet) -> list[StreamEvent]:
        answer = packet.answer
        assert answer is not None
        if packet.held:
            self._forget_held(packet)
        times = round_trip(packet.departure, packet.transmit_ns, answer, packet.reflector_stamp_ns)
        if times.rtt_ns > self.timeout_ns:  # the answer was read in time, but its own times say that it came too late
            return self._settle_lost(packet) + self._further_answer(packet, answer)
        outcome = _REORDERED if packet.reordered else _ANSWERED
        if packet.reflector_sequence is not None:
            self._direction.answered(packet.sequence, packet.reflector_sequence)
        departure = packet.departure
        noisy = (
            (answer.stamp_ns is not None and answer.wall_ns - answer.stamp_ns > NOISE_NS)  # it lay unread for so long
            or departure.lateness_ns > NOISE_NS
            or (bool(self._stalls) and self._is_noisy(departure, answer.monotonic_ns))
        )
        return self._close(packet, _answered_sample(packet, answer, outcome, times, noisy))

    def _settle_lost(self, packet: Packet) -> list[StreamEvent]:
        outcome = Outcome.OVERLOOKED if packet.answer is None and self._is_overlooked(packet) else Outcome.LOST
        if outcome is Outcome.OVERLOOKED:
            self._direction.overlooked(packet.sequence)
        return self._close_unanswered(packet, outcome)

    def _close_unanswered(
        self, packet: Packet, outcome: Outcome, reason: str | None = None, offender: str | None = None
    ) -> list[StreamEvent]:
        noisy = self._is_noisy(packet.departure, packet.departure.monotonic_ns + self.timeout_ns)
        return self._close(packet, _unanswered_sample(packet, outcome, reason, offender, noisy=noisy))

    def _is_noisy(self, departure: Departure, ended_ns: int) -> bool:
        """Whether this host was stalled when a packet was due, or until it had come back or was given up."""
        if departure.lateness_ns > NOISE_NS or not self._stalls:
            return departure.lateness_ns > NOISE_NS
        return any(departure.monotonic_ns < until_ns and ended_ns > since_ns for since_ns, until_ns in self._stalls)

    def _is_overlooked(self, packet: Packet) -> bool:
        """Whether its answer had no socket to come to, or a datagram dropped since it left explains no other yet."""
        if packet.unheard:
            return True
        explained = max(self._explained, packet.dropped_before)
        if self._dropped <= explained:
            return False
        self._explained = explained + 1
        return True

    def _close(self, packet: Packet, sample: Sample) -> list[StreamEvent]:
        self._packets.settle(packet, sample.outcome)
        loss = self._direction.settled(self._packets.settled_below)
        return [sample, loss] if loss is not None else [sample]

    def _further_answer(self, packet: Packet, answer: Answer) -> list[StreamEvent]:
        """Report an answer to a packet that is settled already."""
        outcome = Outcome.LATE if packet.outcome in _UNANSWERED else Outcome.DUPLICATE
        if outcome is Outcome.LATE:
            packet.outcome = Outcome.LATE  # what comes after it is a duplicate
        elif packet.outcome is not Outcome.LATE:
            self._copied(packet, answer.reflector_sequence)
        return [
            Sample(
                slot=packet.departure.slot,
                sequence=packet.sequence,
                sent_at_ns=packet.transmit_ns or packet.departure.wall_ns,
                outcome=outcome,
                rtt_ns=round_trip(packet.departure, packet.transmit_ns, answer).rtt_ns,
                ttl=answer.ttl,
                quirks=answer.quirks,
            )
        ]

    def _copied(self, packet: Packet, number: int | None) -> None:
        """Count a copy made on the way there, which has a number of its own; one made on the way back has the same."""
        if number is not None and number != packet.reflector_sequence:
            self._direction.answered(packet.sequence, number)


def _is_up_to(number: int, last: int) -> bool:
    """Compare serial numbers of 32 bits (RFC 1982)."""
    return (last - number) & _LOW_32_BITS <= _LOW_32_BITS >> 1


def _unanswered_sample(
    packet: Packet, outcome: Outcome, reason: str | None, offender: str | None, *, noisy: bool
) -> Sample:
    departure = packet.departure
    return Sample(
        slot=departure.slot,
        sequence=packet.sequence,
        sent_at_ns=packet.transmit_ns or departure.wall_ns,
        outcome=outcome,
        ttl=packet.answer.ttl if packet.answer else None,
        lateness_ns=departure.lateness_ns,
        reason=reason,
        offender=offender,
        noisy=noisy,
    )


def _answered_sample(packet: Packet, answer: Answer, outcome: Outcome, times: RoundTrip, noisy: bool) -> Sample:
    slot, wall_ns, _, lateness_ns, _ = packet.departure
    rtt_ns, source, forward_ns, backward_ns, residence_ns, reflector_stamped = times
    return Sample(  # the order of the fields; their names would take a microsecond
        slot,
        packet.sequence,
        packet.transmit_ns or wall_ns,
        outcome,
        rtt_ns,
        forward_ns,
        backward_ns,
        residence_ns,
        answer.ttl,
        source,
        lateness_ns,
        None,
        reflector_stamped,
        answer.forward_tos,
        answer.backward_tos,
        answer.quirks,
        noisy=noisy,
    )
