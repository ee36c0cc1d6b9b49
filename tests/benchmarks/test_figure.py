from __future__ import annotations

from benchmarks.figure import Figure, Row, not_run, row_of_runs, rows_of_runs, table


def runs(*values: float, at_most: float | None = 10) -> list[Figure]:
    return [Figure(name="error", value=value, unit="µs", at_most=at_most) for value in values]


def test_the_median_of_the_runs_is_judged_and_their_range_shown() -> None:
    row = row_of_runs("accuracy", runs(12.5, 7.25, 9.0))
    assert row == Row(
        benchmark="accuracy", name="error", asked="≤ 10 µs", measured="9 µs", spread="7.2 to 12.5", met=True
    )


def test_a_number_above_what_is_asked_is_missed() -> None:
    assert row_of_runs("accuracy", runs(10.01)).met is False
    assert row_of_runs("accuracy", runs(10)).met is True


def test_a_number_below_what_is_asked_at_least_is_missed() -> None:
    row = row_of_runs("reflector", [Figure(name="replies", value=99_999, unit="/s", at_least=100_000)])
    assert (row.asked, row.met) == ("≥ 100000 /s", False)
    assert row_of_runs("reflector", [Figure(name="ratio", value=1.0, at_least=1)]).met is True


def test_a_figure_of_which_nothing_is_asked_is_neither_met_nor_missed() -> None:
    row = row_of_runs("accuracy", runs(3, at_most=None))
    assert (row.asked, row.met) == ("", None)


def test_figures_of_several_runs_are_merged_by_name() -> None:
    first, second = Figure(name="a", value=1), Figure(name="b", value=2)
    rows = rows_of_runs("rate", [[first, second], [first, second]])
    assert [(row.name, row.measured) for row in rows] == [("a", "1"), ("b", "2")]


def test_what_did_not_run_has_a_reason_and_no_number() -> None:
    row = not_run("rate", "needs root:\nsudo make bench")
    assert (row.name, row.measured, row.met) == ("not run: needs root: sudo make bench", "-", None)


def test_a_missed_number_stands_out_in_the_table() -> None:
    lines = table([row_of_runs("accuracy", runs(20)), row_of_runs("accuracy", runs(5))]).splitlines()
    assert "**NO**" in lines[2]
    assert "yes" in lines[3]
    assert len({len(line) for line in lines}) == 1


def test_a_part_that_did_not_run_has_a_line_without_a_number() -> None:
    (row,) = rows_of_runs("start", [[Figure(name="icmp: not run: needs root", value=None)]] * 2)
    assert (row.name, row.measured, row.met) == ("icmp: not run: needs root", "-", None)
