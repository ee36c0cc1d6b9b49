"""What an attempt at a web server is to its stream."""

from __future__ import annotations

import pytest

from collectors.ancillary import IcmpError
from collectors.exchange import Exchange, HttpFailure, Phase
from collectors.failure import Failure
from collectors.handshake import Handshake
from collectors.http.ending import ending_of
from collectors.sample import Outcome, TimestampSource

MS = 1_000_000
WHOLE = Exchange(total_ns=30 * MS, stamped=True, handshake=Handshake(rtt_ns=10 * MS, syn_retransmits=1), status=200)


def test_an_expected_answer_is_measured_as_a_whole_also_where_a_syn_was_sent_again() -> None:
    ending = ending_of(WHOLE)
    assert (ending.outcome, ending.rtt_ns, ending.handshake_ns) == (Outcome.ANSWERED, 30 * MS, 10 * MS)
    assert (ending.timestamps, ending.exchange) == (TimestampSource.USER, WHOLE)


def test_an_answer_that_does_not_begin_in_time_is_lost() -> None:
    ending = ending_of(Exchange(failure=HttpFailure.TIMED_OUT, phase=Phase.CONNECT))
    assert (ending.outcome, ending.reason) == (Outcome.LOST, None)


@pytest.mark.parametrize(
    "failure", [Failure.REFUSED, *(failure for failure in HttpFailure if failure is not HttpFailure.TIMED_OUT)]
)
def test_all_else_is_a_failure_with_its_reason(failure: Failure | HttpFailure) -> None:
    icmp = IcmpError(errno=111, type=3, code=3, info=0, offender="10.0.0.1")
    ending = ending_of(Exchange(failure=failure, icmp=icmp))
    assert (ending.outcome, ending.reason, ending.icmp) == (Outcome.FAILED, failure, icmp)
