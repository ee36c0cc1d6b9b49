"""``eragent reflect --iperf3`` has iperf3's server running beside the reflector, for the same peers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.reflect import command
from collectors.iperf3.program import find_program
from collectors.iperf3.run import run_test
from collectors.path import NetworkPath
from tests.collectors.iperf3.servers import SHORT, children, free_port
from tests.collectors.iperf3.test_run import alive, waited_for


@contextmanager
def reflecting(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "agent", "reflect", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()
    assert process.returncode == 0


@pytest.mark.root  # newer kernels want CAP_NET_ADMIN for a filter of a TCP socket
async def test_it_serves_the_peers_that_are_answered_until_its_end() -> None:
    port = free_port()
    arguments = ("--listen", "127.0.0.1:0", "--allow", "127.0.0.0/30", "--iperf3", f"127.0.0.1:{port}")
    with reflecting(*arguments) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Answering on 127.0.0.1:")
        assert process.stderr.readline() == f"eragent: iperf3's server listens on 127.0.0.1:{port}\n"
        (child,) = children(process.pid)
        outcomes = {}
        for source in ("127.0.0.3", "127.0.0.4"):
            options = replace(SHORT, port=port, connect_timeout_s=0.3, bits_per_second=1_000_000)
            path = NetworkPath(name="path", source=ip_address(source))
            result = await run_test(options, "127.0.0.1", path, program=await find_program())
            outcomes[source] = None if result.trouble is None else result.trouble.failure.value
        assert outcomes == {"127.0.0.3": None, "127.0.0.4": "timed_out"}
    waited_for(lambda: not alive(child) or None)


def test_key_and_users_go_together(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--iperf3", "127.0.0.1:5201", "--iperf3-key-file", str(tmp_path / "k")])
    assert result.exit_code == 2
    assert "--iperf3-key-file and --iperf3-users-file go together" in result.output
