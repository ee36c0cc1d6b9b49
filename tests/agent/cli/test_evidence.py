"""Where the evidence of a comparison comes from, and what whoever waits for it is told meanwhile."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from agent.cli.evidence.history import pairs_of_history
from agent.cli.evidence.samples import pairs_of_files
from agent.cli.evidence.wanted import Wanted
from agent.history.store import MINUTE_NS
from tests.agent.cli.comparing import PATHS, keep, of_a_worse_vpn, rows_for, sample

BOTH = Wanted(baseline="vpn", candidate="expressroute")
_HOUR_NS = 60 * MINUTE_NS


def test_whoever_waits_for_a_long_file_is_told_how_many_lines_were_read() -> None:
    lines = [json.dumps(sample(path, slot, 5.0)) for path in ("vpn", "expressroute") for slot in range(100)]
    file = io.StringIO("\n".join(lines * 600))
    file.name = "samples.jsonl"
    told: list[str] = []
    _, pairs = pairs_of_files([file], BOTH, since_ns=None, progress=told.append)
    assert told == ["reading samples.jsonl", *(f"reading samples.jsonl, {count},000 lines" for count in (50, 100))]
    assert len(pairs) == 100


def test_whoever_waits_at_a_terminal_sees_what_is_being_done(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    os.mkfifo(file)  # there is nothing to read from it, until it was seen that it is being read
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent", "compare", *PATHS, "--samples", str(file)]
    told = b""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | {"TERM": "xterm", "COLUMNS": "500"}
    ) as process:
        os.close(theirs)
        with os.fdopen(os.open(file, os.O_RDWR), "wb") as samples:  # which waits for no reader
            while f"reading {file}" not in told.decode(errors="ignore"):
                told += os.read(ours, 65536)
            samples.write(of_a_worse_vpn().encode())
        with suppress(OSError):  # that is how the end of a terminal looks
            while os.read(ours, 65536):
                pass
    os.close(ours)
    assert process.returncode == 0


def test_whoever_waits_for_a_history_is_told_how_much_of_it_was_read(tmp_path: Path) -> None:
    now_ns = time.time_ns() // MINUTE_NS * MINUTE_NS
    for path in ("vpn", "expressroute"):
        keep(tmp_path, path, rows_for(path, now_ns - 24 * _HOUR_NS))
    told: list[str] = []
    pairs_of_history(tmp_path, BOTH, since_ns=now_ns - 48 * _HOUR_NS, until_ns=now_ns, progress=told.append)
    assert told == [f"reading the history, {share}%" for share in (0, 25, 50, 75)]


def test_before_the_first_sample_of_a_history_there_is_nothing_to_read(tmp_path: Path) -> None:
    now_ns = time.time_ns() // MINUTE_NS * MINUTE_NS
    for path in ("vpn", "expressroute"):
        keep(tmp_path, path, rows_for(path, now_ns - 10 * MINUTE_NS))
    told: list[str] = []
    _, pairs = pairs_of_history(tmp_path, BOTH, since_ns=-(10**21), until_ns=now_ns, progress=told.append)
    assert (len(told), len(pairs) + pairs.excluded.total) == (1, 3000)
