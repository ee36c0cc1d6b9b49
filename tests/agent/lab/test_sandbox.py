from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.lab.sandbox import AlreadyRunningError, hold_instance
from tests.agent.lab.conftest import QUIET
from tests.agent.lab.traces import Host, processes_in, until


@contextmanager
def killed_at_last(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


@contextmanager
def held_lab(host: Host, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    scenario, temporary = tmp_path / "quiet.yaml", tmp_path / "temporary"
    scenario.write_text(QUIET)
    temporary.mkdir()
    before = host.holds()
    command = host.inside(sys.executable, "-m", "agent.lab", str(scenario))
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as holder,
        killed_at_last(holder),
    ):
        assert holder.stdout is not None
        ready = json.loads(holder.stdout.readline())
        namespace = str(Path(f"/proc/{ready['pid']}/ns/pid").readlink())
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        assert len(processes_in(namespace)) > 1
        yield holder, {**ready, "unshare": int(children[0])}
        until(lambda: holder.poll() is not None)
        until(lambda: not processes_in(namespace))
        until(lambda: not Path(f"/proc/{children[0]}").exists())
        assert not host.holds() - before
        assert list(temporary.iterdir()) == []


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_holder_gets(number: signal.Signals, host: Host, tmp_path: Path) -> None:
    with held_lab(host, tmp_path) as (holder, _):
        holder.send_signal(number)


@pytest.mark.root
@pytest.mark.parametrize("victim", ["pid", "unshare"])
def test_nothing_is_left_when_the_inside_is_killed(victim: str, host: Host, tmp_path: Path) -> None:
    with held_lab(host, tmp_path) as (holder, ready):
        os.kill(ready[victim], signal.SIGKILL)
        until(lambda: holder.poll() == 3)


@pytest.mark.root
def test_nothing_is_left_of_programs_that_run_inside_when_the_holder_is_killed(host: Host, tmp_path: Path) -> None:
    with held_lab(host, tmp_path) as (holder, ready):
        stranger = ["nsenter", "--target", str(ready["pid"]), "--mount", "--net", "--pid", "sleep", "1000"]
        with subprocess.Popen(stranger) as inside:
            holder.kill()
            until(lambda: inside.poll() is not None)


@pytest.mark.root
def test_the_end_of_the_input_ends_the_lab_with_the_links_errors(host: Host, tmp_path: Path) -> None:
    with held_lab(host, tmp_path) as (holder, _):
        out, _ = holder.communicate(timeout=10)
        assert set(json.loads(out)["links"]) == {"er-primary", "er-secondary", "internet"}
        assert holder.returncode == 0


def test_a_second_instance_is_refused_while_the_first_lives() -> None:
    with hold_instance("eragent-test"), pytest.raises(AlreadyRunningError):
        hold_instance("eragent-test")
    hold_instance("eragent-test").close()


def test_the_instances_mark_vanishes_with_a_killed_process() -> None:
    code = (
        "import sys; from agent.lab.sandbox import hold_instance; "
        "lock = hold_instance('eragent-test-2'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(AlreadyRunningError):
            hold_instance("eragent-test-2")
        holder.kill()
    hold_instance("eragent-test-2").close()
