from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.capture import Passage, Way
from benchmarks.figure import NotRun
from benchmarks.peers.evaluate import Captured, accuracy
from benchmarks.peers.fping import FPING
from benchmarks.peers.irtt import IRTT
from benchmarks.peers.ping import PING
from benchmarks.peers.results import Accuracy
from benchmarks.peers.smokeping import SMOKEPING
from benchmarks.peers.tool import Asked, Histogram, PerPacket, Report, Tool

ASKED = Asked(target="192.0.2.1", interval_s=0.01, seconds=1)
GAP_NS = 10_000_000
WIRE_NS, DWELL_NS = 100_000, 40_000
PACKETS = 100


def exchanges(
    wire_ns: int, *, late_ns: int = 0, numbers: Sequence[int] = range(PACKETS), flow: int = 1, gap_ns: int = GAP_NS
) -> list[Passage]:
    """Packets at one interface, a reply so long after each request."""
    sent = [(place * gap_ns + late_ns, number) for place, number in enumerate(numbers)]
    return [Passage(at_ns, Way.REQUEST, number, flow) for at_ns, number in sent] + [
        Passage(at_ns + wire_ns, Way.REPLY, number, flow) for at_ns, number in sent
    ]


def captured(numbers: Sequence[int] = range(PACKETS), *, gap_ns: int = GAP_NS) -> Captured:
    def at(wire_ns: int, late_ns: int) -> list[Passage]:
        return exchanges(wire_ns, late_ns=late_ns, numbers=numbers, gap_ns=gap_ns)

    return Captured(near=at(WIRE_NS, 0), router=at(WIRE_NS - 20_000, 10_000), far=at(DWELL_NS, 20_000))


def compared(report: Report, seen: Captured | None = None, tool: Tool = IRTT) -> Accuracy:
    return accuracy(tool, report, seen or captured(), ASKED)


def constant(rtt_ns: int, numbers: Sequence[int] = range(PACKETS)) -> PerPacket:
    return PerPacket(rtts_ns=dict.fromkeys(numbers, rtt_ns))


def test_the_truth_is_the_wire_less_the_dwell() -> None:
    found = compared(constant(WIRE_NS - DWELL_NS + 7_000))
    assert (found.network.median, found.network.p99, found.network.mean) == (7_000, 7_000, 7_000)
    assert (found.rtt_median, found.dwell_median) == (WIRE_NS - DWELL_NS, DWELL_NS)


def test_a_transmit_stamp_is_compared_with_the_capture_at_the_senders_interface() -> None:
    stamps = {number: number * GAP_NS + 3_000 + number % 3 for number in range(PACKETS)}
    report = replace(constant(WIRE_NS - DWELL_NS), sent_ns=stamps)
    assert compared(report).stamped_behind == 3_001
    assert compared(constant(WIRE_NS - DWELL_NS)).stamped_behind is None


def test_what_icmp_can_know_is_the_whole_of_the_wire() -> None:
    found = compared(constant(WIRE_NS + 7_000), tool=PING)
    assert found.is_icmp
    assert (found.with_dwell.median, found.network.median) == (7_000, DWELL_NS + 7_000)


def test_the_routers_capture_judges_the_spread_alone() -> None:
    rtts = dict.fromkeys(range(PACKETS), 60_000) | {3: 65_000, 4: 66_000}
    assert compared(PerPacket(rtts_ns=rtts)).by_router == 5_000


def test_figures_without_numbers_belong_to_packets_in_the_order_of_sending() -> None:
    numbers = [(place * 7) % 65_536 for place in range(PACKETS)]
    report = PerPacket(rtts_ns={place: WIRE_NS - DWELL_NS for place in range(PACKETS) if place != 5})
    found = compared(report, captured(numbers), tool=FPING)
    assert (found.network.max, found.network.packets, found.overlooked) == (0, PACKETS - 1, 1)


def test_an_answer_that_was_captured_and_not_reported_was_overlooked() -> None:
    assert compared(constant(WIRE_NS, range(PACKETS - 3))).overlooked == 3


def test_what_a_tool_asks_beside_its_measurement_is_not_judged() -> None:
    seen = captured()
    strange = exchanges(999_000_000, numbers=range(5), flow=2)
    found = compared(constant(WIRE_NS - DWELL_NS), replace(seen, near=[*strange, *seen.near]))
    assert found.network.max == 0


def test_a_capture_that_lost_packets_is_no_witness() -> None:
    with pytest.raises(NotRun, match="of 100 answers the captures show 50: tcpdump lost the rest"):
        compared(constant(WIRE_NS), captured(range(PACKETS // 2)))


def test_without_any_packet_there_is_no_figure() -> None:
    with pytest.raises(NotRun, match="the captures show none"):
        compared(constant(WIRE_NS), Captured(near=[], router=[], far=[]))


def test_who_sends_too_slowly_drifts() -> None:
    found = compared(constant(WIRE_NS), captured(gap_ns=GAP_NS + 1_000))
    assert found.sending.gap_mean == GAP_NS + 1_000
    assert found.sending.drift == 90_000


def test_who_skips_slots_and_says_so_has_not_drifted() -> None:
    seen = captured(gap_ns=2 * GAP_NS)
    slots = {number: 2 * number for number in range(PACKETS)}
    report = PerPacket(rtts_ns=constant(WIRE_NS).rtts_ns, slots=slots)
    assert compared(report, seen).sending.drift == 0


def test_a_histogram_gives_the_least_error_and_the_exact_mean() -> None:
    truth_ns = WIRE_NS - DWELL_NS
    histogram = Histogram(upper_ns=(100_000, 110_000, float("inf")), counts=(0, 90, 0), sum_ns=90 * 105_000)
    found = compared(histogram, tool=SMOKEPING)
    assert found.network.at_least
    assert (found.network.packets, found.network.median) == (90, 100_000 - truth_ns - 100)
    assert found.network.mean == 105_000 - truth_ns
    assert (found.network.bias, found.overlooked, found.by_router) == (None, None, None)
