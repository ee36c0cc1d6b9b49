"""Metrics as Prometheus reads them: raw facts, at zero from the start."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from prometheus_client import CollectorRegistry

from agent.metrics.streams import Metrics
from agent.plan import Plan, Probe, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.ancillary import IcmpError
from collectors.errors import REASONS
from collectors.path import NetworkPath, PathKind, Target
from collectors.sample import DirectionalLoss, Outcome, ReceiveDrops, Sample, TimestampSource
from collectors.stamp.sender import StampOptions

MS = 1_000_000
KEY = StreamKey(probe="stamp", kind="stamp", target="hub", path="vpn")
LABELS = {"agent": "dc1", "probe": "stamp", "kind": "stamp", "target": "hub", "path": "vpn"}
VPN = NetworkPath(name="vpn", kind=PathKind.VPN, source=ip_address("10.20.1.10"), rate=650_000_000)
PLAN = Plan(
    agent="dc1",
    listen=SocketAddress(host="127.0.0.1", port=9469),
    probes=(
        Probe(
            name="stamp",
            options=StampOptions(),
            interval_ns=100 * MS,
            timeout_ns=2000 * MS,
            targets=(Target(name="hub", host="10.1.0.4"),),
            paths=(VPN,),
        ),
    ),
    paths={"vpn": VPN},
)


class Counted:
    """Metrics of one stream, and a way to read them back."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.figures = Figures()
        self.figures.opened(KEY)
        Metrics(self.registry, PLAN, self.figures)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"eragent_{name}", LABELS | labels)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def received(number: int, rtt_ns: int, outcome: Outcome = Outcome.ANSWERED) -> Sample:
    return Sample(
        slot=number,
        sequence=number,
        sent_at_ns=0,
        outcome=outcome,
        rtt_ns=rtt_ns,
        timestamps=TimestampSource.KERNEL,
        lateness_ns=60_000,
    )


def test_every_series_is_there_at_zero_from_the_start(counted: Counted) -> None:
    for name in ("sent", "received", "lost", "overlooked", "late", "duplicate", "reordered"):
        assert counted(f"packets_{name}_total") == 0
    for reason in REASONS:
        assert counted("packets_not_sent_total", reason=reason) == 0
    for direction in ("forward", "backward"):
        assert counted("packets_lost_direction_total", direction=direction) == 0
    assert counted("jitter_seconds", direction="round_trip") == 0
    for source in ("kernel", "user"):
        assert counted("timestamps_total", source=source) == 0
    assert counted("receive_drops_total") == counted("samples_noisy_total") == 0
    assert counted("rtt_seconds_count") == 0
    assert (
        counted.registry.get_sample_value(
            "eragent_slots_missed_total", {"agent": "dc1", "probe": "stamp", "target": "hub"}
        )
        == 0
    )


def test_a_received_packet_is_counted_and_its_times_are_observed_in_seconds(counted: Counted) -> None:
    counted.figures.streams[KEY].happened([received(0, 12 * MS), received(1, 15 * MS)])
    assert counted("packets_sent_total") == counted("packets_received_total") == 2
    assert counted("rtt_seconds_sum") == pytest.approx(0.027)
    assert counted("rtt_seconds_bucket", le="0.0125") == 1
    assert counted("ipdv_seconds_sum") == pytest.approx(0.003)
    assert counted("jitter_seconds", direction="round_trip") == pytest.approx(0.003 / 16)
    assert counted("send_lateness_seconds_count") == 2
    assert counted("timestamps_total", source="kernel") == 2


def test_jitter_of_a_direction_is_there_only_where_the_reflector_stamps(counted: Counted) -> None:
    counted.figures.streams[KEY].happened([received(0, 12 * MS), received(1, 15 * MS)])
    assert counted("jitter_seconds", direction="forward") is None
    stamped = [received(number, 12 * MS)._replace(forward_ns=number * MS, backward_ns=0) for number in (2, 3)]
    counted.figures.streams[KEY].happened(stamped)
    assert counted("jitter_seconds", direction="forward") == pytest.approx(0.001 / 16)
    assert counted("jitter_seconds", direction="backward") == 0


def test_the_ttl_of_the_latest_answer_is_there_once_one_told_it(counted: Counted) -> None:
    assert counted("answer_ttl") is None
    counted.figures.streams[KEY].happened([received(0, MS)._replace(ttl=57), received(1, MS)._replace(ttl=55)])
    assert counted("answer_ttl") == 55
    late = Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.LATE, rtt_ns=MS, ttl=60)
    counted.figures.streams[KEY].happened([received(2, MS), late])
    assert counted("answer_ttl") == 55


def test_own_loss_is_none_of_the_paths(counted: Counted) -> None:
    overlooked = Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.OVERLOOKED)
    counted.figures.streams[KEY].happened([ReceiveDrops(count=2), overlooked])
    assert counted("receive_drops_total") == 2
    assert counted("packets_overlooked_total") == counted("packets_sent_total") == 1
    assert counted("packets_lost_total") == 0


def test_noisy_samples_are_counted_whatever_became_of_their_packets(counted: Counted) -> None:
    lost = Sample(slot=1, sequence=1, sent_at_ns=0, outcome=Outcome.LOST, noisy=True)
    counted.figures.streams[KEY].happened([received(0, MS)._replace(noisy=True), lost, received(2, MS)])
    assert counted("samples_noisy_total") == 2


def test_a_lost_packet_was_sent(counted: Counted) -> None:
    counted.figures.streams[KEY].happened([Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.LOST)])
    assert (counted("packets_sent_total"), counted("packets_lost_total"), counted("packets_received_total")) == (
        1,
        1,
        0,
    )


def test_a_refused_packet_is_no_loss(counted: Counted) -> None:
    refused = Sample(slot=0, sequence=None, sent_at_ns=0, outcome=Outcome.NOT_SENT, reason="permission")
    counted.figures.streams[KEY].happened([refused])
    assert counted("packets_not_sent_total", reason="permission") == 1
    assert (counted("packets_sent_total"), counted("packets_lost_total")) == (0, 0)


def test_directions_further_answers_and_icmp_errors_have_counters_of_their_own(counted: Counted) -> None:
    counted.figures.streams[KEY].happened(
        [
            received(1, MS),
            received(0, MS, Outcome.REORDERED),
            Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.LATE, rtt_ns=MS),
            Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.DUPLICATE, rtt_ns=MS),
            DirectionalLoss(sequence=9, forward=2, backward=1),
            IcmpError(113, 3, 1, 0, "192.168.11.18"),
        ]
    )
    assert (counted("packets_received_total"), counted("packets_reordered_total")) == (2, 1)
    assert (counted("packets_late_total"), counted("packets_duplicate_total")) == (1, 1)
    assert counted("packets_lost_direction_total", direction="forward") == 2
    assert counted("packets_lost_direction_total", direction="backward") == 1
    assert counted("icmp_errors_total") == 1


def test_no_variation_is_observed_across_a_loss(counted: Counted) -> None:
    counted.figures.streams[KEY].happened([received(0, 12 * MS), received(2, 15 * MS)])
    assert counted("ipdv_seconds_count") == 0


def test_missed_slots_and_names_that_do_not_resolve_are_visible(counted: Counted) -> None:
    counted.figures.slots_missed("stamp", "hub", 3)
    labels = {"agent": "dc1", "probe": "stamp", "target": "hub"}
    assert counted.registry.get_sample_value("eragent_slots_missed_total", labels) == 3
    counted.figures.resolved(KEY, "10.1.0.4")
    assert counted("target_resolved") == 1
    counted.figures.resolved(KEY, None)
    assert counted("target_resolved") == 0


def test_paths_are_described(counted: Counted) -> None:
    labels = {"agent": "dc1", "path": "vpn", "kind": "vpn", "source": "10.20.1.10", "interface": ""}
    assert counted.registry.get_sample_value("eragent_path_info", labels) == 1
    purchased = counted.registry.get_sample_value(
        "eragent_path_purchased_bytes_per_second", {"agent": "dc1", "path": "vpn"}
    )
    assert purchased == 81_250_000
