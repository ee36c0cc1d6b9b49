from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agent.lab.impair import Behaviour, Bursts, Jitter
from agent.lab.netem import distribution, netem_arguments

JITTER = Jitter(median_ns=400_000, sigma=0.5)


def test_the_kernels_table_has_the_same_mean_and_spread() -> None:
    mean_ns, deviation_ns, table = distribution(JITTER)
    assert 430_000 < mean_ns < 480_000
    assert 200_000 < deviation_ns < 300_000
    assert table == sorted(table)
    assert len(table) == 4096
    assert max(map(abs, table)) <= 32767


def test_delay_jitter_and_losses_are_said_in_the_kernels_words() -> None:
    mean_ns, deviation_ns, _ = distribution(JITTER)
    behaviour = Behaviour(delay_ns=9_000_000, jitter=JITTER, loss=0.002, bursts=Bursts(enter=0.0002, mean_frames=5))
    assert " ".join(netem_arguments(behaviour, "table")) == (
        "root handle 1: netem limit 100000"
        f" delay {9000 + mean_ns / 1000:.3f}us {deviation_ns / 1000:.3f}us distribution table"
        " loss gemodel 0.0200% 20.0000% 100.0000% 0.2000%"
    )


@pytest.mark.root
def test_the_systems_tc_understands_them(tmp_path: Path) -> None:
    behaviour = Behaviour(delay_ns=9_000_000, jitter=JITTER, loss=0.002, bursts=Bursts(enter=0.0002, mean_frames=5))
    (tmp_path / "table.dist").write_text("\n".join(map(str, distribution(JITTER)[2])))
    command = ["unshare", "--net", "env", f"TC_LIB_DIR={tmp_path}", "tc", "qdisc", "add", "dev", "lo"]
    command += netem_arguments(behaviour, "table")
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.stderr in {"", "Error: Specified qdisc kind is unknown.\n"}  # the kernel's word, after tc's own check


def test_a_plain_delay_needs_no_table() -> None:
    assert netem_arguments(Behaviour(delay_ns=5), "unused")[-2:] == ["delay", "0.005us"]
    assert netem_arguments(Behaviour(delay_ns=5, loss=0.01), "unused")[-3:] == ["loss", "random", "1.0000%"]
