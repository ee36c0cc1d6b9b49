"""Measures how far the round-trip times of ``eragent probe`` are from those that captures at both ends show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figure import Figure, NotRun
from benchmarks.processes import ERAGENT, hogs, output_of
from benchmarks.tap import tapped
from benchmarks.truth import RoundTrip, deviation, round_trips
from benchmarks.wire import STAMP_PORT, Wire, veth
from collectors.statistics import percentile

SECONDS = 30
_INTERVAL_MS = 10
_LEAST_MATCHED = 0.99  # of the packets answered; with fewer the captures are no witness
_MEDIAN_US = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    """A way to probe, and the p99 of the error that is asked of it, µs."""

    name: str
    options: tuple[str, ...]
    p99_us: float
    tells_transmit_times: bool = False


_STAMP = ("--type", "stamp", "--port", str(STAMP_PORT))
_VARIANTS = (
    _Variant(name="icmp", options=("--type", "icmp"), p99_us=50),
    # Follow-Up Telemetry is asked for by itself: the reflector tells the kernel's transmit time of its last answer.
    _Variant(name="stamp", options=_STAMP, p99_us=20, tells_transmit_times=True),
    _Variant(name="stamp without TLVs", options=(*_STAMP, "--tlvs", "none"), p99_us=40),
)


def run() -> Iterator[Figure]:
    """Compare all kinds of probes, on an idle host and with every core kept busy."""
    for busy in (False, True):
        for variant in _VARIANTS:
            label = f"{variant.name}, {'all cores busy' if busy else 'idle'}"
            with veth() as wire, wire.reflector(), TemporaryDirectory() as directory:
                try:
                    yield from _compared(wire, Path(directory), variant, label, busy=busy)
                except NotRun as reason:
                    yield Figure(name=f"{label}: not run: {' '.join(str(reason).split())}", value=None)


def _compared(wire: Wire, directory: Path, variant: _Variant, label: str, *, busy: bool) -> Iterator[Figure]:
    with tapped(wire, directory) as tap, hogs(seconds=SECONDS + 10) if busy else nullcontext():
        stream = _probe(wire, variant)
    rtts_ns = {sample["sequence"]: sample["rtt_ns"] for sample in stream["samples"] if sample["rtt_ns"] is not None}
    truths = round_trips(*tap.passages())
    found = deviation(rtts_ns, {number: truth.network_ns for number, truth in truths.items()})
    if found is None or found.packets < len(rtts_ns) * _LEAST_MATCHED:
        raise NotRun(
            f"of {len(rtts_ns)} answers the captures show {found.packets if found else 0}: tcpdump lost the rest"
        )
    yield Figure(name=f"{label}: error of RTT, median", value=found.median / 1e3, unit="µs", at_most=_MEDIAN_US)
    yield Figure(name=f"{label}: error of RTT, p99", value=found.p99 / 1e3, unit="µs", at_most=variant.p99_us)
    yield Figure(name=f"{label}: error of RTT, largest", value=found.max / 1e3, unit="µs")
    yield Figure(name=f"{label}: error of RTT, signed median", value=found.bias / 1e3, unit="µs")
    yield Figure(name=f"{label}: error of RTT about that median, p99", value=found.spread / 1e3, unit="µs")
    if variant.tells_transmit_times:
        share = stream["reflector"]["kernel_transmit_stamps"] / len(rtts_ns)
        yield Figure(name=f"{label}: answers whose kernel transmit time was told", value=share * 100, unit="%")
    if variant.name == "icmp":
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


def _probe(wire: Wire, variant: _Variant) -> dict[str, Any]:
    """Return what ``eragent probe`` reports of its stream, every packet included."""
    bound = ["--interval", f"{_INTERVAL_MS}ms", "--duration", f"{SECONDS}s", "--json", "--samples"]
    command = [*wire.near, ERAGENT, "probe", "--target", wire.target, *variant.options, *bound]
    (stream,) = json.loads(output_of(command, seconds=SECONDS + 30))["streams"]
    if not stream["received"]:
        raise NotRun(f"eragent probe {' '.join(variant.options)} had no answer")
    return dict(stream)
