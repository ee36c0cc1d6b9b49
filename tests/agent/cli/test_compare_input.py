"""What ``eragent compare`` reads, and what it says of what it cannot read."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from agent.cli import main
from agent.history.files import FILE
from agent.history.rows import Row
from agent.history.schema import VERSION
from agent.history.store import MINUTE_NS, connect
from tests.agent.cli.comparing import CONFIGURATION, PATHS, jsonl, keep, of_a_worse_vpn, rows_for, run, sample
from tests.agent.compare.streams import MIDNIGHT_NS, S
from tests.agent.history.generated import INTERVAL_NS, on_a_path


def test_further_answers_change_nothing_and_unknown_fields_do_no_harm() -> None:
    ours = [sample("vpn", slot, 5.0, weather="fine") for slot in range(20)]
    ours.append(sample("vpn", 3, 900.0, outcome="duplicate"))
    theirs = [sample("expressroute", slot, 5.0) for slot in range(20)]
    assert json.loads(run(*PATHS, "--samples", "-", "--json", stdin=jsonl(ours, theirs)).stdout)["pairs"] == 20


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "line 2: no sample as `eragent export --format jsonl` writes them"),
        ("[1, 2]", "line 2: no sample"),
        ("{}", "line 2: no sample as `eragent export --format jsonl` writes them ('probe')"),
        (json.dumps(sample("vpn", 1, 5.0) | {"slot": 1.5}), "slot is no whole number of 64 bits"),
        (json.dumps(sample("vpn", 1, 5.0) | {"sent_at_ns": 2**70}), "sent_at_ns is no whole number"),
        (json.dumps(sample("vpn", 1, 5.0) | {"outcome": "vanished"}), "unknown outcome 'vanished'"),
        (json.dumps(sample("vpn", 1, 5.0) | {"rtt_ns": None}), "an answered packet without a round-trip time"),
        ("[" * 100_000, "line 2: no sample"),
    ],
)
def test_a_line_that_is_no_sample_is_named(line: str, message: str) -> None:
    found = run(*PATHS, "--samples", "-", stdin=jsonl([sample("vpn", 0, 5.0)]) + line + "\n")
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    files = [tmp_path / f"{path}.jsonl" for path in ("vpn", "expressroute")]
    for file in files:
        file.write_text(jsonl([sample(file.stem, slot, 5.0) for slot in range(20)]))
    found = run(*PATHS, "--samples", str(files[0]), "--samples", str(files[1]), "--json")
    assert json.loads(found.stdout)["pairs"] == 20
    files[1].write_text("nonsense\n")
    assert (
        f"{files[1]}, line 1: no sample" in run(*PATHS, "--samples", str(files[0]), "--samples", str(files[1])).stderr
    )


def test_a_file_over_a_change_of_the_probes_interval_is_refused_and_can_be_compared_since() -> None:
    def both(slots: range, interval_ns: int) -> list[dict[str, Any]]:
        return [
            sample(path, slot, 5.0, sent_at_ns=slot * interval_ns) for path in ("vpn", "expressroute") for slot in slots
        ]

    second, tenth = MIDNIGHT_NS // S, MIDNIGHT_NS // 100_000_000 + 36_000
    changed = jsonl(both(range(second, second + 1200), S), both(range(tenth, tenth + 3000), 100_000_000))
    found = run(*PATHS, "--samples", "-", stdin=changed)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "the probe had another interval in a part of this time" in found.stderr
    assert "add --since 4m for what came after" in found.stderr
    after = run(*PATHS, "--samples", "-", "--since", "4m", "--json", stdin=changed)
    assert json.loads(after.stdout)["pairs"] == 2400 + 1


def test_a_clock_that_is_stepped_meanwhile_moves_no_pair() -> None:
    slots = range(1000)
    stepped = [
        sample(path, slot, 5.0, sent_at_ns=MIDNIGHT_NS + slot * 100_000_000 - (slot > 517) * 3600 * S)
        for path in ("vpn", "expressroute")
        for slot in slots
    ]
    report = json.loads(run(*PATHS, "--samples", "-", "--json", stdin=jsonl(stepped)).stdout)
    assert (report["pairs"], report["excluded"]["total"], report["duration_s"]) == (1000, 0, 100)


def test_a_file_of_octets_that_are_no_text_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_bytes(b"\xff\xfe\x00")
    found = run(*PATHS, "--samples", str(file))
    assert found.exit_code == 2
    assert "cannot be read" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--baseline", "dsl", "--candidate", "vpn"), "has no path dsl; its paths: vpn, expressroute"),
        ((*PATHS, "--target", "spoke"), "has no probe and target in common to vpn and expressroute, as asked for"),
    ],
)
def test_a_renamed_path_is_told_with_those_that_there_are(arguments: tuple[str, ...], message: str) -> None:
    found = run(*arguments, "--samples", "-", stdin=of_a_worse_vpn())
    assert found.exit_code == 2
    assert message in found.stderr


def test_of_several_targets_one_has_to_be_chosen() -> None:
    streams = [
        [sample(path, slot, 5.0, target=target) for slot in range(9)]
        for path in ("vpn", "expressroute")
        for target in ("hub", "spoke")
    ]
    found = run(*PATHS, "--samples", "-", stdin=jsonl(*streams))
    assert "several probes and targets of vpn and expressroute: stamp to hub, stamp to spoke" in found.stderr
    assert run(*PATHS, "--target", "hub", "--samples", "-", "--json", stdin=jsonl(*streams)).exit_code == 3


def test_a_history_without_samples_says_so(tmp_path: Path) -> None:
    connect(tmp_path).close()
    found = run(*PATHS, "--history", str(tmp_path))
    assert (found.exit_code, found.stderr) == (2, f"eragent: {tmp_path} has no samples\n")


def test_paths_are_measured_here_and_now(reflector_port: int, tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    config.write_text(CONFIGURATION.format(port=reflector_port))
    command = [sys.executable, "-m", "agent", "compare", *PATHS, "--duration", "2s", "--config", str(config), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(found.stdout)
    assert report["pairs"] + report["excluded"]["total"] >= 10  # a busy machine misses slots
    assert found.returncode in (0, 1, 3)
    assert abs(time.time() - np.datetime64(report["from"].rstrip("Z")).astype(int)) < 60


def test_a_path_that_nothing_can_be_sent_on_is_told_at_once_with_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    config.write_text(CONFIGURATION.format(port=862).replace("127.0.0.3", "192.0.2.77"))
    command = [sys.executable, "-m", "agent", "compare", *PATHS, "--duration", "1h", "--config", str(config)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # not an hour later
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("eragent: path expressroute: cannot send from 192.0.2.77: it is not an address of")


def test_a_configuration_without_history_or_comparable_paths_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    config.write_text(CONFIGURATION.format(port=862))
    assert "keeps no history: add `history`" in run(*PATHS, "--config", str(config)).stderr
    renamed = run("--baseline", "vpn", "--candidate", "er", "--duration", "1s", "--config", str(config))
    assert renamed.exit_code == 2
    assert "has no path er; its paths: vpn, expressroute" in renamed.stderr


def test_a_history_is_compared_over_days_and_gaps(tmp_path: Path) -> None:
    now_ns = time.time_ns() // MINUTE_NS * MINUTE_NS
    for path, extra_ns in (("vpn", 3_000_000), ("expressroute", 0)):
        rows: list[Row] = []
        for day in (2, 1):  # ten minutes of each of two days
            begin_ns = now_ns - day * 86_400_000_000_000
            rows += on_a_path(6000, seed=len(path) + day, slot=begin_ns // INTERVAL_NS, begin_ns=begin_ns)
        for row in rows:
            row.rtt_ns = None if row.rtt_ns is None else row.rtt_ns + extra_ns
        keep(tmp_path, path, rows)
    found = run(*PATHS, "--history", str(tmp_path), "--json")
    report = json.loads(found.stdout)
    assert (found.exit_code, report["verdict"]) == (0, "better")
    assert report["pairs"] + report["excluded"]["noisy"] == 12_000
    assert report["excluded"]["noisy"] > 0
    assert report["figures"][0]["difference"] == pytest.approx(-3e6, rel=0.02)
    assert json.loads(run(*PATHS, "--history", str(tmp_path), "--since", "1d", "--json").stdout)["pairs"] < 6000


def test_a_probe_whose_interval_was_changed_is_compared_only_since_then(tmp_path: Path) -> None:
    now_ns = time.time_ns() // MINUTE_NS * MINUTE_NS
    for path in ("vpn", "expressroute"):
        begin_ns = now_ns - 20 * 60 * MINUTE_NS
        slow = [
            replace(row, slot=begin_ns // S + place, sent_at_ns=begin_ns + place * S)
            for place, row in enumerate(rows_for(path, begin_ns))
        ]
        keep(tmp_path, path, slow)
        keep(tmp_path, path, rows_for(path, now_ns - 10 * MINUTE_NS))
    found = run(*PATHS, "--history", str(tmp_path))
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr == (
        "eragent: the probe had another interval in a part of this time, or the clock was off:"
        " add --since 14h for what came after\n"
    )
    after = run(*PATHS, "--history", str(tmp_path), "--since", "14h", "--json")
    assert json.loads(after.stdout)["pairs"] > 2800


def test_a_history_whose_clock_was_set_back_by_hours_has_all_its_pairs(tmp_path: Path) -> None:
    begin_ns = time.time_ns() // MINUTE_NS * MINUTE_NS - 8 * 60 * MINUTE_NS
    for path in ("vpn", "expressroute"):
        rows = [
            replace(row, sent_at_ns=row.sent_at_ns - (place >= 1800) * 7 * 60 * MINUTE_NS, noisy=False)
            for place, row in enumerate(rows_for(path, begin_ns))
        ]
        keep(tmp_path, path, rows)
    report = json.loads(run(*PATHS, "--history", str(tmp_path), "--json").stdout)
    assert (report["pairs"], report["excluded"]["unpaired"], report["duration_s"]) == (3000, 0, 300)


def test_a_history_of_another_version_is_told_with_what_to_do(tmp_path: Path) -> None:
    with closing(connect(tmp_path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 8}")
    found = run(*PATHS, "--history", str(tmp_path))
    assert found.exit_code == 2
    assert "run the version" in found.stderr


def test_a_damaged_history_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    found = run(*PATHS, "--history", str(tmp_path))
    assert found.exit_code == 2
    assert "cannot be" in found.stderr


def test_what_export_writes_is_compared_as_the_history_is(tmp_path: Path) -> None:
    begin_ns = time.time_ns() // MINUTE_NS * MINUTE_NS - 10 * MINUTE_NS
    for path in ("vpn", "expressroute"):
        keep(tmp_path, path, list(on_a_path(3000, seed=len(path), slot=begin_ns // INTERVAL_NS, begin_ns=begin_ns)))
    exported = CliRunner().invoke(main, ["export", "--history", str(tmp_path), "--format", "jsonl"])
    assert exported.exit_code == 0, exported.stderr
    by_file, by_history = (
        json.loads(run(*PATHS, "--json", *arguments, stdin=exported.stdout).stdout)
        for arguments in (("--samples", "-"), ("--history", str(tmp_path)))
    )
    assert by_file == by_history
    assert by_file["pairs"] > 2800
