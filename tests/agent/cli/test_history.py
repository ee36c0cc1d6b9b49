"""``eragent run`` with a history, killed without warning and started again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from agent.history.reading import gaps
from tests.agent.conftest import ERAGENT
from tests.dashboards.programs import free_port

CONFIGURATION = """
agent: {{name: dc1}}
listen: 127.0.0.1:{http}
paths:
  expressroute: {{source: 127.0.0.1}}
  vpn: {{source: 127.0.0.2}}
targets: {{hub: {{address: 127.0.0.3}}}}
probes: [{{name: stamp, stamp: {{port: {stamp}}}, interval: 20ms, timeout: 300ms, targets: [hub]}}]
reflector: {{stamp: {{listen: "127.0.0.3:{stamp}", allow: [127.0.0.0/8]}}}}
history: {{directory: history}}
"""
DEADLINE_S = 15.0


def written(http: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=1) as response:
            lines: list[str] = response.read().decode().splitlines()
    except (urllib.error.URLError, OSError):
        return 0
    [line] = [line for line in lines if line.startswith("eragent_history_samples_written_total")]
    return int(float(line.split()[-1]))


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_samples_outlive_a_kill_and_are_exported_with_the_gap_told(tmp_path: Path) -> None:
    http, stamp = free_port(), free_port(kind=socket.SOCK_DGRAM)
    config = tmp_path / "eragent.yaml"
    config.write_text(CONFIGURATION.format(http=http, stamp=stamp))
    on_disk = 0
    for ending in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen([*ERAGENT, "run", "--config", config], stderr=subprocess.DEVNULL) as process:
            wait_for(lambda: written(http) > 50)
            on_disk += written(http)
            process.send_signal(ending)
    exported = subprocess.run(
        [*ERAGENT, "export", "--config", config], capture_output=True, text=True, check=True
    ).stdout
    samples = [json.loads(line) for line in exported.splitlines()]
    assert len(samples) >= on_disk
    pairs = [{sample["slot"] for sample in samples if sample["path"] == path} for path in ("expressroute", "vpn")]
    assert len(pairs[0] & pairs[1]) >= len(samples) // 2 - 2
    assert [gap.reason for gap in gaps(tmp_path / "history")] == ["killed"]
