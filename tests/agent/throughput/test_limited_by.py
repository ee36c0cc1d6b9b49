"""Each verdict has a case that was seen in namespaces, and its neighbours on the other side of the rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.throughput.gateways import NamedRate
from agent.throughput.limited_by import Limit, limited_by
from agent.throughput.load import Latency
from agent.throughput.observed import Observed, observed
from agent.throughput.rfc6349 import figures_of
from agent.throughput.words import percent
from collectors.iperf3.options import Direction, Iperf3Options, Protocol
from collectors.iperf3.result import Iperf3Result, Transfer

MBIT, MS = 1_000_000, 1_000_000


def saw(median_ms: float, *, lost: int = 0) -> Latency:
    return Latency(sent=400, lost=lost, noisy=0, p50_ns=round(median_ms * MS))


BOUGHT = NamedRate(name="path expressroute", bits_per_second=200 * MBIT)
QUIET = Observed(
    protocol=Protocol.TCP,
    bits_per_second=120.0 * MBIT,
    streams=1,
    sent_bytes=150_000_000,
    retransmits=0,
    congestion_control="cubic",
    sender_cpu=0.1,
    receiver_cpu=0.1,
    steadiness=0.02,
    idle=saw(20),
    loaded=saw(20),
)
UDP = replace(
    QUIET, protocol=Protocol.UDP, asked_bits_per_second=200 * MBIT, packets=100_000, lost_packets=0, mss_bytes=1_460,
    headers_bytes=28,
)  # fmt: skip


def verdict(seen: Observed) -> Limit:
    return limited_by(seen).limit


def test_where_nothing_explains_it_that_is_said_with_all_numbers() -> None:
    found = limited_by(QUIET)
    assert found.limit is Limit.UNKNOWN
    assert "120 Mbit/s of payload in 1 flow" in found.evidence
    assert "round trip 20 ms idle, 20 ms under load" in found.evidence


def test_a_known_rate_that_was_reached_limits_whatever_else_there_is() -> None:
    at_rate = replace(QUIET, bits_per_second=191.0 * MBIT, rates=(BOUGHT,), sender_cpu=0.99)
    assert verdict(at_rate) is Limit.RATE
    assert verdict(replace(at_rate, loaded=saw(50))) is Limit.SHAPER
    assert verdict(replace(at_rate, bits_per_second=160.0 * MBIT, sender_cpu=0.1)) is Limit.UNKNOWN


def test_of_several_rates_the_smallest_that_was_reached_is_named() -> None:
    tunnel = NamedRate(name="one GCMAES256 tunnel of VpnGw1", bits_per_second=650 * MBIT)
    bought = NamedRate(name="path vpn", bits_per_second=1_000 * MBIT)
    found = limited_by(replace(QUIET, bits_per_second=610.0 * MBIT, rates=(bought, tunnel)))
    assert "one GCMAES256 tunnel of VpnGw1 with 650 Mbit/s" in found.because


def test_a_standing_queue_and_a_steady_rate_are_a_shaper_of_unknown_rate() -> None:
    queued = replace(QUIET, loaded=saw(48), retransmits=900)
    assert verdict(queued) is Limit.SHAPER
    assert verdict(replace(queued, steadiness=0.3, retransmits=0)) is Limit.UNKNOWN
    assert verdict(replace(queued, loaded=saw(24), retransmits=0)) is Limit.UNKNOWN  # less than a quarter of 20 ms


def test_a_queue_beside_a_test_both_ways_is_nobodys_in_particular() -> None:
    queued = replace(QUIET, loaded=saw(48), retransmits=900, both_ways=True)
    found = limited_by(queued)
    assert found.limit is Limit.UNKNOWN
    assert "in this direction or in the other one" in found.because
    assert verdict(replace(queued, host_busy=0.95)) is Limit.CPU
    assert verdict(replace(queued, bits_per_second=191.0 * MBIT, rates=(BOUGHT,))) is Limit.SHAPER
    datagrams = replace(UDP, bits_per_second=98.8 * MBIT, lost_packets=24_000, loaded=saw(60), both_ways=True)
    assert verdict(datagrams) is Limit.UNKNOWN


def test_shares_that_are_small_do_not_look_like_nothing() -> None:
    assert [percent(part) for part in (0.0, 0.000_003, 0.001_23, 0.3)] == ["none", "0.0003%", "0.123%", "30.000%"]


def test_a_window_that_is_used_up_limits() -> None:
    small = replace(QUIET, bits_per_second=33.1 * MBIT, window_bytes=64 << 10, peer_window_bytes=85_500)
    found = limited_by(small)
    assert found.limit is Limit.WINDOW
    assert "a window of 83.5 KiB holds a flow to about 34.2 Mbit/s at 20 ms" in found.because
    assert verdict(replace(small, peer_window_bytes=None)) is Limit.WINDOW
    assert verdict(replace(small, bits_per_second=15.0 * MBIT)) is Limit.UNKNOWN
    assert verdict(replace(small, streams=4, bits_per_second=4 * 33.1 * MBIT)) is Limit.WINDOW


def test_the_published_table_of_expressroute_is_one_of_windows() -> None:
    # East US: 21.1 Mbit/s at 74 ms; about 190 KiB for each of the distances from 40 ms up.
    east_us = replace(QUIET, bits_per_second=21.1 * MBIT, idle=saw(74), loaded=saw(74), window_bytes=190 << 10)
    assert verdict(east_us) is Limit.WINDOW


def test_a_buffer_of_this_host_that_is_used_up_is_a_window_too() -> None:
    default = replace(QUIET, bits_per_second=1_308.0 * MBIT, host_buffer_bytes=4 << 20, peer_window_bytes=14 << 20)
    assert verdict(default) is Limit.WINDOW
    assert verdict(replace(default, retransmits=4_000)) is Limit.LOSS
    assert verdict(replace(default, host_buffer_bytes=32 << 20)) is Limit.UNKNOWN


def test_losses_that_hold_a_flow_to_what_it_carried_limit_it() -> None:
    # 0.12 % at 20 ms: Mathis allows 20 Mbit/s.
    lossy = replace(QUIET, bits_per_second=44.0 * MBIT, sent_bytes=16_500_000, retransmits=14)
    found = limited_by(lossy)
    assert found.limit is Limit.LOSS
    assert figures_of(lossy).loss_bound_bits_per_second == pytest.approx(20.3 * MBIT, rel=0.05)
    assert "UDP test" in found.because
    assert verdict(replace(lossy, congestion_control="bbr")) is Limit.UNKNOWN
    assert verdict(replace(lossy, retransmits=2)) is Limit.UNKNOWN


def test_losses_in_bursts_are_the_reason_that_is_left() -> None:
    bursts = replace(QUIET, bits_per_second=629.0 * MBIT, retransmits=200)
    assert "in bursts" in limited_by(bursts).because
    assert verdict(replace(bursts, host_busy=0.97)) is Limit.CPU


def test_a_core_that_is_used_up_limits() -> None:
    assert verdict(replace(QUIET, receiver_cpu=0.91)) is Limit.CPU
    assert verdict(replace(QUIET, receiver_cpu=0.91, cores=4)) is Limit.UNKNOWN
    assert verdict(replace(QUIET, host_busy=0.95)) is Limit.CPU


def test_losses_are_told_where_a_processor_without_time_has_the_verdict() -> None:
    lossy = replace(QUIET, retransmits=900)
    for busy in (replace(lossy, sender_cpu=0.95), replace(lossy, host_busy=0.95, loaded=saw(21), bits_per_second=9e8)):
        found = limited_by(busy)
        assert found.limit is Limit.CPU
        assert "% of the segments were sent again meanwhile" in found.because
    datagrams = limited_by(replace(UDP, receiver_cpu=0.99, lost_packets=30_000))
    assert datagrams.limit is Limit.CPU
    assert "30.000% of the datagrams were lost meanwhile" in datagrams.because
    assert "meanwhile" not in limited_by(replace(QUIET, sender_cpu=0.95)).because


@pytest.mark.parametrize(("direction", "cores"), [(Direction.UP, 4), (Direction.BOTH, 8)])
def test_each_stream_of_each_direction_can_use_a_core_since_iperf3_has_threads(
    direction: Direction, cores: int
) -> None:
    options = Iperf3Options(streams=4, direction=direction)
    up = Transfer(direction=Direction.UP, duration_s=1.0)
    found = {
        version: observed(
            Iperf3Result(version=version, streams=4, up=up), up, options, idle=None, loaded=None, rates=()
        ).cores
        for version in ("iperf 3.12", "iperf 3.17.1+")
    }
    assert found == {"iperf 3.12": 1, "iperf 3.17.1+": cores}


def test_udp_that_all_arrives_was_limited_by_what_it_was_told() -> None:
    assert verdict(replace(UDP, bits_per_second=199.9 * MBIT)) is Limit.ASKED


def test_tcp_that_sent_as_much_as_its_budget_allows_says_so() -> None:
    found = limited_by(replace(QUIET, asked_bits_per_second=120 * MBIT))
    assert found.limit is Limit.ASKED
    assert found.because == "it was told to send 120 Mbit/s, to keep to the budget, and 120 Mbit/s arrived"


def test_udp_of_which_a_little_is_lost_arrived_and_of_which_more_is_lost_met_something() -> None:
    assert verdict(replace(UDP, bits_per_second=199.0 * MBIT, lost_packets=500)) is Limit.ASKED
    assert verdict(replace(UDP, bits_per_second=194.0 * MBIT, lost_packets=3_000)) is Limit.POLICER


def test_udp_that_is_lost_behind_a_queue_met_a_shaper() -> None:
    assert verdict(replace(UDP, bits_per_second=98.8 * MBIT, lost_packets=24_000, loaded=saw(60))) is Limit.SHAPER


def test_udp_that_is_lost_without_a_queue_met_a_policer() -> None:
    policed = replace(UDP, bits_per_second=120.0 * MBIT, lost_packets=30_000)
    found = limited_by(policed)
    assert found.limit is Limit.POLICER
    assert "30.0% of the datagrams were lost, 0.00% of the probes without load, and no queue stood" in found.because
    at_rate = replace(policed, bits_per_second=191.0 * MBIT, asked_bits_per_second=260 * MBIT, rates=(BOUGHT,))
    assert "path expressroute with 200 Mbit/s" in limited_by(at_rate).because
    assert verdict(at_rate) is Limit.POLICER


def test_a_policer_is_none_where_anything_else_may_have_dropped_them() -> None:
    policed = replace(UDP, bits_per_second=120.0 * MBIT, lost_packets=30_000, sent_bits_per_second=200.0 * MBIT)
    assert verdict(policed) is Limit.POLICER
    in_bursts = limited_by(replace(policed, bits_per_second=81.0 * MBIT, sent_bits_per_second=101.0 * MBIT))
    assert in_bursts.limit is Limit.UNKNOWN
    assert "it sent 101 Mbit/s of the 200 Mbit/s that it was told, so in bursts" in in_bursts.because
    assert verdict(replace(policed, host_busy=0.95)) is Limit.CPU
    few = replace(QUIET.loaded or saw(20), sent=4)
    for doubtful in (replace(policed, loaded=few), replace(policed, idle=few), replace(policed, loaded=None)):
        assert verdict(doubtful) is Limit.UNKNOWN
    at_rate = replace(policed, bits_per_second=191.0 * MBIT, asked_bits_per_second=260 * MBIT, rates=(BOUGHT,))
    assert limited_by(at_rate).limit is Limit.RATE
    assert "by a shaper or a policer: it sent 200 Mbit/s of the 260 Mbit/s" in limited_by(at_rate).because


def test_udp_that_is_lost_as_probes_are_without_load_met_a_lossy_path() -> None:
    assert verdict(replace(UDP, bits_per_second=120.0 * MBIT, lost_packets=30_000, idle=saw(20, lost=40))) is Limit.LOSS


def test_without_a_probe_the_sender_s_own_round_trips_serve() -> None:
    blind = replace(QUIET, idle=None, loaded=None, sender_rtt_ns=(20 * MS, 48 * MS))
    assert verdict(blind) is Limit.SHAPER
    assert verdict(replace(blind, sender_rtt_ns=None)) is Limit.UNKNOWN


def test_figures_of_rfc_6349() -> None:
    seen = replace(QUIET, rates=(BOUGHT,), loaded=saw(30), retransmits=1_000)
    figures = figures_of(seen)
    assert figures.bandwidth_delay_product_bytes == 200 * MBIT * 0.020 / 8
    assert figures.transfer_time_ratio == pytest.approx(200 * (1448 / 1500) / 120)
    assert figures.tcp_efficiency == pytest.approx(1 - 1_000 / (1_000 + 103_592))
    assert figures.buffer_delay == 0.5
    told = limited_by(seen).evidence
    assert "TCP efficiency 99.0% (RFC 6349, section 4.2)" in told
    assert "buffer delay 50% of the idle round trip (RFC 6349, section 4.3)" in told


def test_bbr_keeps_to_no_law_of_losses() -> None:
    bbr = replace(QUIET, retransmits=1_000, congestion_control="bbr")
    assert figures_of(bbr).loss_bound_bits_per_second is None
    assert "congestion control bbr" in limited_by(bbr).evidence


optional = st.none() | st.floats(0, 1e12)


@given(
    seen=st.builds(
        Observed,
        protocol=st.sampled_from(Protocol),
        bits_per_second=st.floats(0, 1e12),
        streams=st.integers(1, 128),
        window_bytes=st.none() | st.integers(1, 2**30),
        sent_bytes=st.none() | st.integers(0, 10**12),
        retransmits=st.none() | st.integers(0, 10**6),
        packets=st.none() | st.integers(0, 10**6),
        lost_packets=st.none() | st.integers(0, 10**6),
        sender_cpu=st.none() | st.floats(0, 10),
        steadiness=st.none() | st.floats(0, 2),
        host_buffer_bytes=st.none() | st.integers(1, 2**30),
        idle=st.none() | st.builds(saw, st.floats(0, 1e4), lost=st.integers(0, 400)),
        loaded=st.none() | st.builds(saw, st.floats(0, 1e4), lost=st.integers(0, 400)),
        rates=st.sampled_from([(), (BOUGHT,)]),
    )
)
def test_whatever_is_known_or_not_there_is_a_verdict_with_its_reason(seen: Observed) -> None:
    found = limited_by(seen)
    assert found.because
    assert found.evidence
