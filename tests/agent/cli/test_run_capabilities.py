"""What ``eragent run`` gives up at its start, and what it says where something is lacking."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.cli.test_run import CONFIGURATION, free_port
from tests.agent.conftest import ERAGENT
from tests.dashboards.programs import running, wait_until

# The bounding set is what root's programs get: without it they get nothing.
WITHOUT_ANY = (
    "import os, sys; from agent.service.capabilities import keep_only; keep_only(()); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "eragent.yaml"
    text = CONFIGURATION.format(http=free_port(socket.SOCK_STREAM), stamp=free_port(socket.SOCK_DGRAM))
    found.write_text(
        f"{text}modules: {{stamp: {{stamp: {{}}}}}}\n", encoding="utf-8"
    )  # those there are without: ICMP too
    return found


def capabilities(process: int) -> set[str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb"))}


@pytest.mark.root
def test_an_agent_that_needs_no_capability_has_none_and_neither_has_its_reflector(file: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running([*ERAGENT, "run", "--config", str(file)], log=log) as process:
        wait_until(lambda: "Answering on" in log.read_text() and "keeps" in log.read_text(), "reflector", log)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        for number in (process.pid, int(children[0])):
            assert capabilities(number) == {"0000000000000000"}
    assert "eragent: keeps no capability; gave up " in log.read_text()


@pytest.mark.root
def test_a_mark_keeps_one_capability(file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text().replace("source: 127.0.0.2", "source: 127.0.0.2, fwmark: 7"), encoding="utf-8")
    log = tmp_path / "log"
    with running([*ERAGENT, "run", "--config", str(file)], log=log) as process:
        wait_until(lambda: "keeps" in log.read_text(), "start", log)
        assert len(capabilities(process.pid) - {"0000000000000000"}) == 1
    assert "for the fwmark of path vpn; gave up " in log.read_text()


@pytest.mark.root
def test_a_capability_that_is_missing_is_exit_code_4_with_a_remedy(file: Path) -> None:
    file.write_text(file.read_text().replace("source: 127.0.0.2", "source: 127.0.0.2, fwmark: 7"), encoding="utf-8")
    command = [sys.executable, "-c", WITHOUT_ANY, *ERAGENT, "run", "--config", str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert found.returncode == 4
    [line] = found.stderr.splitlines()
    assert line.startswith("eragent: the fwmark of path vpn needs CAP_NET_")
    assert "AmbientCapabilities=" in line
