"""The continuous verdict: by packets, and by what its error rate rests on."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping

import pytest

from agent.compare.continuous import ContinuousComparison, _place, _quantile
from agent.compare.judge import BOUND, WINDOW, Judge
from agent.compare.margins import Verdict
from collectors.sample import Outcome, Sample
from tests.agent.compare.streams import MS, S

PER_BLOCK = 600


def judged(differences: list[float], margin: float = 0) -> list[Verdict]:
    judge = Judge(margin)
    found = []
    for difference in differences:
        judge.take(difference)
        found.append(judge.verdict)
    return found


def sample(slot: int, rtt_ms: float | None, *, outcome: Outcome | None = None, noisy: bool = False) -> Sample:
    return Sample(
        slot=slot,
        sequence=slot,
        sent_at_ns=slot * S,
        outcome=outcome or (Outcome.LOST if rtt_ms is None else Outcome.ANSWERED),
        rtt_ns=None if rtt_ms is None else round(rtt_ms * MS),
        noisy=noisy,
    )


def comparison(margin_ms: float = 0.5) -> ContinuousComparison:
    return ContinuousComparison(interval_ns=S, timeout_ns=2 * S, margin_ns=round(margin_ms * MS))


def fed(blocks: int, *, slower_ms: float = 0.0, lost: float = 0.0, seed: int = 1) -> ContinuousComparison:
    rng = random.Random(seed)
    found = comparison()
    for slot in range(blocks * PER_BLOCK + 10):
        found.take(0, sample(slot, 5 + rng.random()))
        found.take(1, sample(slot, None if rng.random() < lost else 5 + slower_ms + rng.random()))
    return found


def test_a_day_of_coin_flips_decides_nothing() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        assert set(judged([rng.gauss(0, 1) for _ in range(600)])) == {Verdict.INSUFFICIENT}


def test_a_candidate_that_is_always_slower_is_worse_after_four_hours() -> None:
    found = judged([1.0] * 30)
    assert found.index(Verdict.WORSE) == 24
    assert judged([-1.0] * 30)[-1] is Verdict.BETTER


def test_differences_within_the_margin_are_the_same_and_beyond_it_are_not() -> None:
    assert judged([0.5] * 30, margin=1)[-1] is Verdict.SAME
    assert judged([1.5] * 30, margin=1)[-1] is Verdict.WORSE


def test_identical_paths_are_the_same_even_without_a_margin() -> None:
    assert judged([0.0] * 30)[-1] is Verdict.SAME


def test_blocks_that_are_alike_count_for_less() -> None:
    # 110 of 144 beyond: 6.3 standard deviations of independent blocks, but here they come in stretches of hours.
    scattered = [1.0, 1.0, 1.0, -1.0] * 36
    in_stretches = ([1.0] * 27 + [-1.0] * 9) * 4
    assert sum(scattered) == sum(in_stretches)
    assert Verdict.WORSE in judged(scattered)
    assert judged([-1.0, 1.0] * 30 + in_stretches)[-1] is Verdict.INSUFFICIENT


def test_a_verdict_stays_while_the_evidence_only_weakens() -> None:
    weaker = [1.0] * 30 + [-1.0, 1.0] * 30
    assert judged(weaker)[-1] is Verdict.WORSE
    assert judged(weaker + [-1.0] * 60)[-1] is not Verdict.WORSE
    assert judged([1.0] * 30 + [-1.0] * (2 * WINDOW))[-1] is Verdict.BETTER


def test_the_bound_is_that_of_thirty_days_of_looks() -> None:
    looks = 30 * 144 * 2 * 3
    normal_tail = 1.3e-6
    assert BOUND == 4.7
    assert looks * normal_tail < 0.05


@pytest.mark.parametrize("delay_ns", [0, 1, 255, 511, 512, 100_000, 12_345_678, 60 * S])
def test_a_delay_is_kept_to_a_256th(delay_ns: int) -> None:
    assert _quantile([(_place(delay_ns), 1)], 1) == pytest.approx(delay_ns, rel=1 / 256)


def test_places_ascend_with_delays() -> None:
    places = [_place(delay) for delay in range(0, 5000, 3)]
    assert places == sorted(places)


def test_packets_become_blocks_and_blocks_a_verdict() -> None:
    assert fed(26, slower_ms=2).verdict is Verdict.WORSE
    same = fed(26)
    assert same.verdict is Verdict.SAME
    assert same.pairs == 26 * PER_BLOCK + 10
    assert abs(same.differences["rtt_p99"]) < 0.1 * MS


def test_a_candidate_that_loses_is_worse_although_its_delays_are_the_same() -> None:
    found = fed(26, lost=0.02)
    assert found.judges["rtt_p99"].verdict is Verdict.SAME
    assert found.verdict is Verdict.WORSE
    assert found.differences["loss"] == pytest.approx(0.02, abs=0.01)


def test_a_candidate_whose_packets_fail_is_worse_and_their_times_are_no_delays() -> None:
    found = comparison()
    for slot in range(26 * PER_BLOCK + 10):
        found.take(0, sample(slot, 5.0))
        found.take(1, sample(slot, 900.0, outcome=Outcome.FAILED) if slot % 20 == 0 else sample(slot, 5.0))
    assert found.verdict is Verdict.WORSE
    assert found.differences == {
        "loss": pytest.approx(0.05),
        "rtt_p99": pytest.approx(0, abs=5 * MS / 256),
        "rtt_p99_p50": pytest.approx(0, abs=5 * MS / 256),
    }


def test_one_block_shows_its_difference_and_no_verdict() -> None:
    found = fed(1, slower_ms=2)
    assert found.differences["rtt_p99"] == pytest.approx(2 * MS, rel=0.05)
    assert found.verdict is Verdict.INSUFFICIENT


def test_a_path_without_answers_has_no_difference_of_delays() -> None:
    assert set(fed(2, lost=1.0).differences) == {"loss"}


def test_pairs_that_say_nothing_are_left_out_and_counted() -> None:
    found = comparison()
    for slot, theirs in enumerate(
        (
            sample(0, 5.0),
            sample(1, 5.0, noisy=True),
            sample(2, None, outcome=Outcome.OVERLOOKED),
            sample(3, None, outcome=Outcome.NOT_SENT),
        )
    ):
        found.take(1, theirs)
        found.take(0, sample(slot, 5.0))
    assert found.pairs == 1
    assert found.excluded == {"unpaired": 0, "noisy": 1, "overlooked": 1, "not_sent": 1}


def test_what_an_earlier_run_judged_is_gone_on_from_and_comes_too_late_behind_a_block_of_this_one() -> None:
    kept: list[Mapping[str, float]] = []
    earlier = ContinuousComparison(interval_ns=S, timeout_ns=2 * S, margin_ns=0, keep=kept.append)
    for slot in range(30 * PER_BLOCK + 10):
        earlier.take(0, sample(slot, 5.0))
        earlier.take(1, sample(slot, 7.0))
    assert len(kept) == 30
    later = comparison()
    later.go_on(kept)
    assert (later.verdict, later.differences) == (Verdict.WORSE, earlier.differences)
    running = fed(1)
    running.go_on(kept)
    assert running.verdict is Verdict.INSUFFICIENT


def test_a_packet_whose_other_one_never_comes_is_given_up() -> None:
    found = comparison()
    for slot in range(10_000):
        found.take(0, sample(slot, 5.0))
    assert found.excluded["unpaired"] == 10_000 - 8192


def test_of_a_fast_probe_every_few_slots_are_enough() -> None:
    found = ContinuousComparison(interval_ns=S // 1000, timeout_ns=2 * S, margin_ns=0)
    for slot in range(1200):
        found.take(0, sample(slot, 5.0))
        found.take(1, sample(slot, 5.0))
    assert found.pairs == 20


def test_the_service_loads_no_numpy() -> None:
    code = "import sys, agent.service.service; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
