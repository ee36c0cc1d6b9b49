"""Measures whether eragent, at a thousand packets a second, loses packets of its own making."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.capture import Way
from benchmarks.figure import Figure, NotRun
from benchmarks.processes import ERAGENT, output_of
from benchmarks.tap import tapped
from benchmarks.wire import STAMP_PORT, Wire, veth

SECONDS = 10


def run() -> Iterator[Figure]:
    """Send on a wire that loses nothing, so that every packet missing is missing by our own doing."""
    for kind in ("icmp", "stamp"):
        with veth() as wire, wire.reflector(), TemporaryDirectory() as directory:
            with tapped(wire, Path(directory)) as tap:
                stream = _probe(wire, kind)
            at_sender, _ = tap.passages()
        replies = {passage.sequence for passage in at_sender if passage.way is Way.REPLY}
        overlooked = [s for s in stream["samples"] if s["rtt_ns"] is None and s["sequence"] in replies]
        yield Figure(name=f"{kind}: packets lost", value=stream["lost"], at_most=0)
        yield Figure(name=f"{kind}: packets not sent", value=stream["not_sent"], at_most=0)
        yield Figure(name=f"{kind}: lost although their reply was captured", value=len(overlooked))
        yield Figure(name=f"{kind}: packets sent", value=stream["sent"])
        yield Figure(name=f"{kind}: slots missed because the host was late", value=stream["slots_missed"])
        yield Figure(name=f"{kind}: send lateness, p99", value=stream["send_lateness_ns"]["p99"] / 1e3, unit="µs")
    # Some hosts, virtual ones above all, let no program run in every millisecond.
    said = output_of([sys.executable, "-m", "benchmarks.timer", str(SECONDS), "1"], seconds=SECONDS + 10)
    yield Figure(name="slots missed by a loop that only waits for them", value=float(said))


def _probe(wire: Wire, kind: str) -> dict[str, Any]:
    port = ["--port", str(STAMP_PORT)] if kind == "stamp" else []
    bound = ["--interval", "1ms", "--duration", f"{SECONDS}s", "--json", "--samples"]
    command = [*wire.near, ERAGENT, "probe", "--target", wire.target, "--type", kind, *port, *bound]
    (stream,) = json.loads(output_of(command, seconds=SECONDS + 30))["streams"]
    if not stream["sent"]:
        raise NotRun(f"eragent probe --type {kind} sent nothing")
    return dict(stream)
