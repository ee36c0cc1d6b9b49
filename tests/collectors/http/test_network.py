"""What routers say of an attempt's packets is the attempt's failure, with who said it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ROUTER = "10.9.0.254"


@pytest.mark.root
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_router_that_turns_packets_down_is_named(loop: str) -> None:
    command = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.collectors.http.in_a_network", loop]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "10.9.2.1": ["host_unreachable", "connect", ROUTER],
        "10.9.3.1": ["prohibited", "connect", ROUTER],
        "10.9.1.1": ["refused", "connect", None],
    }
