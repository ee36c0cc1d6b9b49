"""The agent with four streams at a hundred packets a second each, running: what cost and memory are measured on."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import ERAGENT, output_of, running
from benchmarks.wire import STAMP_PORT, Wire

STREAMS = 4
PACKETS_PER_SECOND = 100
_SCRAPE = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())"


class Agent:
    """``eragent run`` on a wire."""

    def __init__(self, process: subprocess.Popen[bytes], wire: Wire, port: int) -> None:
        self.pid = process.pid
        self._wire = wire
        self._url = f"http://127.0.0.1:{port}/metrics"

    def scrape(self) -> dict[str, float]:
        """Return the sum over all streams of each metric, by name, as Prometheus would read them."""
        page = output_of([*self._wire.near, sys.executable, "-S", "-c", _SCRAPE, self._url], seconds=10)
        sums: dict[str, float] = {}
        for line in page.decode().splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name = series.partition("{")[0]
                sums[name] = sums.get(name, 0) + float(value)
        return sums


@contextmanager
def agent(wire: Wire, kinds: Sequence[str]) -> Iterator[Agent]:
    """Run two probes, of these kinds, on two paths each, while the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with TemporaryDirectory() as directory:
        file = Path(directory) / "eragent.yaml"
        file.write_text(json.dumps(_configuration(wire, kinds, port)), encoding="utf-8")  # JSON is YAML
        with running([*wire.near, ERAGENT, "run", "--config", str(file)], ready=f"{STREAMS} streams") as process:
            yield Agent(process, wire, port)


def _configuration(wire: Wire, kinds: Sequence[str], port: int) -> dict[str, object]:
    paths = {f"path-{number}": {"kind": "other", "source": source} for number, source in enumerate(wire.sources)}
    options: dict[str, dict[str, object]] = {"icmp": {}, "stamp": {"port": STAMP_PORT}}
    return {
        "agent": {"name": "benchmark"},
        "listen": f"127.0.0.1:{port}",
        "paths": paths,
        "targets": {"far": {"address": wire.target}},
        "probes": [
            {
                "name": f"{kind}-{number}",
                kind: options[kind],
                "interval": f"{1000 // PACKETS_PER_SECOND}ms",
                "timeout": "2s",
                "targets": ["far"],
                "paths": list(paths),
            }
            for number, kind in enumerate(kinds)
        ],
    }
