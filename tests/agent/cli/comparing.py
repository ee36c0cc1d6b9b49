"""Samples, files and histories of two paths for the tests of ``eragent compare``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from agent.cli import main
from agent.history.rows import Row
from agent.history.store import MINUTE_NS, Store, connect
from agent.history.summary import Extras
from agent.sink import StreamKey
from tests.agent.compare.streams import MIDNIGHT_NS
from tests.agent.history.generated import INTERVAL_NS, on_a_path, rows_of

PATHS = ("--baseline", "vpn", "--candidate", "expressroute")


CONFIGURATION = """\
paths:
  vpn: {{source: 127.0.0.2}}
  expressroute: {{source: 127.0.0.3}}
targets:
  hub: {{address: 127.0.0.1}}
probes:
  - name: stamp
    stamp: {{port: {port}}}
    interval: 10ms
    timeout: 300ms
    targets: [hub]
    paths: [vpn, expressroute]
"""


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments], input=stdin)


def sample(path: str, slot: int, rtt_ms: float | None, **others: Any) -> dict[str, Any]:
    return {
        "probe": "stamp",
        "kind": "stamp",
        "target": "hub",
        "path": path,
        "slot": slot,
        "sent_at_ns": MIDNIGHT_NS + slot * 100_000_000,
        "outcome": "lost" if rtt_ms is None else "answered",
        "rtt_ns": None if rtt_ms is None else round(rtt_ms * 1e6),
        "noisy": False,
    } | others


def delays(path: str, count: int, *, base_ms: float = 5, scale_ms: float = 1) -> Iterator[dict[str, Any]]:
    drawn = base_ms + np.random.default_rng(len(path)).exponential(scale_ms, count)
    for slot, rtt_ms in enumerate(drawn):
        yield sample(path, slot, float(rtt_ms))


def jsonl(*streams: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for stream in streams for one in stream)


def keep(directory: Path, path: str, rows: list[Row]) -> None:
    """Write samples into a history, a minute at a time."""
    with closing(Store(connect(directory))) as store:
        stream = store.stream(StreamKey(probe="stamp", kind="stamp", target="hub", path=path), INTERVAL_NS)
        for begin in range(0, len(rows), 600):
            minute = rows[begin].sent_at_ns // MINUTE_NS
            store.append(stream, minute, rows_of(rows[begin : begin + 600]), Extras(), interval_ns=INTERVAL_NS)
            store.complete(stream, minute)


def rows_for(path: str, begin_ns: int) -> list[Row]:
    return list(on_a_path(3000, seed=len(path), slot=begin_ns // INTERVAL_NS, begin_ns=begin_ns))


def of_a_worse_vpn() -> str:
    """Return ten minutes of a VPN whose delays are higher and vary more."""
    return jsonl(delays("vpn", 6000, base_ms=9, scale_ms=3), delays("expressroute", 6000))
