import numpy as np
import pytest

from agent.columns import OUTCOMES, UNKNOWN, Columns
from collectors.sample import Outcome


def columns(*outcomes: Outcome) -> Columns:
    count = len(outcomes)
    times = np.full(count, UNKNOWN)
    return Columns(
        slot=np.arange(count),
        sent_at_ns=np.arange(count) * 1_000_000_000,
        rtt_ns=times,
        forward_ns=times,
        backward_ns=times,
        outcome=np.array([OUTCOMES.index(outcome) for outcome in outcomes], dtype=np.uint8),
        noisy=np.zeros(count, dtype=np.bool_),
    )


def test_reordered_packets_are_received_and_lost_ones_are_not() -> None:
    taken = columns(Outcome.ANSWERED, Outcome.LOST, Outcome.REORDERED, Outcome.NOT_SENT)

    assert taken.received.tolist() == [True, False, True, False]


def test_a_mask_chooses_the_same_packets_of_every_column() -> None:
    taken = columns(Outcome.ANSWERED, Outcome.LOST, Outcome.REORDERED)

    chosen = taken.where(taken.received)

    assert chosen.slot.tolist() == [0, 2]
    assert len(chosen) == 2
    assert chosen.sent_at_ns.tolist() == [0, 2_000_000_000]


def test_columns_of_different_lengths_are_refused() -> None:
    one = columns(Outcome.LOST)

    with pytest.raises(ValueError, match=r"different lengths: \[1, 2\]"):
        Columns(
            slot=np.arange(2),
            sent_at_ns=one.sent_at_ns,
            rtt_ns=one.rtt_ns,
            forward_ns=one.forward_ns,
            backward_ns=one.backward_ns,
            outcome=one.outcome,
            noisy=one.noisy,
        )


def test_late_answers_and_duplicates_settle_nothing_and_have_no_number() -> None:
    assert Outcome.LATE not in OUTCOMES
    assert Outcome.DUPLICATE not in OUTCOMES
