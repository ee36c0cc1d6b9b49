"""Real parts for tests of the agent: the program itself, and a reflector that answers on loopback."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

ERAGENT = (sys.executable, "-m", "agent")


@pytest.fixture(scope="session")
def reflector_port() -> Iterator[int]:
    """The port of a running ``eragent reflect`` that answers all of 127.0.0.0/8 on 127.0.0.1."""
    with subprocess.Popen(
        [*ERAGENT, "reflect", "--listen", "127.0.0.1:0", "--allow", "127.0.0.0/8"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        started = re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert started is not None
        yield int(started[1])
        process.terminate()
