"""Metrics of what was turned down, and of probes that make connections, as Prometheus reads them."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from agent.metrics.streams import Metrics
from agent.plan import Plan, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.failure import Failure
from collectors.sample import RETRANSMITTED, Outcome, Sample, TimestampSource

MS = 1_000_000
CONNECT = StreamKey(probe="connect", kind="tcp", target="hub", path="vpn")
PING = StreamKey(probe="ping", kind="icmp", target="hub", path="vpn")


class Counted:
    """Metrics of a stream of each of two kinds, and a way to read them back."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.figures = Figures()
        for key in (CONNECT, PING):
            self.figures.opened(key)
        Metrics(self.registry, Plan(agent="dc1", listen=SocketAddress(host="127.0.0.1", port=9469)), self.figures)

    def __call__(self, name: str, key: StreamKey = CONNECT, **labels: str) -> float | None:
        stream = {"agent": "dc1", "probe": key.probe, "kind": key.kind, "target": key.target, "path": key.path}
        return self.registry.get_sample_value(f"eragent_{name}", stream | labels)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def settled(outcome: Outcome, reason: str | None = None) -> Sample:
    return Sample(slot=0, sequence=0, sent_at_ns=0, outcome=outcome, reason=reason)


def test_every_series_is_there_at_zero_from_the_start_for_the_kinds_that_can_have_it(counted: Counted) -> None:
    for reason in Failure:
        assert counted("packets_failed_total", reason=reason) == 0
        assert counted("packets_failed_total", PING, reason=reason) == (None if reason is Failure.REFUSED else 0)
    for name in ("packets_retransmitted_total", "tcp_handshake_seconds_count"):
        assert (counted(name), counted(name, PING)) == (0, None)


def test_a_refused_connection_is_a_failure_and_neither_a_loss_nor_unsent(counted: Counted) -> None:
    counted.figures.streams[CONNECT].happened([settled(Outcome.FAILED, "refused")])
    assert counted("packets_failed_total", reason="refused") == 1
    assert (counted("packets_sent_total"), counted("packets_lost_total")) == (1, 0)
    assert counted("packets_not_sent_total", reason="port_unreachable") == 0


def test_a_syn_that_was_sent_again_is_a_loss_with_a_counter_of_its_own(counted: Counted) -> None:
    counted.figures.streams[CONNECT].happened([settled(Outcome.LOST), settled(Outcome.LOST, RETRANSMITTED)])
    assert (counted("packets_lost_total"), counted("packets_retransmitted_total")) == (2, 1)
    assert counted("rtt_seconds_count") == 0


def test_the_kernels_time_of_a_handshake_is_observed_beside_the_programs(counted: Counted) -> None:
    connected = Sample(
        slot=0,
        sequence=0,
        sent_at_ns=0,
        outcome=Outcome.ANSWERED,
        rtt_ns=12 * MS,
        handshake_ns=10 * MS,
        timestamps=TimestampSource.USER,
    )
    counted.figures.streams[CONNECT].happened([connected])
    assert counted("rtt_seconds_sum") == pytest.approx(0.012)
    assert counted("tcp_handshake_seconds_sum") == pytest.approx(0.010)
    assert counted("timestamps_total", source="user") == 1
