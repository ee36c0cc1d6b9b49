"""``eragent compare`` as a person and a program run it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.history.files import FILE
from agent.history.rows import Row
from agent.history.schema import VERSION
from agent.history.store import MINUTE_NS, Store, connect
from agent.history.summary import Extras
from agent.sink import StreamKey
from tests.agent.compare.streams import MIDNIGHT_NS, S
from tests.agent.history.generated import INTERVAL_NS, on_a_path, rows_of

PATHS = ("--baseline", "vpn", "--candidate", "expressroute")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments], input=stdin)


def sample(path: str, slot: int, rtt_ms: float | None, **others: Any) -> dict[str, Any]:
    return {
        "probe": "stamp",
        "kind": "stamp",
        "target": "hub",
        "path": path,
        "slot": slot,
        "sent_at_ns": MIDNIGHT_NS + slot * 100_000_000,
        "outcome": "lost" if rtt_ms is None else "answered",
        "rtt_ns": None if rtt_ms is None else round(rtt_ms * 1e6),
        "noisy": False,
    } | others


def delays(path: str, count: int, *, base_ms: float = 5, scale_ms: float = 1) -> Iterator[dict[str, Any]]:
    drawn = base_ms + np.random.default_rng(len(path)).exponential(scale_ms, count)
    for slot, rtt_ms in enumerate(drawn):
        yield sample(path, slot, float(rtt_ms))


def jsonl(*streams: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for stream in streams for one in stream)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Samples of a VPN whose delays are higher and vary more."""
    file = tmp_path / "samples.jsonl"
    file.write_text(jsonl(delays("vpn", 6000, base_ms=9, scale_ms=3), delays("expressroute", 6000)))
    return file


def test_a_better_candidate_is_exit_code_0_with_a_table_and_a_sentence(samples: Path) -> None:
    found = run(*PATHS, "--samples", str(samples))
    assert found.exit_code == 0
    assert "p99 - p50*" in found.stdout
    assert found.stdout.splitlines()[-1].startswith(
        "expressroute is better than vpn in 10 min: 99 % of packets are back within"
    )
    assert found.stderr == ""


def test_a_worse_candidate_is_exit_code_1(samples: Path) -> None:
    found = run("--baseline", "expressroute", "--candidate", "vpn", "--samples", str(samples), "--json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert (report["schema"], report["verdict"]) == ("eragent.compare/1", "worse")
    assert (report["probe"], report["target"], report["pairs"]) == ("stamp", "hub", 6000)


def test_the_same_path_under_two_names_is_the_same(samples: Path) -> None:
    copied = (json.loads(line) for line in samples.read_text().splitlines() if '"vpn"' in line)
    twice = samples.read_text() + jsonl([one | {"path": "vpn2"} for one in copied])
    found = run(
        "--baseline", "vpn", "--candidate", "vpn2", "--samples", "-", "--json", "--loss-margin", "2%", stdin=twice
    )
    assert (found.exit_code, json.loads(found.stdout)["verdict"]) == (0, "same")


def test_three_samples_are_insufficient(samples: Path) -> None:
    few = jsonl(delays("vpn", 3), delays("expressroute", 3))
    found = run(*PATHS, "--samples", "-", stdin=few)
    assert found.exit_code == 3
    assert "Not enough evidence after 0.3 s" in found.stdout


def test_the_margin_decides_what_is_the_same(samples: Path) -> None:
    verdicts = [
        json.loads(run(*PATHS, "--samples", str(samples), "--margin", margin, "--json").stdout)["figures"][0]["verdict"]
        for margin in ("0ms", "20ms")
    ]
    assert verdicts == ["better", "same"]


def test_without_a_margin_that_of_the_configuration_holds_and_the_answer_says_so(samples: Path, tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    compared = "comparisons: [{{baseline: expressroute, candidate: vpn, probe: stamp, margin: 20ms}}]\n"
    config.write_text((CONFIGURATION + compared).format(port=862))
    usual, configured, given = (
        json.loads(run(*PATHS, "--samples", str(samples), "--json", *arguments).stdout)
        for arguments in ((), ("--config", str(config)), ("--config", str(config), "--margin", "1ms"))
    )
    assert [one["margins"]["delay_ns"] for one in (usual, configured, given)] == [500_000, 20_000_000, 1_000_000]
    assert usual["notes"][-1] == "Differences of delays up to 0.500 ms do not matter: the default."
    assert configured["notes"][-1].endswith(f"20.00 ms do not matter: the margin of their comparison in {config}.")
    assert given["notes"][-1].endswith("1.00 ms do not matter: as --margin says.")
    assert configured["figures"][0]["verdict"] == "same"


def test_a_configuration_that_does_not_compare_these_paths_leaves_the_default(samples: Path, tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    config.write_text(CONFIGURATION.format(port=862))
    shown = run(*PATHS, "--samples", str(samples), "--config", str(config)).stdout
    assert f"0.500 ms do not matter: the default, since {config} does not compare these paths." in shown
    config.write_text("probes: 7\n")
    found = run(*PATHS, "--samples", str(samples), "--config", str(config))
    assert (found.exit_code, found.stdout) == (2, "")


def test_a_comparison_without_a_margin_has_the_default_of_the_command(samples: Path, tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    compared = "comparisons: [{{baseline: vpn, candidate: expressroute, probe: stamp}}]\n"
    config.write_text((CONFIGURATION + compared).format(port=862))
    usual, configured = (
        json.loads(run(*PATHS, "--samples", str(samples), "--json", *arguments).stdout)["margins"]
        for arguments in ((), ("--config", str(config)))
    )
    assert usual == configured


def test_since_looks_back_from_the_newest_sample(samples: Path) -> None:
    found = json.loads(run(*PATHS, "--samples", str(samples), "--since", "1m", "--json").stdout)
    assert found["pairs"] == 601


def test_noisy_pairs_and_what_was_not_sent_are_left_out_and_counted() -> None:
    ours = [sample("vpn", slot, 5.0, noisy=slot < 2) for slot in range(50)]
    theirs = [sample("expressroute", slot, 5.0) for slot in range(49)]
    theirs[9] |= {"outcome": "not_sent", "rtt_ns": None}
    report = json.loads(run(*PATHS, "--samples", "-", "--json", stdin=jsonl(ours, theirs)).stdout)
    assert report["pairs"] == 46
    assert {name: count for name, count in report["excluded"].items() if count} == {
        "unpaired": 1,
        "not_sent": 1,
        "noisy": 2,
        "total": 4,
    }


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
    ],
)
def test_a_line_that_is_no_sample_is_named(line: str, message: str) -> None:
    found = run(*PATHS, "--samples", "-", stdin=jsonl([sample("vpn", 0, 5.0)]) + line + "\n")
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr


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
def test_a_renamed_path_is_told_with_those_that_there_are(
    samples: Path, arguments: tuple[str, ...], message: str
) -> None:
    found = run(*arguments, "--samples", str(samples))
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


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        ([sample("expressroute", slot, 5.0) for slot in range(100, 120)], "never measured in the same slot"),
        ([sample("expressroute", slot, None) for slot in range(20)], "expressroute answered none of 20 packets"),
    ],
)
def test_what_cannot_be_compared_is_exit_code_3_with_a_sentence(stream: list[dict[str, Any]], sentence: str) -> None:
    found = run(*PATHS, "--samples", "-", stdin=jsonl([sample("vpn", slot, 5.0) for slot in range(20)], stream))
    assert found.exit_code == 3
    assert sentence in found.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--baseline", "vpn", "--candidate", "vpn"), "are the same path"),
        ((*PATHS, "--samples", "-", "--history", "."), "--samples and --history exclude each other"),
        ((*PATHS, "--duration", "1m", "--since", "1d"), "--since looks back, --duration measures now"),
        ((*PATHS, "--agent", "site"), "--agent goes with --prometheus"),
        ((*PATHS, "--samples", "/nonexistent"), "No such file or directory"),
        ((*PATHS, "--history", "/nonexistent"), "/nonexistent has no "),
        ((*PATHS, "--config", "/nonexistent"), "name the file with --config"),
        ((*PATHS, "--since", "1ms"), "--since is at least 1s"),
        (("--candidate", "vpn"), "Missing option '--baseline'"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_a_remedy(arguments: tuple[str, ...], message: str) -> None:
    found = run(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr


def test_a_history_without_samples_says_so(tmp_path: Path) -> None:
    connect(tmp_path).close()
    found = run(*PATHS, "--history", str(tmp_path))
    assert (found.exit_code, found.stderr) == (2, f"eragent: {tmp_path} has no samples\n")


CONFIGURATION = """\
paths:
  vpn: {{source: 127.0.0.2}}
  expressroute: {{source: 127.0.0.3}}
targets:
  hub: {{address: 127.0.0.1}}
probes:
  - name: stamp
    stamp: {{port: {port}}}
    interval: 10ms
    timeout: 300ms
    targets: [hub]
    paths: [vpn, expressroute]
"""


def test_paths_are_measured_here_and_now(reflector_port: int, tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    config.write_text(CONFIGURATION.format(port=reflector_port))
    command = [sys.executable, "-m", "agent", "compare", *PATHS, "--duration", "2s", "--config", str(config), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(found.stdout)
    assert report["pairs"] + report["excluded"]["total"] >= 10  # a busy machine misses slots
    assert found.returncode in (0, 1, 3)
    assert abs(time.time() - np.datetime64(report["from"].rstrip("Z")).astype(int)) < 60


def test_a_configuration_without_history_or_comparable_paths_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    config.write_text(CONFIGURATION.format(port=862))
    assert "keeps no history: add `history`" in run(*PATHS, "--config", str(config)).stderr
    renamed = run("--baseline", "vpn", "--candidate", "er", "--duration", "1s", "--config", str(config))
    assert renamed.exit_code == 2
    assert "has no path er; its paths: vpn, expressroute" in renamed.stderr


def keep(directory: Path, path: str, rows: list[Row]) -> None:
    """Write samples into a history, a minute at a time."""
    with closing(Store(connect(directory))) as store:
        stream = store.stream(StreamKey(probe="stamp", kind="stamp", target="hub", path=path), INTERVAL_NS)
        for begin in range(0, len(rows), 600):
            minute = rows[begin].sent_at_ns // MINUTE_NS
            store.append(stream, minute, rows_of(rows[begin : begin + 600]), Extras(), interval_ns=INTERVAL_NS)
            store.complete(stream, minute)


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
        " add --since 18h for what came after\n"
    )
    after = run(*PATHS, "--history", str(tmp_path), "--since", "18h", "--json")
    assert json.loads(after.stdout)["pairs"] > 2800


def rows_for(path: str, begin_ns: int) -> list[Row]:
    return list(on_a_path(3000, seed=len(path), slot=begin_ns // INTERVAL_NS, begin_ns=begin_ns))


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
