"""Metrics of probes of web servers, as Prometheus reads them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from agent.metrics.streams import Metrics
from agent.plan import Plan, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.exchange import Certificate, Exchange, HttpFailure, Phase
from collectors.handshake import Handshake
from collectors.sample import Outcome, Sample, TimestampSource

MS = 1_000_000
WEB = StreamKey(probe="front-door", kind="http", target="m365", path="vpn")
PING = StreamKey(probe="ping", kind="icmp", target="m365", path="vpn")
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
ANSWER = Exchange(
    phases={Phase.CONNECT: 20 * MS, Phase.TLS: 45 * MS, Phase.FIRST_BYTE: 25 * MS, Phase.TRANSFER: 0},
    total_ns=90 * MS,
    status=200,
    http_version="1.1",
    received=1000,
    redirects=1,
    stamped=True,
    handshake=Handshake(rtt_ns=19 * MS, syn_retransmits=1),
    tls_version="TLSv1.3",
    certificate=Certificate(not_before=ENDS, not_after=ENDS),
    verified=True,
)


class Counted:
    """Metrics of a stream of each of two kinds, and a way to read them back."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.figures = Figures()
        for key in (WEB, PING):
            self.figures.opened(key)
        Metrics(self.registry, Plan(agent="dc1", listen=SocketAddress(host="127.0.0.1", port=9469)), self.figures)

    def take(self, exchange: Exchange, outcome: Outcome = Outcome.ANSWERED) -> None:
        sample = Sample(
            slot=0,
            sequence=0,
            sent_at_ns=0,
            outcome=outcome,
            rtt_ns=exchange.total_ns,
            timestamps=TimestampSource.USER,
            reason=exchange.failure,
            exchange=exchange,
        )
        self.figures.streams[WEB].happened([sample])

    def __call__(self, name: str, key: StreamKey = WEB, **labels: str) -> float | None:
        stream = {"agent": "dc1", "probe": key.probe, "kind": key.kind, "target": key.target, "path": key.path}
        return self.registry.get_sample_value(f"eragent_{name}", stream | labels)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_every_series_is_there_at_zero_from_the_start_for_web_servers_alone(counted: Counted) -> None:
    for phase in Phase:
        assert counted("http_phase_seconds_count", phase=phase) == 0
        assert counted("http_phase_seconds_count", PING, phase=phase) is None
        assert counted("http_out_of_time_total", phase=phase) == 0
    for name in ("received_bytes", "redirects", "syn_retransmits"):
        assert (counted(f"http_{name}_total"), counted(f"http_{name}_total", PING)) == (0, None)
    for reason in HttpFailure:
        wanted = None if reason is HttpFailure.TIMED_OUT else 0
        assert counted("packets_failed_total", reason=reason) == wanted
    assert counted("packets_failed_total", reason="refused") == 0
    assert counted("packets_retransmitted_total") is None


def test_an_answer_is_counted_by_all_that_it_tells(counted: Counted) -> None:
    counted.take(ANSWER)
    assert counted("rtt_seconds_sum") == pytest.approx(0.09)
    assert counted("http_phase_seconds_sum", phase="tls") == pytest.approx(0.045)
    assert counted("http_phase_seconds_count", phase="dns") == 0
    assert counted("http_responses_total", status="200") == 1
    assert counted("http_first_byte_timestamps_total", source="kernel") == 1
    assert counted("http_received_bytes_total") == 1000
    assert counted("http_redirects_total") == 1
    assert counted("http_syn_retransmits_total") == 1
    assert counted("http_info", http_version="1.1", tls_version="TLSv1.3", verified="yes") == 1
    assert counted("http_certificate_not_after_timestamp_seconds") == ENDS.timestamp()


def test_a_timeout_is_counted_by_its_phase_and_a_failure_by_its_reason(counted: Counted) -> None:
    counted.take(Exchange(failure=HttpFailure.TIMED_OUT, phase=Phase.TLS), Outcome.LOST)
    counted.take(Exchange(failure=HttpFailure.NEVER_ENDS, phase=Phase.TRANSFER, status=200), Outcome.FAILED)
    counted.take(Exchange(failure=HttpFailure.TLS_EXPIRED, phase=Phase.TLS), Outcome.FAILED)
    assert counted("http_out_of_time_total", phase="tls") == 1
    assert counted("http_out_of_time_total", phase="transfer") == 1
    assert counted("packets_lost_total") == 1
    assert counted("packets_failed_total", reason="never_ends") == 1
    assert counted("packets_failed_total", reason="tls_expired") == 1


def test_a_certificate_stays_known_while_attempts_fail_by_it(counted: Counted) -> None:
    counted.take(ANSWER)
    counted.take(Exchange(failure=HttpFailure.TLS_EXPIRED, phase=Phase.TLS), Outcome.FAILED)
    assert counted("http_certificate_not_after_timestamp_seconds") == ENDS.timestamp()
    assert counted("http_info", http_version="1.1", tls_version="TLSv1.3", verified="yes") == 1
