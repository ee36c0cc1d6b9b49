"""What became of an attempt to connect, from what the kernel says of it."""

from __future__ import annotations

import errno

import pytest

from collectors.ancillary import IcmpError
from collectors.handshake import Handshake
from collectors.ledger import Ending
from collectors.sample import RETRANSMITTED, Outcome, TimestampSource
from collectors.tcp.ending import ending_of

MS = 1_000_000
DONE = Handshake(rtt_ns=20 * MS, syn_retransmits=0)
NOTHING = Handshake(rtt_ns=None, syn_retransmits=0)


def ending(
    error: int = 0, handshake: Handshake = DONE, icmp: IcmpError | None = None, *, elapsed_ns: int = 21 * MS
) -> Ending:
    return ending_of(error, handshake, icmp, elapsed_ns=elapsed_ns, timeout_ns=2000 * MS, version=4)


def test_a_connection_is_an_answer_with_the_programs_time_and_the_kernels_beside_it() -> None:
    assert ending() == Ending(
        outcome=Outcome.ANSWERED, rtt_ns=21 * MS, handshake_ns=20 * MS, timestamps=TimestampSource.USER
    )


@pytest.mark.parametrize("error", [errno.ECONNRESET, errno.EPIPE])
def test_a_connection_that_the_far_end_ended_before_anybody_looked_was_one(error: int) -> None:
    assert ending(error).outcome is Outcome.ANSWERED


def test_a_closed_port_is_a_failure_and_no_loss() -> None:
    assert ending(errno.ECONNREFUSED, NOTHING) == Ending(outcome=Outcome.FAILED, reason="refused")


def test_an_unreachable_host_is_a_failure_that_names_who_said_so() -> None:
    error = IcmpError(errno.EHOSTUNREACH, 3, 1, 0, "192.0.2.254")
    assert ending(errno.EHOSTUNREACH, NOTHING, error) == Ending(
        outcome=Outcome.FAILED, reason="host_unreachable", icmp=error
    )


def test_that_the_kernel_gave_up_is_a_loss_like_any_other() -> None:
    assert ending(errno.ETIMEDOUT, NOTHING) == Ending(outcome=Outcome.LOST)


def test_a_connection_by_a_second_syn_is_a_loss_and_its_second_of_waiting_no_round_trip() -> None:
    again = Handshake(rtt_ns=20 * MS, syn_retransmits=1)
    assert ending(handshake=again, elapsed_ns=1041 * MS) == Ending(outcome=Outcome.LOST, reason=RETRANSMITTED)


def test_a_program_that_stood_still_takes_the_kernels_word_for_it_that_the_connection_was_there_in_time() -> None:
    late = ending(elapsed_ns=3000 * MS)
    assert (late.outcome, late.rtt_ns, late.timestamps) == (Outcome.ANSWERED, 20 * MS, TimestampSource.KERNEL)
