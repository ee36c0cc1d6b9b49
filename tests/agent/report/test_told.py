"""What became of each packet, told to who asks why a probe failed."""

from __future__ import annotations

from agent.report.figures import Figures
from agent.report.told import told
from agent.sink import StreamKey
from collectors.exchange import Exchange, HttpFailure, Phase
from collectors.peer import RejectedAnswer, Rejection
from collectors.sample import Outcome, Sample, TimestampSource

MS = 1_000_000
SENT = Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.LOST)


def lines(*events: Sample | RejectedAnswer, kind: str = "stamp") -> list[str]:
    figures = Figures(with_samples=True)
    figures.opened(StreamKey(probe="p", kind=kind, target="hub", path="vpn"))(list(events))
    return list(told(figures))


def test_each_packet_has_a_line_with_what_is_known_of_it() -> None:
    answered = SENT._replace(
        slot=1, sequence=1, outcome=Outcome.ANSWERED, rtt_ns=12 * MS, timestamps=TimestampSource.KERNEL
    )
    refused = SENT._replace(slot=2, sequence=None, outcome=Outcome.NOT_SENT, reason="permission")
    assert lines(SENT, answered, refused) == [
        "path vpn, packet 0: lost",
        "path vpn, packet 1: answered, 12.000 ms, times of the kernel",
        "path vpn, packet 2: not_sent, permission",
    ]


def test_an_attempt_at_a_web_server_has_its_status_and_phases() -> None:
    exchange = Exchange(status=503, failure=HttpFailure.STATUS, phases={Phase.CONNECT: 2 * MS, Phase.FIRST_BYTE: MS})
    failed = SENT._replace(outcome=Outcome.FAILED, reason="status", exchange=exchange)
    assert lines(failed, kind="http") == [
        "path vpn, packet 0: failed, status, status 503, connect 2.000 ms, first_byte 1.000 ms"
    ]


def test_datagrams_that_were_no_answers_are_told_by_who_sent_them() -> None:
    forged = RejectedAnswer(reason=Rejection.MALFORMED, source="192.0.2.1")
    assert lines(forged, forged) == ["path vpn: 2 datagrams from 192.0.2.1 were no answers: malformed"]
