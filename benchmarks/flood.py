"""Measures what a flood from a source that is refused does to the stream of a peer that is answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from benchmarks.figure import Figure, NotRun
from benchmarks.load import udp_drops
from benchmarks.processes import ERAGENT, cores, output_of, pinned, printed_by, running
from benchmarks.wire import STAMP_PORT, Wire, veth
from collectors.statistics import percentile

ROUNDS = 3
SECONDS = 6
FLOOD_PER_SECOND = 50_000
_CLOSED_PORT = STAMP_PORT + 1
_INTERVAL_MS = 10
_AT_MOST = 2.0  # times the idle p99
_LEAST_OFFERED = 0.9  # of the flood that is wanted; with less it was none

# The flood shares a core with nobody who answers, but with the softirq that delivers our own packets: on a real wire it
# would come from elsewhere. Small bursts with naps in between keep that softirq short.
_PACED = ("--rate", str(FLOOD_PER_SECOND), "--burst", "8", "--nap", "0.0001", "--warm-up", "0")


def run() -> Iterator[Figure]:
    """Probe in turn without a flood, with one that passes the reflector by, and with one at the reflector.

    The second shows what the flood costs the host: what is left to the third is the reflector's doing.
    """
    rtts_ns: dict[str, list[int]] = {"idle": [], "beside a flood of another port": [], "under a flood": []}
    lost = dict.fromkeys(rtts_ns, 0)
    offered = []
    with veth() as wire, wire.reflector(allow=wire.sources[:1], core=cores()[1]) as reflector:
        for _ in range(ROUNDS):
            for phase, port in zip(rtts_ns, (None, _CLOSED_PORT, STAMP_PORT), strict=True):
                with _flood(wire, port) as rates:
                    stream = _probe(wire)
                rtts_ns[phase] += [sample["rtt_ns"] for sample in stream["samples"] if sample["rtt_ns"] is not None]
                lost[phase] += stream["lost"]
                offered += rates
        table = Path(f"/proc/{reflector.pid}/net/udp").read_text(encoding="ascii")
    if min(offered) < _LEAST_OFFERED * FLOOD_PER_SECOND:
        raise NotRun(f"the flood was only {min(offered):.0f} packets a second instead of {FLOOD_PER_SECOND}")
    p99s_us = {phase: percentile(sorted(some), 0.99) / 1e3 for phase, some in rtts_ns.items()}
    for phase, p99_us in p99s_us.items():
        yield Figure(name=f"{phase}: RTT of the allowed peer, p99", value=p99_us, unit="µs")
        at_most = 0 if phase == "under a flood" else None
        yield Figure(name=f"{phase}: packets of the allowed peer lost", value=lost[phase], at_most=at_most)
    value = p99s_us["under a flood"] / p99s_us["idle"]
    yield Figure(name="under a flood: RTT of the allowed peer, p99, of its idle figure", value=value, at_most=_AT_MOST)
    yield Figure(name="flood, least of all rounds", value=min(offered), unit="/s")
    yield Figure(name="datagrams without room in the reflector's queue", value=udp_drops(table, STAMP_PORT))


@contextmanager
def _flood(wire: Wire, port: int | None) -> Iterator[list[float]]:
    """Send to ``port`` from the refused source while the context lasts; the list gets its rate, once it has ended."""
    rates: list[float] = []
    if port is None:
        yield rates
        return
    far = ["stamp", wire.target, str(port), "--source", wire.sources[1], "--seconds", str(SECONDS + 2)]
    command = [*wire.near, sys.executable, "-m", "benchmarks.generator", *far, *_PACED]
    with TemporaryFile() as printed, running(pinned(cores()[0], command), stdout=printed) as process:
        yield rates
        rates.append(json.loads(printed_by(process, printed, seconds=SECONDS + 10))["offered_per_second"])


def _probe(wire: Wire) -> dict[str, Any]:
    """Return what ``eragent probe`` reports of its stream from the source that is answered."""
    far = ["--target", wire.target, "--type", "stamp", "--port", str(STAMP_PORT), "--source", wire.sources[0]]
    bound = ["--interval", f"{_INTERVAL_MS}ms", "--duration", f"{SECONDS}s", "--json", "--samples"]
    (stream,) = json.loads(output_of([*wire.near, ERAGENT, "probe", *far, *bound], seconds=SECONDS + 20))["streams"]
    if not stream["received"]:
        raise NotRun("eragent probe had no answer")
    return dict(stream)
