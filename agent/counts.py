"""What is counted of one stream, in plain numbers that every packet can afford to change. No I/O, no Prometheus.

A packet costs 2 µs here; counted in the Prometheus library's own objects, with their locks and their search through all
buckets, it cost 6 µs, and three times that on a host that sleeps between packets.
"""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from agent.histogram import LATENESS_BOUNDS_NS, PHASE_BOUNDS_NS, RTT_BOUNDS_NS, VARIATION_BOUNDS_NS, Histogram
from agent.oneway import OneWayCounts
from collectors.ancillary import IcmpError
from collectors.errors import REASONS
from collectors.exchange import Certificate, Exchange, HttpFailure, Phase
from collectors.peer import DirectMeasurement, Quirk, ReflectorFacts, RejectedAnswer, Rejection
from collectors.sample import RETRANSMITTED, DirectionalLoss, Outcome, ReceiveDrops, Sample, TimestampSource
from collectors.session import SessionEvent
from collectors.statistics import Rfc3550Jitter

_REORDERED = Outcome.REORDERED  # to find a member takes CPython 3.11 0.1 µs


class PeerCounts:
    """What the answers of a stream told of its reflector, beside their times; nothing where none of them can.

    ``tolerated``: received answers by how they depart from the standard. ``stamped``: received packets whose T3 is the
    reflector's kernel's. ``forward_tos`` and ``backward_tos`` have a place for each TOS octet: how many received
    packets had it when they reached the reflector, and their answers here. ``facts`` and ``direct_measurement`` are
    the latest that were told; ``restarts`` sums over all sessions, since the facts of each begin anew.
    """

    def __init__(self) -> None:
        self.tolerated: dict[str, int] = dict.fromkeys(Quirk, 0)
        self.stamped = self.restarts = 0
        self.forward_tos = [0] * 256  # 22 ns a packet; a Counter took 160
        self.backward_tos = [0] * 256
        self.facts = ReflectorFacts()
        self.direct_measurement: DirectMeasurement | None = None

    def learn(self, facts: ReflectorFacts) -> None:
        """Take facts, and count the restarts that they add."""
        added = facts.restarts - self.facts.restarts
        self.restarts += added if added >= 0 else facts.restarts
        self.facts = facts


class ExchangeCounts:
    """What attempts at a web server told, beside their outcome and whole time; nothing where there are none.

    ``out_of_time``: attempts whose time was over, by the phase that they were in. ``responses`` counts by status.
    ``first_bytes`` counts answers that began by who took the time of that. ``latest`` is the latest that was answered
    with a status, ``certificate`` the one that was seen last.
    """

    def __init__(self) -> None:
        self.phases = {phase: Histogram(PHASE_BOUNDS_NS) for phase in Phase}
        self.out_of_time: dict[str, int] = dict.fromkeys(Phase, 0)
        self.responses: Counter[int] = Counter()
        self.first_bytes: dict[str, int] = dict.fromkeys(TimestampSource, 0)
        self.received_octets = self.redirects = self.syn_retransmits = 0
        self.latest: Exchange | None = None
        self.certificate: Certificate | None = None

    def take(self, exchange: Exchange) -> None:
        """Count an attempt."""
        for phase, duration_ns in exchange.phases.items():
            self.phases[phase].observe(duration_ns)
        if exchange.phase is not None and exchange.failure in (HttpFailure.TIMED_OUT, HttpFailure.NEVER_ENDS):
            self.out_of_time[exchange.phase] += 1
        self.received_octets += exchange.received
        self.redirects += exchange.redirects
        if exchange.handshake is not None:
            self.syn_retransmits += exchange.handshake.syn_retransmits
        if exchange.stamped is not None:
            self.first_bytes[TimestampSource.KERNEL if exchange.stamped else TimestampSource.USER] += 1
        if exchange.status is not None:
            self.responses[exchange.status] += 1
            self.latest = exchange
        self.certificate = exchange.certificate or self.certificate


class StreamCounts:
    """Counts of one stream since its start, named like the metrics that show them.

    ``failed`` counts by the failures of the stream's kind; ``retransmitted`` are those of the lost for which the kernel
    sent the SYN again and got its connection; ``handshake`` is the kernel's own time of a connection's handshake.
    ``sent`` is the sum of received, lost, failed and overlooked ones; ``noisy`` are those of them that were taken while
    this host was stalled. ``one_way`` is for streams whose answers have the reflector's times. ``answer_ttl`` is the
    TTL, or hop limit, that the latest answer in time had when it arrived; ``None`` where none told it.
    """

    def __init__(self, one_way: OneWayCounts | None = None) -> None:
        self.sent = self.received = self.lost = self.late = self.duplicate = self.reordered = self.icmp_errors = 0
        self.retransmitted = self.overlooked = self.receive_drops = self.noisy = 0
        self.not_sent = dict.fromkeys(REASONS, 0)
        self.failed: Counter[str] = Counter()
        self.lost_direction = {"forward": 0, "backward": 0}
        self.timestamps: dict[str, int] = dict.fromkeys(TimestampSource, 0)
        self.rejected: dict[str, int] = dict.fromkeys(Rejection, 0)
        self.peer = PeerCounts()
        self.exchanges = ExchangeCounts()
        self.rtt = Histogram(RTT_BOUNDS_NS)
        self.handshake = Histogram(RTT_BOUNDS_NS)
        self.ipdv = Histogram(VARIATION_BOUNDS_NS)
        self.lateness = Histogram(LATENESS_BOUNDS_NS)
        self._round_trip, self._forward, self._backward = Rfc3550Jitter(), Rfc3550Jitter(), Rfc3550Jitter()
        self.jitter = {"round_trip": self._round_trip, "forward": self._forward, "backward": self._backward}
        self.one_way = one_way or OneWayCounts()
        self.answer_ttl: int | None = None
        self._next: int | None = None  # the number behind that of the packet received last
        self._previous_rtt_ns = 0  # that one's

    def take(self, event: SessionEvent) -> None:
        """Count an event."""
        match event:
            case Sample():
                self.take_sample(event)
            case DirectionalLoss():
                self.lost_direction["forward"] += event.forward
                self.lost_direction["backward"] += event.backward
            case IcmpError():
                self.icmp_errors += 1
            case ReceiveDrops():
                self.receive_drops += event.count
            case DirectMeasurement():
                self.peer.direct_measurement = event
            case ReflectorFacts():
                self.peer.learn(event)
            case RejectedAnswer():
                self.rejected[event.reason] += 1
            case _:
                assert_never(event)

    def take_sample(self, sample: Sample) -> None:
        """Count a packet, as :meth:`take` does."""
        if sample.exchange is not None:
            self.exchanges.take(sample.exchange)
        if sample.outcome.received:
            self.reordered += sample.outcome is _REORDERED
            self._take_received(sample)
        else:
            self._take_unanswered(sample)

    def _take_unanswered(self, sample: Sample) -> None:
        match sample.outcome:
            case Outcome.LOST:
                self._count_sent(sample)
                self.lost += 1
                self.retransmitted += sample.reason == RETRANSMITTED
            case Outcome.FAILED:
                self._count_sent(sample)
                self.failed[sample.reason or "other"] += 1
            case Outcome.OVERLOOKED:
                self._count_sent(sample)
                self.overlooked += 1
            case Outcome.NOT_SENT:
                self.not_sent[sample.reason or "other"] += 1
            case Outcome.LATE:
                self.late += 1
            case Outcome.DUPLICATE:
                self.duplicate += 1

    def _count_sent(self, sample: Sample) -> None:
        self.sent += 1
        self.noisy += sample.noisy
        self.lateness.observe(sample.lateness_ns)

    def _take_received(self, sample: Sample) -> None:
        rtt_ns, forward_ns, backward_ns = sample.rtt_ns, sample.forward_ns, sample.backward_ns
        assert rtt_ns is not None
        assert sample.timestamps is not None
        self._count_sent(sample)
        self.received += 1
        self.timestamps[sample.timestamps] += 1
        self.rtt.observe(rtt_ns)
        self._round_trip.add(rtt_ns, rtt_ns)
        if forward_ns is not None and backward_ns is not None:
            self._forward.add(forward_ns, rtt_ns)
            self._backward.add(backward_ns, rtt_ns)
            self.one_way.take(sample, forward_ns, backward_ns, self.peer.facts)
        self._take_variation(sample.sequence, rtt_ns)
        if sample.ttl is not None:
            self.answer_ttl = sample.ttl
        if sample.handshake_ns is not None:
            self.handshake.observe(sample.handshake_ns)
        if sample.reflector_stamped:
            self.peer.stamped += 1
        if sample.forward_tos is not None:
            self.peer.forward_tos[sample.forward_tos] += 1
        if sample.backward_tos is not None:
            self.peer.backward_tos[sample.backward_tos] += 1
        if sample.quirks:
            self._take_quirks(sample.quirks)

    def _take_quirks(self, quirks: frozenset[Quirk]) -> None:
        for quirk in quirks:
            self.peer.tolerated[quirk] += 1

    def _take_variation(self, sequence: int | None, rtt_ns: int) -> None:
        """Observe IPDV where the packet sent just before this one was received too (RFC 3393, section 2.4)."""
        if sequence is not None and sequence == self._next:
            self.ipdv.observe(abs(rtt_ns - self._previous_rtt_ns))
        self._next = None if sequence is None else sequence + 1
        self._previous_rtt_ns = rtt_ns
