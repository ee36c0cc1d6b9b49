"""The sink that keeps what is to be told of each stream: counts since the start, and the most recent packets' times."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from agent.counts import StreamCounts
from agent.host import HostCounts
from agent.oneway import RECENT as RECENT_ONE_WAY
from agent.oneway import OneWayCounts
from agent.plan import Probe
from agent.report.exchanges import ExchangeFigures
from agent.sink import StreamKey
from collectors.ancillary import IcmpError
from collectors.claim import OwnClaim
from collectors.clock import SystemClock
from collectors.failure import Failure, failure_of
from collectors.peer import RejectedAnswer, Rejection
from collectors.sample import Sample
from collectors.session import Deliver, SessionEvent
from collectors.stamp.options import StampOptions

RECENT = 2048
"""How many of a stream's packets the service keeps times of: 3 minutes at 10 packets a second, 192 KiB."""

MOST_TOLD_APART = 16
"""Of how many hosts a stream tells ICMP errors and rejected answers apart: who forges those forges addresses too."""

_ROW = 6
_NONE = -(2**63)  # in the array below, which holds no None; one-way delays may well be negative


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTimes:
    """Times of packets in order of sending, a column each, ns: how late each was sent, and its delays.

    A lost packet has no delays (``None``); one-way delays contain the clocks' offset and need a reflector that stamps.
    ``noisy`` is 1 for packets during which this host was stalled, else 0.
    """

    slots: Sequence[int]
    lateness_ns: Sequence[int]
    noisy: Sequence[int]
    rtts_ns: Sequence[int | None]
    forward_ns: Sequence[int | None]
    backward_ns: Sequence[int | None]


class IcmpErrorKind(NamedTuple):
    """What an ICMP error says: the kernel's error number, in our words, from whom; of a next hop's MTU also that."""

    number: int
    reason: Failure
    offender: str | None
    mtu: int | None


class StreamFigures:
    """What is known of one stream: counts since its start, and times of its most recent packets.

    ``icmp_errors`` counts by what they say, as far as :class:`IcmpErrorKind` tells it apart; ``rejected_answers`` by
    reason and who sent them. In both ``None`` stands for all hosts beyond the first ones. ``dscp`` is what its packets
    are sent with, where that is known. ``samples`` holds every packet where they are asked for. ``handshakes_ns`` are
    the kernel's times of the handshakes of connections, of those packets that had one.
    """

    def __init__(
        self, *, recent: int | None, with_samples: bool, dscp: int | None = None, one_way: OneWayCounts | None = None
    ) -> None:
        self.address: str | None = None
        self.dscp = dscp
        self.resolved = False
        self.counts = StreamCounts(one_way)
        self.icmp_errors: Counter[IcmpErrorKind] = Counter()
        self.rejected_answers: Counter[tuple[Rejection, str | None]] = Counter()
        self.samples: list[Sample] | None = [] if with_samples else None
        self._recent = recent
        self._rows = array("q")  # six numbers a packet, as in PacketTimes
        self._handshakes_ns = array("q")
        self.exchanges = ExchangeFigures(recent=recent)

    @property
    def handshakes_ns(self) -> Sequence[int]:
        """The recent ones."""
        return self._handshakes_ns if self._recent is None else self._handshakes_ns[-self._recent :]

    def packets(self) -> PacketTimes:
        """Return the times of the recent packets."""
        rows = self._rows if self._recent is None else self._rows[-_ROW * self._recent :]
        columns = [rows[column::_ROW] for column in range(_ROW)]
        slots = columns[0]
        if any(later < earlier for earlier, later in pairwise(slots)):  # a lost packet is settled behind later ones
            order = sorted(range(len(slots)), key=slots.__getitem__)
            columns = [array("q", [column[place] for place in order]) for column in columns]
        slots, lateness_ns, noisy, *delays = columns
        rtts_ns, forward_ns, backward_ns = (
            [None if delay == _NONE else delay for delay in column] for column in delays
        )
        return PacketTimes(
            slots=slots,
            lateness_ns=lateness_ns,
            noisy=noisy,
            rtts_ns=rtts_ns,
            forward_ns=forward_ns,
            backward_ns=backward_ns,
        )

    def happened(self, events: Sequence[SessionEvent]) -> None:
        """Count events, and keep the times of packets."""
        for event in events:
            if isinstance(event, Sample):
                self.counts.take_sample(event)
                self._keep(event)
                if event.exchange is not None:
                    self.exchanges.keep(event.exchange, at_ns=event.sent_at_ns)
                continue
            self.counts.take(event)
            if isinstance(event, IcmpError):
                self._keep_error(_kind_of(event))
            elif isinstance(event, RejectedAnswer):
                self._keep_rejected(event)

    def _keep_error(self, kind: IcmpErrorKind) -> None:
        known = kind in self.icmp_errors or len(self.icmp_errors) < MOST_TOLD_APART
        self.icmp_errors[kind if known else kind._replace(offender=None, mtu=None)] += 1

    def _keep_rejected(self, answer: RejectedAnswer) -> None:
        known = (answer.reason, answer.source) in self.rejected_answers or len(self.rejected_answers) < MOST_TOLD_APART
        self.rejected_answers[answer.reason, answer.source if known else None] += 1

    def _keep(self, sample: Sample) -> None:
        if self.samples is not None:
            self.samples.append(sample)
        if sample.sequence is None or not sample.outcome.settles:  # it did not leave, or its times are kept already
            return
        rtt_ns, forward_ns, backward_ns = sample.rtt_ns, sample.forward_ns, sample.backward_ns
        self._rows.extend(  # a generator of what is known of these three would take as long as all the rest
            (
                sample.slot,
                sample.lateness_ns,
                sample.noisy,
                _NONE if rtt_ns is None else rtt_ns,
                _NONE if forward_ns is None else forward_ns,
                _NONE if backward_ns is None else backward_ns,
            )
        )
        if self._recent is not None and len(self._rows) >= 2 * _ROW * self._recent:
            del self._rows[: -_ROW * self._recent]
        if sample.handshake_ns is not None:
            self._handshakes_ns.append(sample.handshake_ns)
            if self._recent is not None and len(self._handshakes_ns) >= 2 * self._recent:
                del self._handshakes_ns[: -self._recent]


def _kind_of(error: IcmpError) -> IcmpErrorKind:
    reason = failure_of(error.errno, error, version=error.version)
    mtu = error.info if reason is Failure.MESSAGE_TOO_LONG else None
    return IcmpErrorKind(error.errno, reason, error.offender, mtu)


class Figures:
    """The sink: :class:`StreamFigures` of every stream. ``recent`` bounds the memory, ``None`` keeps all packets.

    ``probes`` say with which DSCP packets are sent, how often, and how far off clocks may be for one-way delays; of
    those that are not among them it is unknown. ``own`` tells what this host's clock is worth.
    """

    def __init__(
        self,
        *,
        recent: int | None = None,
        with_samples: bool = False,
        probes: Iterable[Probe] = (),
        own: OwnClaim | None = None,
    ) -> None:
        self.streams: dict[StreamKey, StreamFigures] = {}
        self.missed: Counter[tuple[str, str]] = Counter()
        self.host = HostCounts()
        self._recent = recent
        self._with_samples = with_samples
        self._probes = {probe.name: probe for probe in probes}
        self._own = own or OwnClaim(SystemClock())

    def planned(self, probes: Iterable[Probe]) -> None:
        """Learn what is said of the probes of streams that are opened from now on."""
        self._probes = {probe.name: probe for probe in probes}

    def opened(self, key: StreamKey) -> Deliver:
        """Begin the figures of a stream."""
        probe = self._probes.get(key.probe)
        stream = self.streams[key] = StreamFigures(
            recent=self._recent,
            with_samples=self._with_samples,
            dscp=None if probe is None else probe.options.marks.dscp,
            one_way=self._one_way(probe),
        )
        return stream.happened

    def _one_way(self, probe: Probe | None) -> OneWayCounts:
        recent = None if self._recent is None else RECENT_ONE_WAY
        if probe is None or not isinstance(probe.options, StampOptions):
            return OneWayCounts(self._own, recent=recent)
        limit_ns = probe.options.one_way_limit_ns
        return OneWayCounts(self._own, limit_ns=limit_ns, interval_ns=probe.interval_ns, recent=recent)

    def closed(self, key: StreamKey) -> None:
        """Forget a stream."""
        del self.streams[key]

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        """Count missed slots."""
        self.missed[probe, target] += count

    def lagged(self, lag_ns: int) -> None:
        """Count how late the loop came to a slot."""
        self.host.lagged(lag_ns)

    def suspended(self, duration_ns: int) -> None:
        """Count a suspension of this host."""
        self.host.suspended(duration_ns)

    def resolved(self, key: StreamKey, address: str | None) -> None:
        """Note where a stream is sent: to the last address known, where the name does not resolve any more."""
        stream = self.streams[key]
        stream.resolved = address is not None
        stream.address = address or stream.address
