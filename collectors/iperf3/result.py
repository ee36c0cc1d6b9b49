"""What came of one test of throughput: totals and intervals by direction, and what they say of both ends. No I/O.

Rates in bits per second of payload, times in the unit that the name says. Missing is ``None``: iperf3 tells an end of
what only the other one knows at the end of a test, so a broken test has its own half alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from collectors.iperf3.failing import Trouble
from collectors.iperf3.options import Direction, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInterval:
    """One stream during one interval.

    What the sender's kernel says of TCP (TCP_INFO, tcp(7)) is known of streams that this end sends:
    ``rtt_ns`` smoothed, ``rtt_variance_ns`` its mean deviation (RFC 6298), ``cwnd_bytes``,
    ``peer_window_bytes`` what the other end offers (not in all versions), ``path_mtu_bytes`` (RFC 1191, RFC 8201).
    """

    transferred_bytes: int
    bits_per_second: float
    retransmits: int | None = None
    rtt_ns: int | None = None
    rtt_variance_ns: int | None = None
    cwnd_bytes: int | None = None
    peer_window_bytes: int | None = None
    path_mtu_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """All streams of one direction during one interval, in seconds since the test began.

    Seen by this end: of ``up`` it is what was sent, of ``down`` what was received. ``omitted``: it is warming up, and
    in no total. Of UDP ``packets``, and where this end receives ``lost_packets`` and ``jitter_ns`` (RFC 3550).
    """

    direction: Direction
    start_s: float
    end_s: float
    transferred_bytes: int
    bits_per_second: float
    omitted: bool
    retransmits: int | None = None
    packets: int | None = None
    lost_packets: int | None = None
    jitter_ns: int | None = None
    streams: tuple[StreamInterval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTotal:
    """One TCP stream over the whole test; the times are of its smoothed RTT, known of streams that this end sends."""

    bits_per_second: float
    retransmits: int | None = None
    min_rtt_ns: int | None = None
    mean_rtt_ns: int | None = None
    max_rtt_ns: int | None = None
    max_cwnd_bytes: int | None = None
    max_peer_window_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """All streams of one direction over the whole test, warming up not included.

    ``duration_s``: of the end that counted ``bits_per_second``. ``congestion_control``: the sender's.
    Of UDP: ``packets`` are those that were sent as far as the receiver knows, ``lost_packets`` of them did not arrive,
    ``out_of_order`` arrived behind a later one. ``jitter_ns``: RFC 3550, of which the last 50 packets or so are most.
    """

    direction: Direction
    duration_s: float
    sent_bytes: int | None = None
    sent_bits_per_second: float | None = None
    received_bytes: int | None = None
    received_bits_per_second: float | None = None
    retransmits: int | None = None
    congestion_control: str | None = None
    packets: int | None = None
    lost_packets: int | None = None
    jitter_ns: int | None = None
    out_of_order: int | None = None
    streams: tuple[StreamTotal, ...] = ()

    @property
    def bits_per_second(self) -> float:
        """What arrived; where only the sender's half is known, what was sent."""
        if self.received_bits_per_second is not None:
            return self.received_bits_per_second
        return self.sent_bits_per_second or 0.0

    @property
    def transferred_bytes(self) -> int:
        """What the path carried at least: what arrived, or what was sent where that alone is known."""
        return self.received_bytes if self.received_bytes is not None else self.sent_bytes or 0

    @property
    def loss_ratio(self) -> float | None:
        """The part of UDP's packets that was lost."""
        return self.lost_packets / self.packets if self.packets and self.lost_packets is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """The processor time of one end, as a share of one core: 1.5 are one and a half cores."""

    total: float
    user: float
    system: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The addresses of one data stream."""

    local_host: str
    local_port: int
    remote_host: str
    remote_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Iperf3Result:
    """What came of one test.

    ``trouble`` is ``None`` where the test is complete; else it says why not, and the rest is what was known by then.
    ``started_at``: when the server was reached by this host's clock, of older versions (3.12) rounded down to a second.
    ``accounted``: it told all that it moved, so that no intervals are none that moved anything; a program that had to
    be killed did not.
    ``protocol``, ``streams``, ``duration_s`` and ``omit_s``: what the test did, where it got so far.
    ``mss_bytes``: what both ends agreed on (TCP). ``window_bytes``: socket buffers that were asked for;
    ``send_buffer_bytes`` and ``receive_buffer_bytes`` are those that this end's kernel gave at first.
    ``up`` and ``down`` are the totals of the directions that were measured.
    """

    trouble: Trouble | None = None
    accounted: bool = True
    version: str | None = None
    started_at: datetime | None = None
    protocol: Protocol | None = None
    streams: int | None = None
    duration_s: float | None = None
    omit_s: float | None = None
    connections: tuple[Connection, ...] = ()
    mss_bytes: int | None = None
    window_bytes: int | None = None
    send_buffer_bytes: int | None = None
    receive_buffer_bytes: int | None = None
    intervals: tuple[Interval, ...] = field(default=(), repr=False)
    up: Transfer | None = None
    down: Transfer | None = None
    local_cpu: Cpu | None = None
    remote_cpu: Cpu | None = None

    @property
    def complete(self) -> bool:
        """Whether the test ran to its end, and both ends told all they know."""
        return self.trouble is None

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """The totals that there are, up before down."""
        return tuple(transfer for transfer in (self.up, self.down) if transfer is not None)

    @property
    def transferred_bytes(self) -> int:
        """What the test moved over the path, both ways: the totals, or the sum of its intervals where that is more.

        Warming up is in the intervals alone, and counts on a metered path as well.
        """
        return max(sum(transfer.transferred_bytes for transfer in self.transfers), _sum(self.intervals))

    @property
    def path_mtu_bytes(self) -> int | None:
        """The path's MTU as this end's TCP knew it in the end, of all streams the smallest.

        ``None`` where this end sent no TCP. It is what an interface, a route or a router's ICMP error told; where
        routers drop larger packets silently it stays too large.
        """
        for interval in reversed(self.intervals):
            known = [stream.path_mtu_bytes for stream in interval.streams if stream.path_mtu_bytes is not None]
            if known:
                return min(known)
        return None

    def mean_rate(self, direction: Direction) -> float | None:
        """Return the bits per second of one direction's intervals, for want of totals; ``None`` where it has none."""
        parts = self.intervals_of(direction)
        seconds = max((part.end_s for part in parts), default=0.0)
        return sum(part.transferred_bytes for part in parts) * 8 / seconds if seconds else None

    def intervals_of(self, direction: Direction) -> tuple[Interval, ...]:
        """Return the intervals of one direction that were measured, in their order."""
        return tuple(one for one in self.intervals if one.direction is direction and not one.omitted)


def _sum(intervals: Iterable[Interval]) -> int:
    return sum(interval.transferred_bytes for interval in intervals)
