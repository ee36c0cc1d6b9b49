"""What is reported of streams, as JSON and as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console

from agent.plan import ComparisonPlan
from agent.report.figures import Figures
from agent.report.pairs import comparison_lines
from agent.report.summary import host_summary, summary
from agent.report.text import streams_table
from agent.sink import StreamKey
from collectors.ancillary import IcmpError
from collectors.clock import ClockState
from collectors.sample import RETRANSMITTED, DirectionalLoss, Outcome, ReceiveDrops, Sample, TimestampSource

MS = 1_000_000
ER = StreamKey(probe="stamp", kind="stamp", target="hub", path="expressroute")
VPN = StreamKey(probe="stamp", kind="stamp", target="hub", path="vpn")
COMPARISON = ComparisonPlan(baseline="vpn", candidate="expressroute", probe="stamp")
STARTED = datetime(2026, 1, 15, 12, tzinfo=UTC)


def received(slot: int, rtt_ns: int, outcome: Outcome = Outcome.ANSWERED) -> Sample:
    return Sample(
        slot=slot,
        sequence=slot,
        sent_at_ns=slot * 100 * MS,
        outcome=outcome,
        rtt_ns=rtt_ns,
        timestamps=TimestampSource.KERNEL,
        lateness_ns=1000 * slot,
    )


def lost(slot: int) -> Sample:
    return Sample(slot=slot, sequence=slot, sent_at_ns=0, outcome=Outcome.LOST)


def two_paths(*, with_samples: bool = False) -> Figures:
    figures = Figures(with_samples=with_samples)
    for key, base_ms in ((ER, 10), (VPN, 20)):
        figures.opened(key)
        figures.resolved(key, "10.1.0.4")
        figures.streams[key].happened([received(slot, (base_ms + slot % 3) * MS) for slot in range(9)])
    figures.streams[VPN].happened([lost(9), lost(10), DirectionalLoss(sequence=11, forward=1, backward=0)])
    return figures


def report(figures: Figures, *comparisons: ComparisonPlan) -> dict[str, Any]:
    return summary(figures, started_at=STARTED, comparisons=comparisons)


def text_of(found: dict[str, Any]) -> str:
    console = Console(width=120, file=StringIO(), record=True)
    console.print(streams_table(found))
    for line in comparison_lines(found):
        console.print(line, soft_wrap=True)
    return console.export_text()


def test_the_object_has_the_promised_keys() -> None:
    found = report(two_paths(with_samples=True))
    assert found["schema"] == "eragent.probe/1"
    assert found["started_at"] == "2026-01-15T12:00:00Z"
    promised = {
        *("target", "address", "path", "probe", "sent", "received", "lost", "lost_forward", "lost_backward", "late"),
        *("duplicates", "reordered", "not_sent", "timestamps", "rtt_ns", "jitter_ns", "send_lateness_ns", "samples"),
    }
    [er, vpn] = found["streams"]
    assert promised <= er.keys()
    assert er["rtt_ns"].keys() == {"min", "mean", "p50", "p90", "p95", "p99", "p999", "max", "stddev"}
    assert {"rfc3550", "ipdv_p50", "ipdv_p99", "pdv_p99"} <= er["jitter_ns"].keys()
    assert er["send_lateness_ns"] == {"p50": 4000, "p99": 8000, "max": 8000}
    assert vpn["samples"][9] == {"slot": 9, "sequence": 9, "sent_at_ns": 0, "rtt_ns": None, "outcome": "lost"}
    assert (vpn["sent"], vpn["received"], vpn["lost"]) == (11, 9, 2)


def test_jitter_follows_its_definitions() -> None:
    [er, _] = report(two_paths())["streams"]
    assert er["jitter_ns"]["ipdv_p50"] == 1 * MS  # the round trips step by +1, +1, -2 ms
    assert er["jitter_ns"]["ipdv_p99"] == 2 * MS
    assert er["jitter_ns"]["pdv_p99"] == 2 * MS


def test_variation_by_direction_needs_a_reflector_that_stamps() -> None:
    figures = Figures()
    for key in (ER, VPN):
        figures.opened(key)
    hour_ns = 3_600_000 * MS  # by which the far end's clock is wrong
    for slot, forward_ms in enumerate((4, 5, 4)):
        forward_ns, backward_ns = forward_ms * MS - hour_ns, 6 * MS + hour_ns
        figures.streams[ER].happened([received(slot, 10 * MS)._replace(forward_ns=forward_ns, backward_ns=backward_ns)])
        figures.streams[VPN].happened([received(slot, 10 * MS)])
    [er, vpn] = report(figures)["streams"]
    assert (er["jitter_ns"]["forward"]["ipdv_p99"], er["jitter_ns"]["backward"]["ipdv_p99"]) == (MS, 0)
    assert set(vpn["jitter_ns"]["forward"].values()) == {None}


def test_a_loss_whose_direction_nothing_tells_is_of_unknown_direction() -> None:
    figures = Figures()
    figures.opened(ER)
    assert [report(figures)["streams"][0][key] for key in ("lost_forward", "lost_backward")] == [0, 0]
    figures.streams[ER].happened([lost(0)])
    assert [report(figures)["streams"][0][key] for key in ("lost_forward", "lost_backward")] == [None, None]


def test_each_kind_of_outcome_is_counted_under_its_name() -> None:
    figures = Figures()
    figures.opened(ER)
    refused = Sample(slot=2, sequence=None, sent_at_ns=0, outcome=Outcome.NOT_SENT, reason="no_buffers")
    further = [received(0, MS, Outcome.DUPLICATE), received(1, 3000 * MS, Outcome.LATE)]
    figures.streams[ER].happened([received(0, MS), received(1, MS, Outcome.REORDERED), *further, refused])
    errors = [IcmpError(113, 3, 1, 0, "192.168.11.18"), IcmpError(90, 2, 0, 1400, "fd00::1", 6)]
    figures.streams[ER].happened(errors)
    figures.slots_missed("stamp", "hub", 4)
    [stream] = report(figures)["streams"]
    counted = {key: stream[key] for key in ("sent", "received", "late", "duplicates", "reordered", "not_sent")}
    assert counted == {"sent": 2, "received": 2, "late": 1, "duplicates": 1, "reordered": 1, "not_sent": 1}
    assert stream["not_sent_reasons"] == {"no_buffers": 1}
    unreachable, too_long = stream["icmp_errors"]
    assert unreachable == {
        "error": "No route to host",
        "reason": "host_unreachable",
        "from": "192.168.11.18",
        "mtu": None,
        "count": 1,
    }
    assert (too_long["reason"], too_long["from"], too_long["mtu"]) == ("message_too_long", "fd00::1", 1400)
    assert stream["slots_missed"] == 4
    text = text_of(report(figures))
    for words in ("1 (no_buffers)", "1 x host unreachable from 192.168.11.18", "slots missed", "reordered", "late"):
        assert words in text
    assert "1 x message too long from fd00::1 (MTU 1400)" in text


def test_what_this_host_dropped_is_told_beside_the_losses_and_is_none_of_them() -> None:
    figures = Figures()
    figures.opened(ER)
    overlooked = lost(1)._replace(outcome=Outcome.OVERLOOKED)
    figures.streams[ER].happened([received(0, MS), ReceiveDrops(count=3), overlooked, lost(2)])
    [stream] = report(figures)["streams"]
    counted = {key: stream[key] for key in ("sent", "received", "lost", "overlooked", "receive_drops")}
    assert counted == {"sent": 3, "received": 1, "lost": 1, "overlooked": 1, "receive_drops": 3}
    text = text_of(report(figures))
    assert re.search(r"not read by this host +1\n", text)
    assert re.search(r"dropped by this host +3\n", text)


def test_what_failed_was_not_delivered_and_what_this_host_overlooked_is_not_known() -> None:
    figures = two_paths()
    failed, overlooked = lost(11)._replace(outcome=Outcome.FAILED), lost(12)._replace(outcome=Outcome.OVERLOOKED)
    figures.streams[VPN].happened([failed, overlooked])
    text = text_of(report(figures, COMPARISON))
    assert "not delivered 0.00% against 25.00%" in text
    assert "2 (16.67%)" in text


def test_noisy_samples_are_counted_and_their_pairs_left_out() -> None:
    figures = two_paths(with_samples=True)
    for slot, key in ((11, ER), (12, VPN)):
        other = VPN if key is ER else ER
        figures.streams[key].happened([received(slot, 90 * MS)._replace(noisy=True)])
        figures.streams[other].happened([received(slot, MS)])
    found = report(figures, COMPARISON)
    assert [stream["noisy"] for stream in found["streams"]] == [1, 1]
    assert [sample["slot"] for sample in found["streams"][0]["samples"] if "noisy" in sample] == [11]
    [comparison] = found["comparisons"]
    assert (comparison["pairs"], comparison["excluded"]) == (9, 2)
    assert "9 pairs; 2 left out because this host was stalled" in text_of(found)


def test_where_this_host_was_always_stalled_nothing_is_compared_and_the_text_says_why() -> None:
    figures = Figures()
    for key in (ER, VPN):
        figures.opened(key)
        figures.streams[key].happened([received(0, MS)._replace(noisy=True)])
    found = report(figures, COMPARISON)
    assert [(row["pairs"], row["excluded"]) for row in found["comparisons"]] == [(0, 1)]
    assert "this host was stalled in each of 1 pairs" in text_of(found)


def test_the_report_tells_what_this_host_did_and_what_its_clock_is_worth() -> None:
    figures = Figures()
    assert report(figures)["host"]["loop_lag_ns"] is None
    figures.lagged(MS)
    figures.lagged(4 * MS)
    figures.suspended(60_000 * MS)
    kept = ClockState(synchronised=True, error_ns=0, max_error_ns=5 * MS, tai_offset_s=37)
    assert host_summary(figures.host, clock_state=lambda: kept) == {
        "loop_lag_ns": {"mean": 2_500_000, "max": 4 * MS},
        "stalls": 1,
        "suspensions": 1,
        "suspended_ns": 60_000 * MS,
        "clock": {"synchronised": True, "error_ns": 5 * MS, "synchronised_within_s": 10.0, "tai_offset_s": 37},
    }


def test_one_user_stamp_is_enough_to_say_user() -> None:
    figures = Figures()
    figures.opened(ER)
    by_user = Sample(
        slot=1, sequence=1, sent_at_ns=0, outcome=Outcome.ANSWERED, rtt_ns=MS, timestamps=TimestampSource.USER
    )
    figures.streams[ER].happened([received(0, MS)])
    assert report(figures)["streams"][0]["timestamps"] == "kernel"
    figures.streams[ER].happened([by_user])
    found = report(figures)
    assert (found["streams"][0]["timestamps"], found["streams"][0]["user_timestamps"]) == ("user", 1)
    assert "user (1 of 2)" in text_of(found)


def test_the_service_keeps_the_most_recent_packets_only() -> None:
    figures = Figures(recent=10)
    figures.opened(ER)
    for slot in range(1000):
        figures.streams[ER].happened([received(slot, slot)])
    [stream] = report(figures)["streams"]
    assert stream["received"] == 1000
    assert (stream["rtt_ns"]["min"], stream["rtt_ns"]["max"]) == (990, 999)


def test_paths_are_compared_by_their_pairs() -> None:
    found = report(two_paths(), COMPARISON)
    [comparison] = found["comparisons"]
    assert (comparison["pairs"], comparison["difference_p50_ns"], comparison["faster_share"]) == (9, -10 * MS, 1.0)
    text = text_of(found)
    assert "stamp to hub: expressroute against vpn, 9 pairs" in text
    assert "median difference -10.000 ms" in text
    assert "expressroute was faster in 100.0% of pairs" in text
    assert "not delivered 0.00% against 18.18%" in text
    assert re.search(r"on the way there +0 +1", text)
    assert re.search(r"on the way back +0 +0", text)


def test_a_comparison_without_pairs_says_so() -> None:
    figures = Figures()
    figures.opened(ER)
    figures.opened(VPN)
    found = report(figures, COMPARISON)
    assert "nothing to compare" in text_of(found)


CONNECT = StreamKey(probe="connect", kind="tcp", target="hub", path="vpn")


def test_connections_have_their_failures_and_handshakes_told() -> None:
    figures = Figures(with_samples=True)
    figures.opened(CONNECT)
    failed = Sample(
        slot=3, sequence=3, sent_at_ns=0, outcome=Outcome.FAILED, reason="host_unreachable", offender="10.1.0.254"
    )
    connected = [received(slot, 12 * MS)._replace(handshake_ns=(10 + slot) * MS) for slot in range(2)]
    figures.streams[CONNECT].happened([*connected, lost(2)._replace(reason=RETRANSMITTED), failed])
    [stream] = report(figures)["streams"]
    counted = {key: stream[key] for key in ("sent", "received", "lost", "retransmitted", "failed")}
    assert counted == {"sent": 4, "received": 2, "lost": 1, "retransmitted": 1, "failed": 1}
    assert stream["failed_reasons"] == {"host_unreachable": 1}
    assert (stream["handshake_ns"]["min"], stream["handshake_ns"]["max"]) == (10 * MS, 11 * MS)
    assert stream["samples"][0]["handshake_ns"] == 10 * MS
    assert stream["samples"][2]["reason"] == RETRANSMITTED
    assert (stream["samples"][3]["reason"], stream["samples"][3]["from"]) == ("host_unreachable", "10.1.0.254")
    text = text_of(report(figures))
    for words in ("SYN sent again", "1 (host_unreachable)", "handshake p99, kernel", "11.000 ms"):
        assert words in text


def test_without_connections_nothing_is_said_of_them() -> None:
    found = report(two_paths())
    assert {stream["handshake_ns"] for stream in found["streams"]} == {None}
    text = text_of(found)
    for words in ("SYN", "failed", "handshake"):
        assert words not in text


def test_only_the_most_recent_handshakes_are_kept() -> None:
    figures = Figures(recent=10)
    figures.opened(CONNECT)
    figures.streams[CONNECT].happened([received(slot, MS)._replace(handshake_ns=slot + 1) for slot in range(35)])
    assert list(figures.streams[CONNECT].handshakes_ns) == list(range(26, 36))
