"""What is known of one direction of one test when it is judged: the numbers alone, whoever measured them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, pstdev

from agent.throughput.gateways import NamedRate
from agent.throughput.load import Latency
from collectors.iperf3.options import Direction, Iperf3Options, Protocol
from collectors.iperf3.result import Iperf3Result, StreamTotal, Transfer

_THREADS_SINCE = (3, 16)
"""From iperf 3.16 on each stream has a thread of its own; before, one core is all that a test can use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBuffers:
    """The largest socket buffers that this host's kernel gives TCP by itself, octets (tcp_wmem, tcp_rmem in tcp(7))."""

    sending: int
    receiving: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One direction of a test. Rates in bits per second of payload, all flows together; missing is ``None``.

    ``window_bytes`` is what each flow was asked to use, ``peer_window_bytes`` the largest that a receiver offered.
    ``host_buffer_bytes`` is the most that this host's kernel lets a socket have at its end of the flow.
    ``sender_cpu`` and ``receiver_cpu`` are shares of one core, of which a test can use ``cores``;
    ``host_busy`` is the share of all of this host's processors that anybody used meanwhile, the kernel included.
    ``both_ways``: data went the other way too at the same time, so that a queue may have stood in either direction.
    ``rates`` are what the path's parts are known to carry. ``steadiness`` is the deviation of the intervals' rates as a
    share of their mean.
    """

    protocol: Protocol
    bits_per_second: float
    streams: int
    both_ways: bool = False
    asked_bits_per_second: int | None = None
    mss_bytes: int = 1448
    headers_bytes: int = 52
    window_bytes: int | None = None
    peer_window_bytes: int | None = None
    max_cwnd_bytes: int | None = None
    host_buffer_bytes: int | None = None
    sent_bytes: int | None = None
    sent_bits_per_second: float | None = None
    retransmits: int | None = None
    congestion_control: str | None = None
    packets: int | None = None
    lost_packets: int | None = None
    sender_cpu: float | None = None
    receiver_cpu: float | None = None
    cores: int = 1
    host_busy: float | None = None
    steadiness: float | None = None
    idle: Latency | None = None
    loaded: Latency | None = None
    rates: tuple[NamedRate, ...] = ()
    sender_rtt_ns: tuple[int, int] | None = None
    """Smallest and mean smoothed round trip that the sender's kernel saw, for want of a probe."""

    @property
    def idle_rtt_ns(self) -> int | None:
        """The path's own round trip: a probe's median without load, else the smallest that the sender saw."""
        if self.idle is not None and self.idle.tells:
            return self.idle.p50_ns
        return self.sender_rtt_ns[0] if self.sender_rtt_ns is not None else None

    @property
    def loaded_rtt_ns(self) -> int | None:
        """The round trip while the test ran: a probe's median, else the sender's mean."""
        if self.loaded is not None and self.loaded.tells:
            return self.loaded.p50_ns
        return self.sender_rtt_ns[1] if self.sender_rtt_ns is not None else None

    @property
    def payload_share(self) -> float:
        """How much of an IP packet is payload."""
        return self.mss_bytes / (self.mss_bytes + self.headers_bytes)

    @property
    def loss_share(self) -> float | None:
        """Of TCP the share of the segments that were sent again, of UDP that of the datagrams that did not arrive."""
        if self.protocol is Protocol.UDP:
            return self.lost_packets / self.packets if self.packets and self.lost_packets is not None else None
        if self.retransmits is None or not self.sent_bytes:
            return None
        return self.retransmits / (self.retransmits + -(-self.sent_bytes // self.mss_bytes))


def observed(
    result: Iperf3Result,
    transfer: Transfer,
    options: Iperf3Options,
    *,
    idle: Latency | None,
    loaded: Latency | None,
    rates: tuple[NamedRate, ...],
    host_busy: float | None = None,
    host_buffers: HostBuffers | None = None,
) -> Observed:
    """Gather what one direction's verdict needs from a test's result and from the probe beside it."""
    upward = transfer.direction is Direction.UP
    local, remote = (None if cpu is None else cpu.total for cpu in (result.local_cpu, result.remote_cpu))
    udp = options.protocol is Protocol.UDP
    streams = result.streams or options.streams
    sending = transfer.streams if upward else ()  # of streams that it receives, a kernel's figures mean its answers
    return Observed(
        protocol=options.protocol,
        bits_per_second=transfer.bits_per_second,
        streams=streams,
        both_ways=options.direction is Direction.BOTH,
        asked_bits_per_second=options.bits_per_second,
        mss_bytes=(options.payload_bytes if udp else result.mss_bytes) or 1448,
        headers_bytes=28 if udp else 52,
        window_bytes=options.window_bytes,
        peer_window_bytes=_most(stream.max_peer_window_bytes for stream in sending),
        max_cwnd_bytes=_most(stream.max_cwnd_bytes for stream in sending),
        host_buffer_bytes=None if host_buffers is None else _buffer(host_buffers, upward=upward),
        sent_bytes=transfer.sent_bytes,
        sent_bits_per_second=transfer.sent_bits_per_second,
        retransmits=transfer.retransmits,
        congestion_control=transfer.congestion_control,
        packets=transfer.packets,
        lost_packets=transfer.lost_packets,
        sender_cpu=local if upward else remote,
        receiver_cpu=remote if upward else local,
        cores=_threads(result, options),
        host_busy=host_busy,
        steadiness=_steadiness([each.bits_per_second for each in result.intervals_of(transfer.direction)]),
        idle=idle,
        loaded=loaded,
        rates=rates,
        sender_rtt_ns=_sender_rtt(sending),
    )


def _threads(result: Iperf3Result, options: Iperf3Options) -> int:
    """Return how many cores a test can use; its account of processor time is of both directions together."""
    if _version(result.version) < _THREADS_SINCE:
        return 1
    return (result.streams or options.streams) * (2 if options.direction is Direction.BOTH else 1)


def _buffer(host: HostBuffers, *, upward: bool) -> int:
    return host.sending if upward else host.receiving


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value), default=None)


def _sender_rtt(streams: Sequence[StreamTotal]) -> tuple[int, int] | None:
    least = [stream.min_rtt_ns for stream in streams if stream.min_rtt_ns]
    means = [stream.mean_rtt_ns for stream in streams if stream.mean_rtt_ns]
    return (min(least), round(mean(means))) if least and means else None


def _steadiness(rates: Sequence[float]) -> float | None:
    """Leave out the first interval, in which flows get up to speed, and the last, which is often cut short."""
    inner = rates[1:-1] if len(rates) >= 5 else rates[1:]
    return pstdev(inner) / mean(inner) if len(inner) >= 2 and mean(inner) > 0 else None


def _version(text: str | None) -> tuple[int, ...]:
    digits = [part for part in (text or "").replace("iperf", " ").replace(".", " ").split() if part.isdigit()]
    return tuple(int(part) for part in digits[:2])
