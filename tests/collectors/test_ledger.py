"""Every attempt is settled exactly once. Time is passed in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from collectors.ancillary import IcmpError
from collectors.exchange import Exchange
from collectors.ledger import Ending, Ledger, Start
from collectors.sample import NOISE_NS, RETRANSMITTED, Outcome, Sample, TimestampSource

MS = 1_000_000
TIMEOUT_NS = 200 * MS
CONNECTED = Ending(outcome=Outcome.ANSWERED, rtt_ns=5 * MS, handshake_ns=4 * MS, timestamps=TimestampSource.USER)


def start(slot: int, monotonic_ns: int = 0) -> Start:
    return Start(slot=slot, wall_ns=slot + 1000, monotonic_ns=monotonic_ns, lateness_ns=7)


def test_an_attempt_that_ended_is_a_sample_of_its_slot() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    assert ledger.ended(ledger.begun(start(3)), CONNECTED) == [
        Sample(
            slot=3,
            sequence=0,
            sent_at_ns=1003,
            outcome=Outcome.ANSWERED,
            rtt_ns=5 * MS,
            handshake_ns=4 * MS,
            timestamps=TimestampSource.USER,
            lateness_ns=7,
        )
    ]


def test_what_does_not_end_in_time_is_lost_after_its_own_timeout_and_not_before() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    for slot in range(2):
        ledger.begun(start(slot, slot * MS))
    assert ledger.next_deadline_ns == TIMEOUT_NS
    assert ledger.expire(TIMEOUT_NS - 1) == []
    [(sequence, sample)] = ledger.expire(TIMEOUT_NS)
    assert (sequence, sample.outcome, sample.rtt_ns, sample.reason) == (0, Outcome.LOST, None, None)
    assert ledger.next_deadline_ns == TIMEOUT_NS + MS


def test_an_answer_that_was_seen_before_the_timer_and_came_after_the_timeout_is_a_loss() -> None:
    ledger = Ledger(timeout_ns=4 * MS)
    [sample] = ledger.ended(ledger.begun(start(0)), CONNECTED)
    assert isinstance(sample, Sample)
    assert (sample.outcome, sample.rtt_ns, sample.timestamps) == (Outcome.LOST, None, None)


def test_what_ended_has_no_second_end() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    sequence = ledger.begun(start(0))
    assert len(ledger.ended(sequence, CONNECTED)) == 1
    assert ledger.ended(sequence, CONNECTED) == []
    assert ledger.expire(10 * TIMEOUT_NS) == []
    assert ledger.next_deadline_ns is None


def test_an_icmp_error_is_told_beside_the_failure_that_it_is_and_by_whom() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    error = IcmpError(113, 3, 1, 0, "192.0.2.254")
    ending = Ending(outcome=Outcome.FAILED, reason="host_unreachable", icmp=error)
    told, sample = ledger.ended(ledger.begun(start(0)), ending)
    assert told is error
    assert isinstance(sample, Sample)
    assert (sample.outcome, sample.reason, sample.offender) == (Outcome.FAILED, "host_unreachable", "192.0.2.254")


def test_the_reason_of_a_loss_is_kept() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    [sample] = ledger.ended(ledger.begun(start(0)), Ending(outcome=Outcome.LOST, reason=RETRANSMITTED))
    assert isinstance(sample, Sample)
    assert (sample.outcome, sample.reason) == (Outcome.LOST, RETRANSMITTED)


def test_what_this_host_did_not_make_takes_no_number() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    refused = ledger.not_begun(start(5), "permission")
    assert (refused.outcome, refused.reason, refused.sequence) == (Outcome.NOT_SENT, "permission", None)
    assert ledger.begun(start(6)) == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), max_size=60))
def test_whatever_happens_each_attempt_is_settled_exactly_once(course: list[tuple[int, int]]) -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    settled: Counter[int | None] = Counter()
    now_ns = 0
    for passes_ms, ends in course:
        now_ns += passes_ms * MS
        ledger.begun(start(0, now_ns))
        for event in [*ledger.ended(ends, CONNECTED), *(sample for _, sample in ledger.expire(now_ns))]:
            assert isinstance(event, Sample)
            settled[event.sequence] += 1
    for _, sample in ledger.expire(now_ns + TIMEOUT_NS):
        settled[sample.sequence] += 1
    assert settled == dict.fromkeys(range(len(course)), 1)


def test_an_attempt_that_began_late_is_noisy() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    late = replace(start(0), lateness_ns=NOISE_NS + 1)
    [sample] = ledger.ended(ledger.begun(late), CONNECTED)
    assert isinstance(sample, Sample)
    assert sample.noisy


def test_an_attempt_is_noisy_of_which_this_program_learned_well_after_the_kernel() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    noisy = []
    for handshake_ns in (MS, 2 * MS):
        ending = Ending(outcome=Outcome.ANSWERED, rtt_ns=2 * MS + 1, handshake_ns=handshake_ns)
        [sample] = ledger.ended(ledger.begun(start(0)), ending)
        assert isinstance(sample, Sample)
        noisy.append(sample.noisy)
    assert noisy == [True, False]


def test_what_a_web_server_takes_beside_its_handshake_is_not_noise() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    ending = Ending(outcome=Outcome.ANSWERED, rtt_ns=40 * MS, handshake_ns=MS, exchange=Exchange())
    [sample] = ledger.ended(ledger.begun(start(0)), ending)
    assert isinstance(sample, Sample)
    assert not sample.noisy


def test_a_stall_makes_noisy_what_was_under_way() -> None:
    ledger = Ledger(timeout_ns=TIMEOUT_NS)
    before = ledger.begun(start(0))
    ledger.disturbed()
    after = ledger.begun(start(1))
    settled = [*ledger.ended(before, CONNECTED), *ledger.ended(after, CONNECTED)]
    assert [sample.noisy for sample in settled if isinstance(sample, Sample)] == [True, False]
