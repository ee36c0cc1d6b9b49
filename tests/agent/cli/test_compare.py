"""``eragent compare`` as a person and a program run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.agent.cli.comparing import CONFIGURATION, PATHS, delays, jsonl, of_a_worse_vpn, run, sample


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Samples of a VPN whose delays are higher and vary more."""
    file = tmp_path / "samples.jsonl"
    file.write_text(of_a_worse_vpn())
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


def test_an_interrupted_comparison_is_no_verdict() -> None:
    command = [sys.executable, "-m", "agent", "compare", *PATHS, "--samples", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        process.stdin.write(jsonl([sample("vpn", slot, 5.0) for slot in range(5000)]))  # returns once it is being read
        process.send_signal(signal.SIGINT)
        answer, said = process.communicate()
    assert (process.returncode, answer) == (2, "")
    assert said.startswith("eragent: interrupted before there was an answer")


def test_an_answer_that_cannot_be_written_is_no_verdict_and_a_closed_pipe_keeps_it(samples: Path) -> None:
    command = [sys.executable, "-m", "agent", "compare", *PATHS, "--samples", str(samples), "--json"]
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (found.returncode, found.stderr) == (
        2,
        "eragent: the answer cannot be written: [Errno 28] No space left on device\n",
    )
    read, write = os.pipe()
    os.close(read)
    closed = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (closed.returncode, closed.stderr) == (0, "")


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
        ((*PATHS, "--duration", "2d"), "--duration is at most 1d: for longer let an agent keep a history"),
        ((*PATHS, "--duration", "0s"), "--duration is at least 1s"),
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
