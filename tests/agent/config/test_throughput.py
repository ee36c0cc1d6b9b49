"""Probes of throughput become tests with their timetable, budget and rates; what they move is known ahead."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.config.load import load_plan
from agent.plan import Plan
from agent.throughput.stages import FLOWS
from agent.throughput.timetable import Window
from agent.throughput.transfers import lines, transfers
from collectors.iperf3.options import Direction, Iperf3Options, Protocol

FILE = Path(__file__).parents[2] / "data" / "config" / "valid-throughput.yaml"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(FILE)


def test_tests_are_no_streams_of_the_engine(plan: Plan) -> None:
    assert [probe.name for probe in plan.probes] == ["ping"]
    assert [each.name for each in plan.throughput] == ["throughput", "stages", "datagrams"]


def test_what_is_written_is_what_is_tested(plan: Plan) -> None:
    throughput, stages, datagrams = plan.throughput
    assert throughput.options == Iperf3Options(duration_s=10, direction=Direction.BOTH)
    assert (throughput.flows, throughput.budget) == ((4,), 50 << 30)
    assert stages.flows == FLOWS
    assert (stages.options.window_bytes, stages.options.congestion_control, stages.options.dscp) == (
        4 << 20,
        "cubic",
        10,
    )
    assert datagrams.options.protocol is Protocol.UDP
    assert (datagrams.options.bits_per_second, datagrams.options.omit_s) == (20_000_000, 1)
    assert [path.name for path in stages.paths] == ["expressroute", "vpn"]


def test_a_timetable_knows_how_long_a_round_of_all_paths_takes(plan: Plan) -> None:
    table = plan.throughput[0].timetable
    assert (table.every, table.jitter) == (timedelta(hours=1), timedelta(minutes=5))
    assert table.windows == (Window(60, 300), Window(1320, 1380))
    assert table.zone == ZoneInfo("Europe/Paris")
    assert table.length == timedelta(seconds=2 * (5 + 10 + 3))
    assert plan.throughput[1].timetable.length == timedelta(seconds=2 * (5 + 4 * 13))


def test_probes_that_wait_long_for_answers_make_a_round_longer(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "targets: {hub: {address: 10.1.0.4}}\nprobes:\n"
        "  - {name: ping, icmp: {}, timeout: 60s, targets: [hub]}\n"
        "  - {name: t, iperf3: {}, every: 1h, targets: [hub]}\n"
    )
    assert load_plan(file).throughput[0].timetable.length == timedelta(seconds=5 + 10 + 61)


def test_a_test_knows_the_rates_of_its_path_and_gateway(plan: Plan) -> None:
    throughput = plan.throughput[0]
    [trial] = throughput.trials(throughput.targets[0], throughput.paths[1], plan.gateways["vpn"])
    assert [rate.bits_per_second // 10**6 for rate in trial.rates] == [650, 1_250, 1_250]
    assert (trial.stage.name, trial.options.streams) == ("4 flows", 4)


def test_what_a_day_moves_is_rounds_times_rate_times_directions_and_a_budget_caps_it(plan: Plan) -> None:
    moved = {(each.probe, each.path): each for each in transfers(plan.throughput)}
    hourly = moved["throughput", "expressroute"]
    assert (hourly.rounds_a_day, hourly.expected_octets) == (5, 5 * 2_500_000_000)
    weekly = moved["stages", "expressroute"]
    assert (weekly.expected_octets, weekly.most_octets) == (round(5e9 / 7), 5_000_000_000)
    assert "every 7 days, 4 tests each" in list(lines(plan.throughput))[2]


def test_windows_of_some_days_are_told_by_the_week(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "paths: {vpn: {rate: 100Mbit}}\ntargets: {hub: {address: 10.1.0.4}}\nprobes:\n"
        "  - {name: t, iperf3: {}, every: 1h, windows: ['Sat,Sun 01:00-05:00'], budget: 400MB/day, targets: [hub]}\n"
    )
    [moved] = transfers(load_plan(file).throughput)
    assert (round(7 * moved.rounds_a_day), moved.most_rounds_a_day) == (8, 4)
    assert (moved.octets_a_round, moved.most_octets, moved.most_octets_a_week) == (125 * 10**6, 4 * 10**8, 8 * 10**8)
    assert list(lines(load_plan(file).throughput)) == [
        "Probe t tests throughput over vpn 8 times a week (Sat,Sun 01:00-05:00), at most 4 times a day, 1 test each: "
        "about 1 GB a week at 100 Mbit/s, at most 400 MB a day and 800 MB a week, the rest is skipped."
    ]


@pytest.mark.parametrize(
    ("second", "together"),
    [
        (
            "",
            "about 2.5 GB a day on the mean, at most 2 GB; about 17.5 GB a week.",
        ),  # the budget of the one, and what the other moves
        ("budget: 1.5GB/day, ", "about 2.5 GB a day on the mean, at most 1.5 GB; about 17.5 GB a week."),
    ],
)
def test_what_all_probes_move_over_a_path_is_told_and_a_budget_is_of_all_of_them(
    tmp_path: Path, second: str, together: str
) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "paths: {vpn: {rate: 100Mbit}}\ntargets: {hub: {address: 10.1.0.4}}\nprobes:\n"
        "  - {name: t, iperf3: {}, every: 2h, budget: 1GB/day, targets: [hub]}\n"
        f"  - {{name: u, iperf3: {{duration: 80s}}, every: 24h, {second}targets: [hub]}}\n"
    )
    assert list(lines(load_plan(file).throughput))[-1] == f"All tests over vpn together: {together}"


def test_tests_that_are_due_often_are_counted_in_digits(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "paths: {vpn: {rate: 100Mbit}}\ntargets: {hub: {address: 10.1.0.4}}\n"
        "probes:\n  - {name: t, iperf3: {duration: 1s}, every: 1m, targets: [hub]}\n"
    )
    [line] = lines(load_plan(file).throughput)
    assert line.startswith("Probe t tests throughput over vpn 1440 times a day, 1 test each: about 18 GB a day")


def test_a_path_of_unknown_rate_says_what_is_assumed(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "targets: {hub: {address: 10.1.0.4}}\n"
        "probes:\n  - {name: t, iperf3: {}, every: 1h, budget: 20GB/day, targets: [hub]}\n"
    )
    [line] = lines(load_plan(file).throughput)
    assert line == (
        "Probe t tests throughput over default 24 times a day, 1 test each: about 300 GB a day and 2.1 TB a week at 10 "
        "Gbit/s (assumed: the path has no 'rate'), at most 20 GB a day and 140 GB a week, the rest is skipped."
    )
