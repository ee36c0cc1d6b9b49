"""The verdict of all figures, its sentence, and the JSON and text that say it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from agent.columns import Columns
from agent.compare.comparison import Comparison, compare, verdict_of_all
from agent.compare.document import change_json, document
from agent.compare.figures import Figure
from agent.compare.margins import Margins, Verdict, times_longer, verdict_of
from agent.compare.minutes import Change
from agent.compare.pairs import pair
from agent.compare.text import figures_table, heading, legend, lines, paths_table
from agent.compare.words import span
from tests.agent.compare.streams import MS, NAMES, exponential, stream


def compared(baseline: Columns, candidate: Columns, **margins: float) -> Comparison:
    return compare(pair(baseline, candidate), NAMES, margins=Margins(**margins), limit_ns=5 * MS)


def begun(path: Columns, count: int) -> Columns:
    return path.where(np.arange(count))


def figure(name: str, verdict: Verdict) -> Figure:
    return Figure(
        name=name,
        unit="ns",
        baseline=0,
        candidate=0,
        low=0,
        high=0,
        corrected=(0, 0),
        margin=0,
        verdict=verdict,
        longer=None,
    )


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(3 * MS, Verdict.WORSE), (-3 * MS, Verdict.BETTER), (0.0, Verdict.SAME), (1 * MS, Verdict.INSUFFICIENT)],
)
def test_a_margin_decides_what_an_interval_says(difference: float, verdict: Verdict) -> None:
    interval = (difference - 0.5 * MS, difference + 0.5 * MS)
    assert verdict_of(interval, interval, 1 * MS, less_is_better=True) is verdict


def test_sameness_needs_no_correction_and_a_difference_does() -> None:
    assert verdict_of((-0.5, 0.5), (-2, 2), 1, less_is_better=True) is Verdict.SAME
    assert verdict_of((2, 3), (0.5, 4), 1, less_is_better=True) is Verdict.INSUFFICIENT


def test_of_availability_more_is_better() -> None:
    assert verdict_of((0.2, 0.3), (0.2, 0.3), 0.1, less_is_better=False) is Verdict.BETTER


def test_half_the_interval_takes_four_times_as_long() -> None:
    assert times_longer(0, (-2, 2), (-3, 3), 1) == pytest.approx(4)
    assert times_longer(3, (-1, 7), (-1, 7), 1) == pytest.approx(4)


def test_how_long_is_not_foreseen_next_to_the_margin_or_without_bounds() -> None:
    assert times_longer(1, (0, 2), (0, 2), 1) is None
    assert times_longer(0, (-math.inf, 2), (-math.inf, 3), 1) is None
    assert times_longer(0.99, (0, 2), (0, 2), 1) is None


def test_worse_in_anything_that_decides_is_not_better() -> None:
    mixed = [figure("rtt_p99", Verdict.BETTER), figure("loss", Verdict.WORSE)]
    assert verdict_of_all(mixed) is Verdict.WORSE
    assert verdict_of_all(mixed[:1]) is Verdict.BETTER


def test_a_median_that_is_slower_does_not_make_a_steadier_path_worse() -> None:
    assert verdict_of_all([figure("rtt_p50", Verdict.WORSE), figure("rtt_p99", Verdict.BETTER)]) is Verdict.BETTER


def test_same_needs_the_tail_the_spread_and_loss_to_be_the_same() -> None:
    same = [figure(name, Verdict.SAME) for name in ("rtt_p99", "rtt_p99_p50", "loss")]
    waiting = figure("availability", Verdict.INSUFFICIENT)
    assert verdict_of_all([*same, waiting]) is Verdict.SAME
    assert verdict_of_all([*same[:2], figure("loss", Verdict.INSUFFICIENT), waiting]) is Verdict.INSUFFICIENT
    assert verdict_of_all([]) is Verdict.INSUFFICIENT


def test_a_better_candidate_is_said_to_be_so_with_what_decided_it() -> None:
    found = compared(exponential(6000, base_ms=9, scale_ms=3), exponential(6000, seed=2))
    assert found.verdict is Verdict.BETTER
    assert found.sentence.startswith("expressroute is better than vpn in 10 min: 99 % of packets are back within ")
    assert found.sentence.endswith(" ms less).")
    assert found.more_s is None


def test_two_alike_paths_are_the_same_once_there_is_enough_of_them() -> None:
    short = compared(exponential(1000), exponential(1000, seed=2), delay_ns=MS, loss=0.01)
    assert short.verdict is Verdict.INSUFFICIENT
    assert short.sentence.startswith("Not enough evidence after 1.7 min")
    long = compared(exponential(20_000), exponential(20_000, seed=2), delay_ns=MS, loss=0.01)
    assert (long.verdict, long.more_s) == (Verdict.SAME, None)
    assert long.sentence == (
        "expressroute and vpn are the same in 33 min: their slow packets differ by less than 1.00 ms and their losses"
        " by less than 1.000 %."
    )


def test_how_long_to_go_on_is_about_right() -> None:
    ours, theirs = exponential(200_000), exponential(200_000, seed=2)
    first = 3000
    short = compared(begun(ours, first), begun(theirs, first), delay_ns=0.5 * MS, loss=0.01)
    assert short.verdict is Verdict.INSUFFICIENT
    assert short.more_s is not None
    enough = first + round(4 * short.more_s * 10)
    assert compared(begun(ours, enough), begun(theirs, enough), delay_ns=0.5 * MS, loss=0.01).verdict == "same"


@pytest.mark.parametrize(
    ("baseline", "candidate", "sentence"),
    [
        (stream([]), stream([]), "There are no samples of vpn and expressroute in this window."),
        (
            stream([1, 2]),
            stream([1], slots=[7]),
            "vpn and expressroute were never measured in the same slot (3 samples): there is nothing to compare.",
        ),
        (
            stream([1, 2], noisy=[0, 1]),
            stream([1, 2]),
            "All 2 slots of vpn and expressroute had to be left out: there is nothing to compare.",
        ),
        (
            stream([1.0] * 50),
            stream([None] * 50),
            "expressroute answered none of 50 packets: without its delays there is nothing to compare.",
        ),
        (
            stream([None] * 50),
            stream([None] * 50),
            "Neither vpn nor expressroute answered any of 50 pairs: there is nothing to compare.",
        ),
    ],
)
def test_nothing_to_compare_is_said_and_nothing_invented(baseline: Columns, candidate: Columns, sentence: str) -> None:
    found = compared(baseline, candidate)
    assert (found.verdict, found.sentence, found.more_s) == (Verdict.INSUFFICIENT, sentence, None)
    assert json.loads(json.dumps(document(found), allow_nan=False))["verdict"] == "insufficient"
    assert list(lines(document(found)))[-1] == sentence


def report(count: int = 4000) -> dict[str, Any]:
    lossy = exponential(count, base_ms=9, scale_ms=3)
    lossy.outcome[100:130] = 2
    lossy.rtt_ns[100:130] = -(2**63)
    return document(compared(lossy, exponential(count, seed=2)))


def test_the_document_has_what_programs_ask_for() -> None:
    found = report()
    assert found["schema"] == "eragent.compare/1"
    assert found["verdict"] == "better"
    assert found["from"] == "2026-01-05T00:00:00Z"
    assert (found["pairs"], found["excluded"]["total"]) == (4000, 0)
    [p99] = [figure for figure in found["figures"] if figure["name"] == "rtt_p99"]
    assert p99["unit"] == "ns"
    assert p99["difference"] == pytest.approx(p99["candidate"] - p99["baseline"], abs=1)
    assert p99["corrected_low"] <= p99["low"] < p99["difference"] < p99["high"] <= p99["corrected_high"] < 0
    assert (p99["verdict"], p99["deciding"]) == ("better", True)
    assert found["predictability"]["baseline"]["longest_burst"] == 30
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_every_key_of_the_document_is_in_the_docs_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
    section = page.partition("## As JSON\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    told = {name: set(re.findall(r"`(\w+)`", what)) for keys, what in rows for name in re.findall(r"`(\w+)`", keys)}
    found = report()
    assert set(told) == set(found)
    assert set(found["figures"][0]) | {"ns", "1"} == told["figures"]
    path = found["predictability"]["baseline"]
    assert {*found["predictability"], *path, *path["outages"], "from", "length_s"} == told["predictability"]
    assert set(found["margins"]) == told["margins"]
    changed = change_json(Change(at_ns=0, path="vpn", of="level", before_ns=1, after_ns=2))
    assert set(changed) | {"level", "spread"} == told["changes"]


def test_what_is_not_bounded_is_null() -> None:
    found = document(compared(stream([5, 6, 7]), stream([5, 6, 8])))
    assert {figure["high"] for figure in found["figures"] if figure["unit"] == "ns"} == {None}


def shown_in_80_columns(what: object) -> list[str]:
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(what)
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_the_figures_fit_a_terminal_of_80_columns_whatever_the_paths_are_called() -> None:
    found = report()
    found["baseline"], found["candidate"] = "vpn-over-the-internet-of-the-second-site", "expressroute-primary-link"
    widest = {"baseline": 99.998, "candidate": 12_345.678, "difference": 1234.567, "low": -99.998, "high": 987_654.321}
    for figure in found["figures"]:
        figure.update({"unit": "ns", "verdict": "insufficient"} | {name: value * MS for name, value in widest.items()})
    shown = shown_in_80_columns(figures_table(found))
    assert len(shown) == len(found["figures"]) + 2
    assert "p99 - p50* 99.998 12345.7 +1234.6 -99.998 to +987654 insufficient" in shown
    assert "vpn-over-the-internet-of-the-second-site (baseline) and expressroute-primary-link" in heading(found)


def test_the_legend_tells_why_a_figure_is_undecided_that_seems_clear() -> None:
    found = report()
    assert legend(found) == "Delays in ms, shares in %. * decides the verdict."
    found["figures"][0] |= {"low": None, "high": -9 * MS, "margin": MS, "verdict": "insufficient"}
    assert legend(found).endswith("Better and worse take more than the interval shown: several figures are looked at.")


def test_both_paths_are_described_beside_each_other() -> None:
    shown = shown_in_80_columns(paths_table(report()))
    assert "longest burst, in packets 30 -" in shown
    assert not any("days differ by" in line for line in shown)  # of seven minutes nobody knows


def test_the_lines_below_say_what_was_left_out_and_how_each_path_was() -> None:
    found = compared(exponential(4000), replace(exponential(4000, seed=2), noisy=exponential(4000).slot < 7))
    shown = "\n".join(lines(document(found)))
    assert "3,993 pairs; left out: 7 while this host was stalled." in shown


def test_durations_have_the_unit_that_people_use() -> None:
    assert [span(seconds) for seconds in (0.3, 5, 90, 7200, 86_400 * 7)] == ["0.3 s", "5 s", "1.5 min", "2 h", "7 d"]
