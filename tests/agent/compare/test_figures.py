"""Figures of two paths beside what is known of how they were made."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.columns import Columns
from agent.compare.figures import DECIDING, FIGURES, Figure, figures
from agent.compare.margins import Margins, Verdict
from agent.compare.pairs import pair
from agent.compare.words import sentence_of
from tests.agent.compare.streams import MS, exponential, stream


def found(baseline: Columns, candidate: Columns, margins: Margins | None = None) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(pair(baseline, candidate), margins or Margins())}


def test_points_are_those_of_the_definitions() -> None:
    of = found(stream([*range(1, 101)]), stream([*range(101, 201)]))
    assert list(of) == list(FIGURES)
    assert (of["rtt_p50"].baseline, of["rtt_p95"].baseline) == (50 * MS, 95 * MS)
    assert (of["rtt_p99"].candidate, of["rtt_p999"].candidate) == (199 * MS, 200 * MS)
    assert (of["rtt_iqr"].baseline, of["rtt_p99_p50"].candidate) == (50 * MS, 49 * MS)
    assert of["ipdv_p99"].baseline == MS
    assert of["rtt_p50"].difference == 100 * MS
    assert (of["faster"].baseline, of["faster"].candidate, of["faster"].difference) == (1, 0, -1)


def test_a_shift_is_found_with_an_interval_around_it() -> None:
    of = found(exponential(6000), exponential(6000, base_ms=7, seed=2))
    for name in ("rtt_p50", "rtt_p95", "rtt_p99"):
        assert of[name].low < 2 * MS < of[name].high
        assert of[name].verdict is Verdict.WORSE
        assert of[name].corrected[0] < of[name].low < of[name].high < of[name].corrected[1]
    assert of["rtt_p99_p50"].low < 0 < of["rtt_p99_p50"].high


def test_identical_paths_are_the_same_even_without_a_margin_as_far_as_delays_go() -> None:
    path = exponential(2000)
    of = found(path, path, Margins(delay_ns=0))
    for name in ("rtt_p50", "rtt_p99", "rtt_p99_p50", "ipdv_p99"):
        assert (of[name].low, of[name].high, of[name].verdict) == (0, 0, Verdict.SAME)


def test_what_both_paths_share_makes_intervals_no_wider() -> None:
    common = np.random.default_rng(1).normal(20, 5, 4000)
    alone = [np.random.default_rng(seed).normal(20, 5, 4000) for seed in (2, 3)]
    own = np.random.default_rng(4).normal(0, 0.1, 4000)
    paired = found(stream(common.tolist()), stream((common + own).tolist()))["rtt_p50"]
    apart = found(stream(alone[0].tolist()), stream(alone[1].tolist()))["rtt_p50"]
    assert paired.high - paired.low < (apart.high - apart.low) / 5


def test_a_constant_series_has_exact_figures_and_no_warning() -> None:
    of = found(stream([5] * 5000), stream([6] * 5000))
    assert (of["rtt_p50"].low, of["rtt_p50"].high) == (MS, MS)
    assert of["rtt_p50"].verdict is Verdict.WORSE
    assert of["rtt_p99_p50"].verdict is Verdict.SAME


def test_three_packets_prove_nothing() -> None:
    of = found(stream([5, 6, 5.5]), stream([9, 8, 9]))
    assert {figure.verdict for figure in of.values()} == {Verdict.INSUFFICIENT}
    assert of["rtt_p99"].high == math.inf


def test_three_packets_of_a_constant_series_say_nothing_of_a_tail() -> None:
    of = found(stream([5] * 3), stream([5] * 3))
    assert of["rtt_p99"].verdict is Verdict.INSUFFICIENT
    assert of["loss"].verdict is Verdict.INSUFFICIENT


def test_no_loss_in_an_hour_is_no_proof_of_none() -> None:
    path = exponential(36_000)
    of = found(path, path)
    assert of["loss"].high == pytest.approx(4 / 3600, rel=0.5)
    assert found(exponential(9000), exponential(9000))["loss"].verdict is Verdict.INSUFFICIENT


def test_a_path_that_loses_a_tenth_is_worse() -> None:
    lossy = [None if draw < 0.1 else 5.0 for draw in np.random.default_rng(1).random(5000)]
    of = found(stream([5.0] * 5000), stream(lossy))
    assert of["loss"].verdict is Verdict.WORSE
    assert of["loss"].low < 0.1 < of["loss"].high


def test_packets_lost_in_a_burst_prove_less_than_as_many_that_come_alone() -> None:
    alone = [None if place % 50 == 0 else 5.0 for place in range(5000)]
    burst = [None if 2000 <= place < 2100 else 5.0 for place in range(5000)]
    quiet = stream([5.0] * 5000)
    widths = [found(quiet, stream(path))["loss"] for path in (alone, burst)]
    assert widths[0].difference == widths[1].difference
    assert (widths[1].high - widths[1].low) > 3 * (widths[0].high - widths[0].low)


def test_a_tie_within_the_margin_is_nobodys_win() -> None:
    of = found(stream([5.0] * 1000), stream([5.1] * 1000), Margins(delay_ns=0.5 * MS))
    assert of["faster"].candidate == 0.5
    assert found(stream([5.0] * 1000), stream([5.1] * 1000), Margins(delay_ns=0))["faster"].candidate == 0


def test_without_answers_on_one_path_there_are_no_figures_of_delays() -> None:
    of = found(stream([5.0] * 100), stream([None] * 100))
    assert set(of) == {"loss", "availability"}


def test_without_pairs_there_are_no_figures() -> None:
    assert found(stream([]), stream([])) == {}


def test_a_run_that_decides_says_how_long_only_where_it_does_not() -> None:
    of = found(exponential(3000), exponential(3000, seed=2), Margins(delay_ns=0.5 * MS))
    assert of["rtt_p50"].longer is None
    undecided = found(exponential(300), exponential(300, seed=2), Margins(delay_ns=0.2 * MS))["rtt_p50"]
    assert undecided.verdict is Verdict.INSUFFICIENT
    assert undecided.longer is not None
    assert undecided.longer > 1


def test_exchanging_the_paths_exchanges_better_and_worse() -> None:
    ours, theirs = exponential(6000), exponential(6000, base_ms=7, seed=2)
    there, back = found(ours, theirs), found(theirs, ours)
    exchanged = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    for name in FIGURES:
        assert there[name].difference == pytest.approx(-back[name].difference)
        assert exchanged.get(there[name].verdict, there[name].verdict) is back[name].verdict


def test_what_decides_is_among_the_figures() -> None:
    assert set(DECIDING) < set(FIGURES)


def test_the_sentence_tells_what_speaks_against_the_verdict() -> None:
    def figure(name: str, difference: float, verdict: Verdict) -> Figure:
        ends = (difference - 1e5, difference + 1e5)
        return Figure(
            name=name,
            unit="ns",
            baseline=5e6,
            candidate=5e6 + difference,
            low=ends[0],
            high=ends[1],
            corrected=ends,
            margin=5e5,
            verdict=verdict,
            longer=None,
        )

    told = [figure("rtt_p50", 1e6, Verdict.WORSE), figure("rtt_p99", -2e6, Verdict.BETTER)]
    assert sentence_of(Verdict.BETTER, told, "vpn", "expressroute", 86_400, None) == (
        "expressroute is better than vpn in 1 d: 99 % of packets are back within 3.00 ms instead of 5.00 ms"
        " (95 %: 1.90 to 2.10 ms less); but it is worse in this: half of the packets are back within 6.00 ms instead of"
        " 5.00 ms (95 %: 0.900 to 1.10 ms more)."
    )
