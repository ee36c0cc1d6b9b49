"""What iperf3 prints to a result: of every version, complete, broken off or garbage; it never fails. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from statistics import fmean

from collectors.iperf3.document import INTERVALS, BrokenDocumentError, Fields, pieces
from collectors.iperf3.failing import Iperf3Failure, Trouble
from collectors.iperf3.options import Direction, Protocol
from collectors.iperf3.result import Connection, Cpu, Interval, Iperf3Result, StreamInterval, StreamTotal, Transfer
from collectors.iperf3.saying import trouble_of

_MICROSECOND_NS = 1_000
_MILLISECOND_NS = 1_000_000
_LAST_SECOND = 253_402_300_799  # of the year 9999, where datetime ends


def parse_result(text: str, said: str = "") -> Iperf3Result:
    """Read a whole result; see :func:`reading`."""
    steps = reading(text, said)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Iperf3Result = done.value
            return result


def reading(text: str, said: str = "") -> Generator[None, None, Iperf3Result]:
    """Read a result in steps of one interval each, and return it at last.

    ``said`` is what the program printed as errors: in 3.9 all of them stand there alone, else those of options.
    Whatever ``text`` is, a result comes of it: its ``trouble`` says what is wrong, and the rest is what could be read.
    """
    values: dict[str, object] = {}
    intervals: list[Interval] = []
    broken = None
    try:
        for key, value in pieces(text):
            if key == INTERVALS:
                intervals += _intervals(Fields(value))
            else:
                values[key] = value
            yield
    except BrokenDocumentError as error:
        broken = str(error)
    told = _error_in(said)
    accounted = broken is None or (told is not None and not text.strip())  # of its options, before it began anything
    return replace(_result(Fields(values), tuple(intervals), broken, told), accounted=accounted)


def _error_in(said: str) -> str | None:
    """Return the first error among lines that may be warnings, usage and the like."""
    told = (line.removeprefix("iperf3: ") for line in said.splitlines() if line.startswith("iperf3: "))
    return next(told, None)


def _result(document: Fields, intervals: tuple[Interval, ...], broken: str | None, said: str | None) -> Iperf3Result:
    start, end = document.fields("start"), document.fields("end")
    begun = start.fields("test_start")
    transfers = {direction: _transfer(direction, begun, end) for direction in (Direction.UP, Direction.DOWN)}
    cpu = end.fields("cpu_utilization_percent")
    return Iperf3Result(
        trouble=_trouble(document, bool(begun or intervals), any(transfers.values()), broken, said),
        version=start.text("version"),
        started_at=_started_at(start.fields("timestamp")),
        protocol=_protocol(begun),
        streams=begun.positive("num_streams"),
        duration_s=begun.number("duration"),
        omit_s=begun.number("omit"),
        connections=tuple(_connections(start.several("connected"))),
        mss_bytes=start.positive("tcp_mss") or start.positive("tcp_mss_default"),
        window_bytes=start.positive("sock_bufsize"),
        send_buffer_bytes=start.positive("sndbuf_actual"),
        receive_buffer_bytes=start.positive("rcvbuf_actual"),
        intervals=intervals,
        up=transfers[Direction.UP],
        down=transfers[Direction.DOWN],
        local_cpu=_cpu(cpu, "host"),
        remote_cpu=_cpu(cpu, "remote"),
    )


def _trouble(document: Fields, begun: bool, has_totals: bool, broken: str | None, said: str | None) -> Trouble | None:
    error = document.text("error")
    if error is None and broken is None and has_totals:
        return None
    if error is not None or said is not None:
        return trouble_of(error or said or "", begun=begun)
    failure = Iperf3Failure.ENDED_EARLY if begun else Iperf3Failure.OTHER
    what = "has no totals" if broken is None else f"breaks off or is no JSON: {broken}"
    return Trouble(failure=failure, message=f"what iperf3 printed {what}")


def _protocol(begun: Fields) -> Protocol | None:
    try:
        return Protocol((begun.text("protocol") or "").lower())
    except ValueError:
        return None


def _started_at(timestamp: Fields) -> datetime | None:
    """Read a time to the millisecond, which newer versions tell, else to the second that had begun by then."""
    milliseconds, seconds = timestamp.number("timemillisecs"), timestamp.number("timesecs")
    told = seconds if milliseconds is None else milliseconds / 1000
    return None if told is None or told > _LAST_SECOND else datetime.fromtimestamp(told, UTC)


def _connections(connected: Iterable[Fields]) -> Iterable[Connection]:
    for one in connected:
        local, remote = one.text("local_host"), one.text("remote_host")
        if local is not None and remote is not None:
            yield Connection(
                local_host=local,
                local_port=one.count("local_port") or 0,
                remote_host=remote,
                remote_port=one.count("remote_port") or 0,
            )


def _cpu(cpu: Fields, end: str) -> Cpu | None:
    """Read the share of one end. One that iperf3 never heard of has 0 everywhere, and takes part of a core in truth."""
    total = cpu.number(f"{end}_total")
    if not total:
        return None
    user, system = cpu.number(f"{end}_user") or 0.0, cpu.number(f"{end}_system") or 0.0
    return Cpu(total=total / 100, user=user / 100, system=system / 100)


def _ns(value: float | None, unit_ns: int) -> int | None:
    return None if value is None else round(value * unit_ns)


def _total(counts: Sequence[int | None]) -> int | None:
    """Add up what every stream told; ``None`` where one did not, or there is none."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _mean_ns(values: Iterable[float | None]) -> int | None:
    known = [value for value in values if value is not None]
    return _ns(fmean(known), _MILLISECOND_NS) if known else None


def _going(direction: Direction, streams: Iterable[Fields]) -> list[Fields]:
    """Return the streams of one direction: ``sender`` says of each whether this end sends.

    The sums beside them do not serve: until 3.10 those of both directions had the same name, so that one was lost.
    """
    return [stream for stream in streams if stream and stream.flag("sender") is (direction is Direction.UP)]


def _intervals(interval: Fields) -> Iterable[Interval]:
    streams = interval.several("streams")
    for direction in (Direction.UP, Direction.DOWN):
        mine = _going(direction, streams)
        if mine:
            yield _interval(direction, mine)


def _interval(direction: Direction, streams: Sequence[Fields]) -> Interval:
    parts = tuple(_stream_interval(stream) for stream in streams)
    received = direction is Direction.DOWN
    return Interval(
        direction=direction,
        start_s=streams[0].number("start") or 0.0,
        end_s=streams[0].number("end") or 0.0,
        transferred_bytes=sum(part.transferred_bytes for part in parts),
        bits_per_second=sum(part.bits_per_second for part in parts),
        omitted=streams[0].flag("omitted"),
        retransmits=_total([part.retransmits for part in parts]),
        packets=_total([stream.count("packets") for stream in streams]),
        lost_packets=_total([stream.count("lost_packets") for stream in streams]) if received else None,
        jitter_ns=_mean_ns(stream.number("jitter_ms") for stream in streams) if received else None,
        streams=parts,
    )


def _stream_interval(stream: Fields) -> StreamInterval:
    return StreamInterval(
        transferred_bytes=stream.count("bytes") or 0,
        bits_per_second=stream.number("bits_per_second") or 0.0,
        retransmits=stream.count("retransmits"),
        rtt_ns=_ns(stream.positive("rtt"), _MICROSECOND_NS),
        rtt_variance_ns=_ns(stream.positive("rttvar"), _MICROSECOND_NS),
        cwnd_bytes=stream.positive("snd_cwnd"),
        peer_window_bytes=stream.positive("snd_wnd"),
        path_mtu_bytes=stream.positive("pmtu"),
    )


def _transfer(direction: Direction, begun: Fields, end: Fields) -> Transfer | None:
    streams = end.several("streams")
    udp = _going(direction, (stream.fields("udp") for stream in streams))
    if udp:
        return _udp_transfer(direction, begun, udp)
    sent = _going(direction, (stream.fields("sender") for stream in streams))
    received = _going(direction, (stream.fields("receiver") for stream in streams))
    return _tcp_transfer(direction, sent, received, end) if sent or received else None


def _tcp_transfer(
    direction: Direction, sent: Sequence[Fields], received: Sequence[Fields], end: Fields
) -> Transfer | None:
    sent_bytes, received_bytes = _bytes(sent), _bytes(received)
    counted = received if received_bytes is not None else sent
    if not counted:
        return None
    return Transfer(
        direction=direction,
        duration_s=counted[0].number("end") or 0.0,
        sent_bytes=sent_bytes,
        sent_bits_per_second=_rate(sent) if sent_bytes is not None else None,
        received_bytes=received_bytes,
        received_bits_per_second=_rate(received) if received_bytes is not None else None,
        retransmits=_total([stream.count("retransmits") for stream in sent]) if sent_bytes is not None else None,
        congestion_control=end.text(_congestion_control_of(direction, end)),
        streams=tuple(_stream_total(stream, direction) for stream in sent),
    )


def _bytes(streams: Iterable[Fields]) -> int | None:
    """Add up octets; 0 stands for an end that did not come to tell how many they were."""
    return sum(stream.count("bytes") or 0 for stream in streams) or None


def _rate(streams: Iterable[Fields]) -> float:
    return sum(stream.number("bits_per_second") or 0.0 for stream in streams)


def _rate_over(seconds: float, octets: int) -> float | None:
    """Return bits per second; ``None`` over less than the microsecond to which iperf3 knows its times."""
    return octets * 8 / seconds if round(seconds, 6) else None


def _congestion_control_of(direction: Direction, end: Fields) -> str:
    """Name the field of the sender's one: where data goes both ways, "sender" is this end's."""
    both = {stream.fields("sender").flag("sender") for stream in end.several("streams")} == {True, False}
    return "receiver_tcp_congestion" if both and direction is Direction.DOWN else "sender_tcp_congestion"


def _stream_total(stream: Fields, direction: Direction) -> StreamTotal:
    bits_per_second, retransmits = stream.number("bits_per_second") or 0.0, stream.count("retransmits")
    if direction is Direction.DOWN:  # where data goes both ways, the times are there, and of the socket that receives
        return StreamTotal(bits_per_second=bits_per_second, retransmits=retransmits)
    return StreamTotal(
        bits_per_second=bits_per_second,
        retransmits=retransmits,
        min_rtt_ns=_ns(stream.positive("min_rtt"), _MICROSECOND_NS),
        mean_rtt_ns=_ns(stream.positive("mean_rtt"), _MICROSECOND_NS),
        max_rtt_ns=_ns(stream.positive("max_rtt"), _MICROSECOND_NS),
        max_cwnd_bytes=stream.positive("max_snd_cwnd"),
        max_peer_window_bytes=stream.positive("max_snd_wnd"),
    )


def _udp_transfer(direction: Direction, begun: Fields, streams: Sequence[Fields]) -> Transfer:
    """Read the totals of UDP: octets are the sender's in each stream, all else the receiver's.

    Where the receiver did not come to tell its half, neither a jitter nor a loss is there: a receiver that got anything
    has seen the one, and that got nothing the other.
    """
    sent_bytes, packets = _bytes(streams), _total([stream.count("packets") for stream in streams])
    told = any(stream.number("jitter_ms") or stream.count("lost_packets") for stream in streams)
    lost = _total([stream.count("lost_packets") for stream in streams]) if told else None
    seconds = streams[0].number("end") or 0.0
    block = begun.positive("blksize")
    received_bytes = None
    if packets is not None and lost is not None and block is not None:
        received_bytes = max(packets - lost, 0) * block
    return Transfer(
        direction=direction,
        duration_s=seconds,
        sent_bytes=sent_bytes,
        sent_bits_per_second=_rate(streams) if sent_bytes is not None else None,
        received_bytes=received_bytes,
        received_bits_per_second=None if received_bytes is None else _rate_over(seconds, received_bytes),
        packets=packets,
        lost_packets=lost,
        jitter_ns=_mean_ns(stream.number("jitter_ms") for stream in streams) if told else None,
        out_of_order=_total([stream.count("out_of_order") for stream in streams]) if told else None,
    )
