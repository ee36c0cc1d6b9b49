"""A report has what was measured, as JSON for programs and as a table with sentences for people."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from agent.sink import StreamKey
from agent.throughput.load import Load, Period, Probed
from agent.throughput.measurement import Measurement, measurement
from agent.throughput.report import report
from agent.throughput.stages import Stage
from agent.throughput.text import lines, tables
from agent.throughput.trial import Outcome, Tried, outcome_of
from collectors.iperf3.failing import Iperf3Failure
from collectors.iperf3.result import Iperf3Result
from tests.agent.throughput.trials import COMPLETE, MOVED, TRIAL, troubled

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
S, MS = 1_000_000_000, 1_000_000
PERIOD = Period(path="vpn", load=Load.UP, start_ns=10 * S, end_ns=20 * S)
RECORDED = {
    StreamKey(probe="ping", kind="icmp", target="hub", path=path): [
        Probed(slot, slot * 100 * MS, (5 if slot < 100 else loaded_ms) * MS) for slot in range(200)
    ]
    for path, loaded_ms in (("vpn", 50), ("dsl", 30))
}


def measured(result: Iperf3Result = COMPLETE) -> Measurement:
    tried = Tried(
        trial=TRIAL,
        at=AT,
        outcome=outcome_of(result),
        reason="" if result.trouble is None else result.trouble.failure,
        message="" if result.trouble is None else result.trouble.message,
        result=result,
        period=PERIOD,
        moved_octets=MOVED,
    )
    return measurement(tried, RECORDED, [PERIOD])


def printed(*measurements: Measurement) -> str:
    file = StringIO()
    Console(file=file, width=80).print(*tables(measurements))
    return file.getvalue() + "\n".join(lines(measurements))


def test_a_table_has_the_path_without_load_and_under_it_and_why() -> None:
    text = printed(measured())
    [name, head, _, *rows] = text.splitlines()
    idle, loaded = (row.split() for row in rows[:2])
    assert (name.split(), head.split()[:2]) == (["vpn"], ["load", "Mbit/s"])
    assert idle == ["none", "5", "5", "0.0%", "12,000"]
    assert loaded[:4] == ["1", "flow", "up", "1.2"]
    assert loaded[-4:] == ["50", "50", "0.0%", "1,200"]
    assert "vpn, 1 flow, up: limited by" in text
    assert "vpn, 1 flow: dsl felt it: median 5 ms idle (p95 5), 30 ms meanwhile" in text


def test_the_path_mtu_that_tcp_knew_is_told_once_a_path() -> None:
    text = printed(measured(), measured(Iperf3Result()), measured())
    assert text.count("vpn: path MTU 1500 bytes, as this host's TCP knew it.") == 1
    assert "path MTU" not in printed(measured(Iperf3Result()))


def test_a_test_that_ended_early_says_so_beside_what_it_found() -> None:
    cut = replace(troubled(Iperf3Failure.ENDED_EARLY, moved=1_448), up=COMPLETE.up)
    text = printed(measured(cut))
    assert "1.2  incomplete" in " ".join(text.split("  "))
    assert "vpn, 1 flow: partial (ended_early): so it is: ended_early" in text
    assert "limited by not" not in text


def test_a_test_that_was_skipped_says_why() -> None:
    skipped = Tried(trial=TRIAL, at=AT, outcome=Outcome.SKIPPED, reason="budget", message="it would move too much")
    text = printed(measurement(skipped, {}, ()))
    assert "1 flow up" in text
    assert "vpn, 1 flow: skipped (budget): it would move too much" in text


def test_the_widest_figures_of_the_longest_path_fold_nothing_in_80_columns() -> None:
    fast = replace(
        COMPLETE,
        up=replace(COMPLETE.up, received_bits_per_second=99_999_900_000.0),  # type: ignore[type-var]  # it is
    )
    wide = replace(
        measured(fast),
        tried=replace(measured(fast).tried, trial=replace(TRIAL, stage=Stage(name="32 flows", streams=32))),
    )
    quick = {key: [sample._replace(rtt_ns=12_345) for sample in samples] for key, samples in RECORDED.items()}
    wide = measurement(wide.tried, quick, [PERIOD])
    file = StringIO()
    Console(file=file, width=80).print(*tables([wide]))
    [row] = [line for line in file.getvalue().splitlines() if line.startswith("32 flows up")]
    assert row.split()[3:4] == ["99,999.9"]
    assert row.split()[-3:] == ["0.012", "0.0%", "4,860,267"]


def test_the_json_object_has_figures_verdict_latency_and_leaks() -> None:
    found = json.loads(json.dumps(report([measured()], started_at=AT)))
    assert (found["schema"], found["started_at"]) == ("eragent.throughput/1", "2026-05-04T12:00:00Z")
    [test] = found["tests"]
    named = ("target", "path", "stage", "direction", "protocol", "outcome", "reason", "load", "moved_octets")
    assert [test[name] for name in named] == [
        *("hub", "vpn", "1 flow", "up", "tcp", "complete", None, "loaded-up", MOVED)
    ]
    [up] = test["directions"]
    assert up["bits_per_second"] == 1_158_400
    assert up["limited_by"]["limit"] == "unknown"
    assert up["limited_by"]["figures"]["buffer_delay"] == 9
    [latency] = test["latency"]
    assert (latency["path"], latency["idle"]["p50_ns"], latency["loaded"]["p50_ns"]) == ("vpn", 5 * MS, 50 * MS)
    [leak] = test["leaks"]
    assert (leak["path"], leak["leaked"], leak["meanwhile"]["p50_ns"]) == ("dsl", True, 30 * MS)


def test_what_is_not_known_is_null() -> None:
    failed = Tried(trial=TRIAL, at=AT, outcome=Outcome.FAILED, reason="refused", message="nobody listens")
    [test] = json.loads(json.dumps(report([measurement(failed, {}, ())], started_at=AT)))["tests"]
    assert (test["iperf3"], test["duration_s"], test["path_mtu_bytes"], test["cpu"]["local"]) == (None,) * 4
    assert (test["directions"], test["latency"], test["leaks"]) == ([], [], [])
