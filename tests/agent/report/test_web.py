"""What the report tells of web servers, as JSON and as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from agent.report.figures import Figures
from agent.report.summary import summary
from agent.report.text import streams_table
from agent.sink import StreamKey
from collectors.exchange import Certificate, Exchange, HttpFailure, Phase
from collectors.sample import Outcome, Sample, TimestampSource

MS = 1_000_000
DAY_NS = 86_400_000_000_000
WEB = StreamKey(probe="front-door", kind="http", target="m365", path="vpn")
PING = StreamKey(probe="ping", kind="icmp", target="m365", path="vpn")
ANSWER = Exchange(
    address="192.0.2.1",
    phases={Phase.CONNECT: 20 * MS, Phase.TLS: 45 * MS, Phase.FIRST_BYTE: 25 * MS, Phase.TRANSFER: 0},
    total_ns=90 * MS,
    status=200,
    http_version="1.1",
    stamped=True,
    tls_version="TLSv1.3",
    certificate=Certificate(
        not_before=datetime.fromtimestamp(0, UTC), not_after=datetime.fromtimestamp(30 * 86_400, UTC)
    ),
    verified=False,
)
EXPIRED = Exchange(failure=HttpFailure.TLS_EXPIRED, phase=Phase.TLS, detail="the server's certificate: has expired")


def sample(slot: int, exchange: Exchange, outcome: Outcome = Outcome.ANSWERED) -> Sample:
    return Sample(
        slot=slot,
        sequence=slot,
        sent_at_ns=2 * DAY_NS,
        outcome=outcome,
        rtt_ns=exchange.total_ns,
        timestamps=TimestampSource.USER,
        reason=exchange.failure,
        exchange=exchange,
    )


def told(*samples: Sample, recent: int | None = None) -> dict[str, Any]:
    figures = Figures(recent=recent, with_samples=True)
    for key in (WEB, PING):
        figures.opened(key)
    figures.streams[WEB].happened(samples)
    return summary(figures, started_at=datetime.fromtimestamp(0, UTC))


def text_of(report: dict[str, Any]) -> str:
    console = Console(width=140)
    with console.capture() as capture:
        console.print(streams_table(report))
    return capture.get()


def test_the_report_has_phases_answers_certificate_and_the_latest_failure() -> None:
    report = told(sample(0, ANSWER), sample(1, EXPIRED, Outcome.FAILED))
    web, ping = report["streams"]
    assert ping["http"] is None
    http = web["http"]
    assert http["phases_ns"]["tls"]["p50"] == 45 * MS
    assert http["phases_ns"]["dns"] is None
    assert http["responses"] == {"200": 1}
    assert http["first_byte_timestamps"] == {"kernel": 1, "user": 0}
    assert (http["http_version"], http["tls_version"], http["verified"]) == ("1.1", "TLSv1.3", False)
    assert http["certificate"] == {"not_after": "1970-01-31T00:00:00Z", "days_left": 28.0}
    assert http["latest_failure"] == {"reason": "tls_expired", "phase": "tls", "detail": EXPIRED.detail}


def test_each_sample_has_its_own_phases_or_its_failure() -> None:
    first, second = told(sample(0, ANSWER), sample(1, EXPIRED, Outcome.FAILED))["streams"][0]["samples"]
    assert first["http"]["phases_ns"] == {"connect": 20 * MS, "tls": 45 * MS, "first_byte": 25 * MS, "transfer": 0}
    assert (first["http"]["status"], first["http"]["address"]) == (200, "192.0.2.1")
    assert (second["reason"], second["http"]["phase"]) == ("tls_expired", "tls")
    assert second["http"]["detail"] == EXPIRED.detail


def test_the_table_tells_it_in_words() -> None:
    text = text_of(told(sample(0, ANSWER), sample(1, EXPIRED, Outcome.FAILED)))
    for words in (
        "TLS p50",
        "45.000 ms",
        "1 x 200",
        "HTTP/1.1, TLSv1.3",
        "until 1970-01-31, 28 days",
        "not verified",
        "latest failure",
        "has expired",
        "kernel (1)",
    ):
        assert words in text
    assert "DNS" not in text


def test_without_web_servers_nothing_is_said_of_them() -> None:
    text = text_of(told())
    for words in ("TLS", "status", "certificate", "first byte", "failure"):
        assert words not in text


def test_only_the_most_recent_phases_are_kept() -> None:
    exchanges = [Exchange(phases={Phase.CONNECT: slot}, total_ns=slot, status=200) for slot in range(35)]
    report = told(*(sample(slot, exchange) for slot, exchange in enumerate(exchanges)), recent=10)
    connect = report["streams"][0]["http"]["phases_ns"]["connect"]
    assert (connect["min"], connect["max"]) == (25, 34)
