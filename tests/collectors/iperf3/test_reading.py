"""What iperf3 prints is read whatever its version, and however little of it there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.iperf3.failing import Iperf3Failure
from collectors.iperf3.options import Direction, Protocol
from collectors.iperf3.reading import parse_result
from collectors.iperf3.result import Connection, Interval, Iperf3Result, StreamInterval

DATA = Path(__file__).parents[2] / "data" / "iperf3"


def recorded(name: str) -> Iperf3Result:
    return parse_result(text_of(name))


def text_of(name: str) -> str:
    return (DATA / f"{name}.json").read_text()


def changed(name: str, **members: Any) -> Iperf3Result:
    return parse_result(json.dumps(json.loads(text_of(name)) | members))


def test_a_download_has_what_both_ends_counted() -> None:
    result = recorded("3.12-down")
    assert result.complete
    assert (result.version, result.protocol, result.streams, result.duration_s) == ("iperf 3.12", Protocol.TCP, 1, 1.0)
    assert result.up is None
    assert result.down is not None
    assert (result.down.sent_bytes, result.down.received_bytes) == (6291456, 6291456)
    assert result.down.bits_per_second == pytest.approx(50_326_967, abs=1)
    assert (result.down.retransmits, result.down.congestion_control) == (0, "bbr")
    assert result.mss_bytes == 32768
    assert result.connections == (
        Connection(local_host="127.0.0.1", local_port=result.connections[0].local_port, remote_host="127.0.0.1",
                   remote_port=25301),
    )  # fmt: skip
    assert result.transferred_bytes == 6291456


def test_what_the_sending_kernel_knows_is_unknown_of_a_download() -> None:
    (interval,) = recorded("3.12-down").intervals
    assert interval.streams == (StreamInterval(transferred_bytes=6291456, bits_per_second=interval.bits_per_second),)
    assert interval.retransmits is None


@pytest.mark.parametrize("name", ["3.9-both", "3.21-both"])
def test_both_directions_are_told_apart_by_their_streams(name: str) -> None:
    result = recorded(name)
    assert result.complete
    assert [transfer.direction for transfer in result.transfers] == [Direction.UP, Direction.DOWN]
    up, down = result.transfers
    assert up.bits_per_second == pytest.approx(100e6, rel=0.05)
    assert down.bits_per_second == pytest.approx(100e6, rel=0.05)
    assert [len(transfer.streams) for transfer in result.transfers] == [2, 2]
    assert len(result.intervals_of(Direction.UP)) == len(result.intervals_of(Direction.DOWN)) == 2
    assert all(len(interval.streams) == 2 for interval in result.intervals)


def test_an_upload_has_the_times_and_windows_of_the_sending_kernel() -> None:
    result = recorded("3.12-cancelled")
    stream = result.intervals[0].streams[0]
    assert (stream.rtt_ns, stream.rtt_variance_ns) == (49_000, 25_000)
    assert (stream.cwnd_bytes, stream.peer_window_bytes, stream.path_mtu_bytes) == (1178694, 328704, 65535)
    assert result.up is not None
    assert [total.max_rtt_ns for total in result.up.streams] == [63_000]


def test_the_path_mtu_is_the_smallest_that_the_sending_kernel_told_in_the_end() -> None:
    def second(*path_mtus: int | None) -> Interval:
        streams = tuple(
            StreamInterval(transferred_bytes=0, bits_per_second=0, path_mtu_bytes=each) for each in path_mtus
        )
        return Interval(
            direction=Direction.UP,
            start_s=0,
            end_s=1,
            transferred_bytes=0,
            bits_per_second=0,
            omitted=False,
            streams=streams,
        )

    assert recorded("3.12-cancelled").path_mtu_bytes == 65535
    assert Iperf3Result(intervals=(second(1500, 1500), second(1400, 1500), second(None))).path_mtu_bytes == 1400
    assert Iperf3Result(intervals=(second(None),)).path_mtu_bytes is None
    assert Iperf3Result().path_mtu_bytes is None


@pytest.mark.parametrize("name", ["3.12-cancelled", "3.21-cancelled"])
def test_a_cancelled_test_keeps_its_own_half_and_invents_none_of_the_other(name: str) -> None:
    result = recorded(name)
    assert not result.complete
    assert result.trouble is not None
    assert result.trouble.failure is Iperf3Failure.CANCELLED
    assert result.up is not None
    assert result.up.received_bytes is None
    assert result.up.bits_per_second == pytest.approx(20e6, rel=0.05)
    assert result.remote_cpu is None
    assert len(result.intervals) == 4


def test_a_receiving_socket_knows_no_time_of_the_way() -> None:
    result = recorded("3.21-both")
    assert result.up is not None
    assert result.down is not None
    assert [stream.mean_rtt_ns is None for stream in (*result.up.streams, *result.down.streams)] == [
        *(False, False),
        *(True, True),
    ]


def test_datagrams_have_loss_and_jitter_of_the_receiver() -> None:
    document = json.loads(text_of("3.12-udp-up"))
    document["end"]["streams"][0]["udp"] |= {"lost_packets": 7, "out_of_order": 3}
    up = parse_result(json.dumps(document)).up
    assert up is not None
    assert (up.packets, up.lost_packets, up.out_of_order) == (77, 7, 3)
    assert up.loss_ratio == 7 / 77
    assert up.received_bytes == 70 * 32768
    assert up.jitter_ns == 8000


def test_a_receiver_that_never_told_its_half_has_lost_nothing_and_received_nothing() -> None:
    document = json.loads(text_of("3.12-udp-up"))
    document["end"]["streams"][0]["udp"] |= {"jitter_ms": 0, "lost_packets": 0}
    up = parse_result(json.dumps(document)).up
    assert up is not None
    assert (up.lost_packets, up.jitter_ns, up.received_bytes, up.loss_ratio) == (None, None, None, None)


def test_all_datagrams_lost_is_a_loss_and_a_rate_of_nothing() -> None:
    document = json.loads(text_of("3.12-udp-up"))
    document["end"]["streams"][0]["udp"] |= {"jitter_ms": 0, "lost_packets": 77}
    up = parse_result(json.dumps(document)).up
    assert up is not None
    assert (up.loss_ratio, up.bits_per_second) == (1.0, 0.0)


def test_a_loss_below_zero_is_not_known() -> None:
    document = json.loads(text_of("3.12-udp-up"))
    document["end"]["streams"][0]["udp"]["lost_packets"] = -4
    up = parse_result(json.dumps(document)).up
    assert up is not None
    assert up.lost_packets is None


def test_warming_up_is_in_no_total_and_was_carried_all_the_same() -> None:
    document = json.loads(text_of("3.12-down"))
    warming = json.loads(json.dumps(document["intervals"][0]))
    warming["streams"][0]["omitted"] = True
    document["intervals"].insert(0, warming)
    result = parse_result(json.dumps(document))
    assert [interval.omitted for interval in result.intervals] == [True, False]
    assert len(result.intervals_of(Direction.DOWN)) == 1
    assert result.transferred_bytes == 2 * 6291456


def test_an_error_counts_whatever_else_is_there() -> None:
    result = changed("3.12-down", error="error - the server is busy running a test. try again later")
    assert result.trouble is not None
    assert result.trouble.failure is Iperf3Failure.BUSY
    assert not result.complete
    assert result.down is not None


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("unable to connect to server: Connection refused", "refused"),
        ("error - unable to connect to server - server may have stopped running or use a different port, firewall "
         "issue, etc.: No route to host", "unreachable"),
        ("unable to connect to server: Connection timed out", "timed_out"),
        ("test authorization failed", "authentication"),
        ("received an unknown control message (ensure other side is iperf3 and not iperf)", "not_iperf3"),
        ("control socket has closed unexpectedly", "not_iperf3"),
        ("unable to set TCP_CONGESTION: Supplied congestion control algorithm not supported", "unsupported"),
        ("something new", "other"),
    ],
)  # fmt: skip
def test_errors_have_stable_words(error: str, failure: str) -> None:
    result = parse_result(json.dumps({"start": {}, "intervals": [], "end": {}, "error": error}))
    assert result.trouble is not None
    assert result.trouble.failure == failure


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ("iperf3: error - unable to send control message: Bad file descriptor", "unreachable"),
        ("iperf3: error - unable to send control message: Broken pipe", "busy"),
        ("warning: something\niperf3: parameter error - bad TOS value\n\nUsage: iperf3 ...", "other"),
    ],
)
def test_errors_beside_the_result_count_where_it_has_none(said: str, failure: str) -> None:
    result = parse_result(json.dumps({"start": {"version": "iperf 3.9"}, "intervals": [], "end": {}}), said)
    assert result.trouble is not None
    assert result.trouble.failure == failure
    assert parse_result(text_of("3.12-down"), said).complete


def test_a_socket_that_closes_in_the_middle_is_a_test_that_ended_early() -> None:
    result = changed("3.12-down", error="error - control socket has closed unexpectedly")
    assert result.trouble is not None
    assert result.trouble.failure is Iperf3Failure.ENDED_EARLY


def test_a_result_that_breaks_off_keeps_the_intervals_before() -> None:
    text = text_of("3.21-cancelled")
    result = parse_result(text[: text.index('"end":{')])
    assert len(result.intervals) == 4
    assert result.version == "iperf 3.21+"
    assert result.trouble is not None
    assert result.trouble.failure is Iperf3Failure.ENDED_EARLY


NO_RESULTS = ("", "garbage", "{", "[" * 100_000, '{"a":' * 100_000, "{}", '{"start": 1' + "0" * 9999)


@pytest.mark.parametrize("text", NO_RESULTS, ids=lambda text: text[:9])
def test_what_is_no_result_is_a_trouble_and_no_exception(text: str) -> None:
    result = parse_result(text)
    assert result.trouble is not None
    assert result.trouble.failure is Iperf3Failure.OTHER
    assert not result.transfers


@pytest.mark.parametrize("name", ["3.9-udp-both", "3.21-both", "3.12-cancelled"])
def test_it_may_break_off_anywhere(name: str) -> None:
    text = text_of(name)
    for size in range(0, len(text.rstrip()) - 1, 7):
        assert not parse_result(text[:size]).complete


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["start", "end", "intervals", "streams", "sender", "receiver", "udp", "bytes", "test_start", "timestamp",
             "timesecs", "timemillisecs", "packets", "lost_packets", "jitter_ms", "protocol", "error", "connected",
             "blksize", "rtt"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip


@given(VALUES)
def test_fields_of_any_type_never_raise(value: Any) -> None:
    parse_result(json.dumps({"start": value, "intervals": [value], "end": value}))
    parse_result(json.dumps(value))


def test_what_breaks_off_does_not_tell_all_that_was_moved() -> None:
    whole = text_of("3.12-down")
    assert parse_result(whole).accounted
    assert not parse_result(whole[: len(whole) // 2]).accounted
    assert not parse_result("").accounted
    assert parse_result("", "iperf3: parameter error - interval too large").accounted


@pytest.mark.parametrize(("name", "microsecond"), [("3.12-down", 0), ("3.21-both", 283_000)])
def test_when_the_server_was_reached_is_known_as_exactly_as_iperf3_tells_it(name: str, microsecond: int) -> None:
    started_at = parse_result(text_of(name)).started_at
    assert started_at is not None
    assert (started_at.year, started_at.microsecond) == (2026, microsecond)


UDP_TOTALS = {"sender": True, "bytes": 100, "end": 1, "packets": 9, "lost_packets": 3, "jitter_ms": 1, "seconds": 1}


@pytest.mark.parametrize("absurd", [10**400, 1e308, 1 << 64, 5e-324])
@pytest.mark.parametrize("key", UDP_TOTALS.keys() - {"sender"})
def test_figures_beyond_all_measure_from_the_far_end_are_no_figures(key: str, absurd: float) -> None:
    streams = [{"udp": {**UDP_TOTALS, key: absurd}}] * 3
    text = json.dumps({"start": {"test_start": {"protocol": "UDP", "blksize": 1448}}, "end": {"streams": streams}})
    result = parse_result(text)
    assert result.up is not None
    assert 0 <= result.up.bits_per_second < 1e21
    assert (result.up.jitter_ns or 0) < 1e25


@pytest.mark.parametrize("absurd", [10**400, 1e308, 1 << 64])
def test_absurd_times_of_a_round_trip_are_none(absurd: float) -> None:
    stream = {"sender": True, "bytes": 1, "bits_per_second": absurd, "rtt": absurd, "rttvar": absurd, "end": absurd}
    [interval] = parse_result(json.dumps({"intervals": [{"streams": [stream]}]})).intervals
    assert (interval.streams[0].rtt_ns, interval.bits_per_second, interval.end_s) == (None, 0, 0)
