"""A short form of the simulations: that intervals hold the truth, equal paths are not told apart, a shift is found."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from agent.compare.margins import Verdict
from benchmarks.statistics.__main__ import month_sentence, table
from benchmarks.statistics.continuous import months
from benchmarks.statistics.coverage import Tally, standard_error, tally
from benchmarks.statistics.process import PathProcess, Scenario, generate
from benchmarks.statistics.scenarios import SCENARIOS
from benchmarks.statistics.truth import true_differences

# Ten minutes of congestion that lasts ten seconds are to a bootstrap what two hours of two minutes' are.
_PATH = PathProcess(slow=0.1, slow_s=10.0, burst_every_s=15.0)
_FASTER = replace(_PATH, base=4.0, scale=0.2, burst_every_s=60.0)
RUNS = 20


def short(candidate: PathProcess) -> Scenario:
    return Scenario(name="short", baseline=_PATH, candidate=candidate, duration_s=600.0)


@pytest.fixture(scope="module")
def different() -> Tally:
    return tally(short(_FASTER), RUNS, draws=1_000_000)


@pytest.fixture(scope="module")
def equal() -> Tally:
    return tally(short(_PATH), RUNS, draws=1_000_000)


def test_intervals_hold_the_truth_about_as_often_as_they_say(different: Tally, equal: Tally) -> None:
    # Of 20 runs at 95 % each figure misses 1 on average; 6 or more are seen three times in ten thousand.
    for found in (different, equal):
        assert found.runs == RUNS
        for name, within in found.within.items():
            assert within >= RUNS - 5, name
    held = sum(found.within.total() for found in (different, equal))
    known = sum(found.known.total() for found in (different, equal))
    assert 0.88 <= held / known <= 1


def test_equal_paths_are_hardly_ever_told_apart(equal: Tally) -> None:
    assert equal.different <= 4
    assert equal.verdicts[Verdict.BETTER] + equal.verdicts[Verdict.WORSE] <= 2


def test_a_real_difference_is_found(different: Tally) -> None:
    assert different.verdicts[Verdict.BETTER] >= RUNS * 0.95
    assert different.verdicts[Verdict.WORSE] == 0


def test_two_equal_paths_stay_untold_in_days_of_looking() -> None:
    scenario = Scenario(name="days", baseline=_PATH, candidate=_PATH, duration_s=5 * 86_400.0, interval_s=2.0)
    assert months(scenario, 2).told_apart == 0


def test_the_generated_paths_are_what_the_scenarios_say() -> None:
    truth = true_differences(SCENARIOS["shift"], tie_ms=0.5, draws=2_000_000)
    assert truth["rtt_p99"] == pytest.approx(1e6, rel=0.1)
    assert truth["rtt_p50"] == pytest.approx(0, abs=0.02e6)
    assert truth["loss"] == 0


def test_what_is_generated_has_the_losses_and_the_memory_that_it_should() -> None:
    path = replace(_PATH, outage_every_s=300.0, outage_s=20.0)
    columns, other = generate(replace(short(path), duration_s=40_000.0), np.random.default_rng(1))
    lost = float(np.mean(~other.received))
    assert lost == pytest.approx(path.loss, rel=0.25)
    assert float(np.mean(~columns.received)) == pytest.approx(_PATH.loss, rel=0.25)
    delays = np.where(columns.received, columns.rtt_ns, np.median(columns.rtt_ns))
    assert np.corrcoef(delays[1:], delays[:-1])[0, 1] > 0.2


def test_the_table_shows_shares_with_their_standard_errors() -> None:
    found = Tally(runs=100, within=Counter(rtt_p50=95), known=Counter(rtt_p50=100), verdicts=Counter(same=100))
    counts = {
        "hour": {
            "runs": found.runs,
            "within": {"rtt_p50": [95, 100]},
            "different": 0,
            "found": 0,
            "verdicts": {"same": 100},
        }
    }
    shown = table(counts)
    assert "| 95 % interval of p50 holds the truth | 95.0% ± 2.2% |" in shown
    assert standard_error(0.5, 100) == 0.05


def test_of_months_the_share_that_cannot_be_excluded_is_told() -> None:
    assert month_sentence({}) == ""
    said = month_sentence({"month": {"runs": 100, "told_apart": 0}})
    assert "In 100 simulated months" in said
    assert said.endswith("the share is below 3.7%.\n")
