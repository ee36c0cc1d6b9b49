"""Measures what a stream at a hundred packets a second costs, beside a program that does nothing but send."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from benchmarks.agent import PACKETS_PER_SECOND, STREAMS, agent
from benchmarks.figure import Figure, NotRun
from benchmarks.processes import cpu_share, hogs, output_of
from benchmarks.wire import STAMP_PORT, Wire, any_wire

SECONDS = 15
_SETTLE_S = 3


def run() -> Iterator[Figure]:
    """Measure the agent in its steady state, with four streams of each kind; then once more with warm caches.

    A processor that sleeps between packets has forgotten all about this program when the next one comes: the same
    instructions take several times as long. With loops on all cores it cannot sleep.
    """
    with any_wire() as wire, wire.reflector():
        for kind in ("icmp", "stamp") if wire.pings else ("stamp",):
            share = _share(wire, kind)
            yield Figure(name=f"{kind}: CPU of a stream, of a core", value=share * 100 / STREAMS, unit="%", at_most=1)
            yield _of_a_packet(kind, share)
        if not wire.pings:
            yield Figure(name="icmp: not run: net.ipv4.ping_group_range leaves this group out", value=None)
        yield _at_least(wire, "bare Python loop")
        with hogs(seconds=6 * SECONDS):
            for kind in ("icmp", "stamp") if wire.pings else ("stamp",):
                yield _of_a_packet(f"{kind}, all cores busy", _share(wire, kind))
            yield _at_least(wire, "bare Python loop, all cores busy")


def _share(wire: Wire, kind: str) -> float:
    """Return how much of a core the agent takes with four streams."""
    with agent(wire, (kind, kind)) as running:
        time.sleep(_SETTLE_S)
        before = running.scrape()["eragent_packets_received_total"]
        share = cpu_share(running.pid, seconds=SECONDS)
        received = running.scrape()["eragent_packets_received_total"] - before
    if received < STREAMS * PACKETS_PER_SECOND * SECONDS * 0.9:
        raise NotRun(f"{kind}: only {received:.0f} packets were answered: the cost of fewer packets says nothing")
    return share


def _of_a_packet(label: str, share: float) -> Figure:
    per_packet_us = share * 1e6 / (STREAMS * PACKETS_PER_SECOND)
    return Figure(name=f"{label}: CPU of a packet", value=per_packet_us, unit="µs")


def _at_least(wire: Wire, label: str) -> Figure:
    """Measure a loop in bare Python that sends as many STAMP packets in as many slots, but keeps no books.

    The agent's two probes have slots of their own, half an interval apart.
    """
    interval_s = len(wire.sources) / (STREAMS * PACKETS_PER_SECOND)
    asked = [f"{interval_s:g}", str(SECONDS // 2), wire.target, str(STAMP_PORT), *wire.sources]
    command = [*wire.near, sys.executable, "-m", "benchmarks.python_loop", *asked]
    return Figure(name=f"{label}: CPU of a packet", value=float(output_of(command, seconds=SECONDS + 10)), unit="µs")
