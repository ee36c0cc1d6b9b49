"""Measures how far the round-trip times of ``eragent probe`` are from those that captures at both ends show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure, NotRun
from benchmarks.processes import ERAGENT, hogs, output_of
from benchmarks.tap import tapped
from benchmarks.truth import RoundTrip, deviation, round_trips
from benchmarks.wire import STAMP_PORT, Wire, veth
from collectors.statistics import percentile

SECONDS = 30
_INTERVAL_MS = 10
_LEAST_MATCHED = 0.99  # of the packets answered; with fewer the captures are no witness
_MEDIAN_US, _P99_US = 10, 50


def run() -> Iterator[Figure]:
    """Compare both kinds of probes, on an idle host and with every core kept busy."""
    for busy in (False, True):
        for kind in ("icmp", "stamp"):
            with veth() as wire, wire.reflector(), TemporaryDirectory() as directory:
                yield from _compared(wire, Path(directory), kind, busy=busy)


def _compared(wire: Wire, directory: Path, kind: str, *, busy: bool) -> Iterator[Figure]:
    with tapped(wire, directory) as tap, hogs(seconds=SECONDS + 10) if busy else nullcontext():
        rtts_ns = _probe(wire, kind)
    truths = round_trips(*tap.passages())
    found = deviation(rtts_ns, {number: truth.network_ns for number, truth in truths.items()})
    if found is None or found.packets < len(rtts_ns) * _LEAST_MATCHED:
        raise NotRun(
            f"of {len(rtts_ns)} answers the captures show {found.packets if found else 0}: tcpdump lost the rest"
        )
    label = f"{kind}, {'all cores busy' if busy else 'idle'}"
    yield Figure(name=f"{label}: error of RTT, median", value=found.median / 1e3, unit="µs", at_most=_MEDIAN_US)
    yield Figure(name=f"{label}: error of RTT, p99", value=found.p99 / 1e3, unit="µs", at_most=_P99_US)
    yield Figure(name=f"{label}: error of RTT, largest", value=found.max / 1e3, unit="µs")
    yield Figure(name=f"{label}: error of RTT, signed median", value=found.bias / 1e3, unit="µs")
    if kind == "icmp":
        with_dwell = deviation(rtts_ns, {number: truth.wire_ns for number, truth in truths.items()})
        assert with_dwell is not None
        name = f"{label}: error of RTT if the kernel's dwell were part of it, median"
        yield Figure(name=name, value=with_dwell.median / 1e3, unit="µs")
    yield from _circumstances(label, truths)


def _circumstances(label: str, truths: dict[int, RoundTrip]) -> Iterator[Figure]:
    """Say what was there to be measured: without it an error is hard to judge."""
    for name, values in (
        ("RTT by the captures", sorted(truth.network_ns for truth in truths.values())),
        ("dwell by the captures", sorted(truth.dwell_ns for truth in truths.values())),
    ):
        yield Figure(name=f"{label}: {name}, median", value=percentile(values, 0.5) / 1e3, unit="µs")


def _probe(wire: Wire, kind: str) -> dict[int, int]:
    """Return the round-trip times that ``eragent probe`` reports, by sequence number."""
    port = ["--port", str(STAMP_PORT)] if kind == "stamp" else []
    bound = ["--interval", f"{_INTERVAL_MS}ms", "--duration", f"{SECONDS}s", "--json", "--samples"]
    command = [*wire.near, ERAGENT, "probe", "--target", wire.target, "--type", kind, *port, *bound]
    (stream,) = json.loads(output_of(command, seconds=SECONDS + 30))["streams"]
    rtts_ns = {sample["sequence"]: sample["rtt_ns"] for sample in stream["samples"] if sample["rtt_ns"] is not None}
    if not rtts_ns:
        raise NotRun(f"eragent probe --type {kind} had no answer")
    return rtts_ns
