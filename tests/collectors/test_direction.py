"""The counts by direction are those of a simulated network that knows what it did."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from collectors.direction import DirectionAccount
from collectors.sample import DirectionalLoss


def told(account: DirectionAccount, losses: list[DirectionalLoss | None]) -> tuple[int, int]:
    found = [loss for loss in losses if loss is not None]
    return sum(loss.forward for loss in found), sum(loss.backward for loss in found)


def feed(answers: list[tuple[int, int]]) -> tuple[DirectionAccount, list[DirectionalLoss | None]]:
    """Give answers as (our number, the reflector's); everything up to each is settled at once."""
    account = DirectionAccount()
    losses = []
    for sequence, reflected in answers:
        account.answered(sequence, reflected)
        losses.append(account.settled(sequence + 1))
    return account, losses


def test_a_gap_in_our_numbers_alone_is_a_loss_on_the_way_there() -> None:
    account, losses = feed([(0, 0), (2, 1)])
    assert told(account, losses) == (1, 0)


def test_a_gap_in_both_numbers_is_a_loss_on_the_way_back() -> None:
    account, losses = feed([(0, 0), (2, 1), (4, 3)])
    assert told(account, losses) == (1, 1)


def test_nothing_is_told_of_a_reflector_that_copies_our_numbers() -> None:
    account, losses = feed([(0, 0), (2, 2), (9, 9)])
    assert not account.stateful
    assert told(account, losses) == (0, 0)


def test_losses_before_a_reflector_proved_stateful_are_told_afterwards() -> None:
    account, losses = feed([(0, 0), (2, 2), (4, 3)])
    assert told(account, losses) == (1, 1)


def test_an_answer_that_this_host_dropped_was_lost_on_neither_way() -> None:
    account, _ = feed([(0, 0), (2, 1)])
    for sequence in (3, 5):
        account.overlooked(sequence)
    account.answered(7, 6)  # of 3 to 6 the reflector saw all
    loss = account.settled(8)
    assert told(account, [loss]) == (0, 2)


def test_a_packet_that_was_turned_down_on_its_way_is_lost_on_neither_way() -> None:
    account, _ = feed([(0, 0), (2, 1)])
    for sequence in (3, 5):
        account.failed(sequence)
        account.settled(sequence + 1)  # as long as nothing is answered
    account.answered(7, 3)  # of 3 to 6 the reflector saw one
    loss = account.settled(8)
    assert told(account, [loss]) == (1, 1)


def test_packets_turned_down_before_the_first_answer_are_beside_the_point() -> None:
    account = DirectionAccount()
    for sequence in range(4):
        account.failed(sequence)
        account.settled(sequence + 1)
    losses = []
    for sequence, reflected in ((4, 0), (6, 1), (8, 3)):
        account.answered(sequence, reflected)
        losses.append(account.settled(sequence + 1))
    assert told(account, losses) == (1, 1)


def test_a_copy_of_an_answer_takes_nothing_from_what_lies_behind_it() -> None:
    account, _ = feed([(0, 0), (2, 1)])
    account.failed(3)
    account.settled(4)
    account.answered(2, 2)  # the packet came twice
    account.settled(4)
    account.answered(4, 3)
    assert told(account, [account.settled(5)]) == (0, 0)


def test_losses_before_the_first_answer_are_not_told() -> None:
    account, losses = feed([(5, 2), (6, 3)])
    assert account.stateful
    assert told(account, losses) == (0, 0)


def test_a_restarted_reflector_begins_a_new_count() -> None:
    before = [(number, number - 1) for number in range(1, 200)]
    account, losses = feed([*before, (210, 0), (212, 1)])
    assert told(account, losses) == (1, 0)
    assert account.restarts == 1


def test_a_number_that_comes_a_second_time_for_another_packet_shows_an_early_restart() -> None:
    account, losses = feed([(0, 0), (2, 1), (3, 2), (4, 0), (5, 1), (7, 2)])
    assert told(account, losses) == (2, 0)
    assert account.restarts == 1


def test_packets_that_overtake_each_other_or_come_twice_are_no_restart() -> None:
    account, _ = feed([(0, 0), (1, 2), (2, 1), (3, 3), (3, 4), (4, 5), (4, 5)])
    assert account.restarts == 0


def test_a_reflector_that_counts_backwards_attributes_no_loss_that_never_was() -> None:
    account, losses = feed([(number, 1000 - number) for number in range(500)])
    assert told(account, losses) == (0, 0)


def test_a_copy_made_on_the_way_there_is_not_a_loss() -> None:
    account = DirectionAccount()
    losses = []
    for sequence, reflected in [(0, 0), (2, 1), (2, 2), (3, 3)]:
        account.answered(sequence, reflected)
        losses.append(account.settled(sequence + 1))
    assert told(account, losses) == (1, 0)


def test_a_copy_made_on_the_way_back_is_not_a_loss() -> None:
    account, losses = feed([(0, 0), (2, 1), (2, 1), (3, 2)])
    assert told(account, losses) == (1, 0)


def test_numbers_that_go_on_beyond_32_bits_are_no_restart() -> None:
    numbers = [2**32 - 3 + step for step in (0, 1, 2, 3, 4, 6)]
    account, losses = feed([(step, number % 2**32) for step, number in zip((0, 1, 2, 3, 4, 6), numbers, strict=True)])
    assert (account.restarts, told(account, losses)) == (0, (0, 1))


def test_a_copied_number_beyond_32_bits_is_still_a_copy() -> None:
    account, _ = feed([(number, number % 2**32) for number in range(2**32 - 3, 2**32 + 3)])
    assert (account.stateful, account.restarts) == (False, 0)


def test_a_reflector_that_had_counted_far_restarts_too() -> None:
    for base in (1000, 3_000_000_000):
        before = [(number, base + number) for number in range(200)]
        account, losses = feed([*before, (200, 0), (201, 1), (203, 3)])
        assert (account.restarts, told(account, losses)) == (1, (0, 1))


def test_a_number_that_runs_ahead_of_ours_shows_that_another_reflector_has_taken_over() -> None:
    account, losses = feed([*((number, number) for number in range(10)), (10, 5000), (12, 5001)])
    assert (account.restarts, told(account, losses)) == (1, (1, 0))


def test_a_long_outage_on_the_way_back_is_no_restart() -> None:
    account, losses = feed([(0, 1), (1, 2), (10_001, 10_002)])
    assert (account.restarts, told(account, losses)) == (0, (0, 9_999))


def test_a_copy_that_comes_long_after_hides_no_loss() -> None:
    before = [(number, number + 5) for number in range(300)]
    for late_copy, number in ((55, 305), (305, 306)):  # copied on the way back, and on the way there
        account, losses = feed([*before, (50, late_copy), (301, number), (303, number + 2)])
        assert told(account, losses) == (1, 1)


def test_a_copy_from_before_a_restart_is_not_another_one() -> None:
    before = [(number, number + 500) for number in range(300)]
    account, losses = feed([*before, (300, 0), (250, 750), (301, 1), (303, 2)])
    assert (account.restarts, told(account, losses)) == (1, (1, 0))


@dataclass(frozen=True)
class Network:
    """Loses and reorders at random, in each direction."""

    loss: float
    reorder: int

    def carry(self, packets: list[int], rng: random.Random) -> tuple[list[int], int]:
        survivors = [packet for packet in packets if rng.random() >= self.loss]
        order = sorted(range(len(survivors)), key=lambda place: place + rng.uniform(0, self.reorder))
        return [survivors[place] for place in order], len(packets) - len(survivors)


@given(
    seed=st.integers(0, 2**32),
    there=st.builds(Network, loss=st.floats(0, 0.3), reorder=st.integers(0, 4)),
    back=st.builds(Network, loss=st.floats(0, 0.3), reorder=st.integers(0, 4)),
)
def test_counts_equal_the_networks_own_between_the_first_and_the_last_answer(
    seed: int, there: Network, back: Network
) -> None:
    rng = random.Random(seed)
    sent = 300
    arrived, _ = there.carry(list(range(1, sent - 1)), rng)
    arrived = [0, *arrived, sent - 1]  # both ends are answered, so that every loss lies between two answers
    reflected = {sequence: number for number, sequence in enumerate(arrived)}
    returned, lost_backward = back.carry(list(range(1, len(arrived) - 1)), rng)
    answers = [0, *returned, len(arrived) - 1]
    account = DirectionAccount()
    for number in answers:
        account.answered(arrived[number], reflected[arrived[number]])
    loss = account.settled(sent)
    if len(arrived) < sent:
        assert account.stateful
        assert loss == DirectionalLoss(sequence=sent - 1, forward=sent - len(arrived), backward=lost_backward)
    elif account.stateful:
        assert told(account, [loss]) == (0, lost_backward)
    else:
        assert loss is None
