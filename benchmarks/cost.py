"""Measures what a stream at a hundred packets a second costs, beside a program that does nothing but send."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from benchmarks.agent import PACKETS_PER_SECOND, STREAMS, agent
from benchmarks.figure import Figure, NotRun
from benchmarks.processes import cpu_share, output_of
from benchmarks.wire import STAMP_PORT, Wire, any_wire

SECONDS = 20
_SETTLE_S = 3


def run() -> Iterator[Figure]:
    """Measure the agent in its steady state, with four streams of each kind."""
    with any_wire() as wire, wire.reflector():
        for kind in ("icmp", "stamp") if wire.pings else ("stamp",):
            yield from _cost(wire, kind)
        if not wire.pings:
            yield Figure(name="icmp: not run: net.ipv4.ping_group_range leaves this group out", value=None)
        yield _floor(wire)


def _cost(wire: Wire, kind: str) -> Iterator[Figure]:
    with agent(wire, (kind, kind)) as running:
        time.sleep(_SETTLE_S)
        before = running.scrape()["eragent_packets_received_total"]
        share = cpu_share(running.pid, seconds=SECONDS)
        received = running.scrape()["eragent_packets_received_total"] - before
        if received < STREAMS * PACKETS_PER_SECOND * SECONDS * 0.9:
            raise NotRun(f"{kind}: only {received:.0f} packets were answered: the cost of fewer packets says nothing")
        on = f"{kind} on the {wire.name}"
        yield Figure(name=f"{on}: CPU of a stream, of a core", value=share * 100 / STREAMS, unit="%", at_most=1)
        per_packet_us = share * 1e6 / (STREAMS * PACKETS_PER_SECOND)
        yield Figure(name=f"{on}: CPU of a packet", value=per_packet_us, unit="µs")


def _floor(wire: Wire) -> Figure:
    """Measure a loop in bare Python that sends as many packets and reads both stamps, but keeps no books."""
    paths = [*wire.sources, wire.target, str(STAMP_PORT)]
    said = output_of(
        [*wire.near, sys.executable, "-m", "benchmarks.floor", str(SECONDS // 2), *paths], seconds=SECONDS + 10
    )
    return Figure(name=f"bare Python loop on the {wire.name}: CPU of a packet", value=float(said), unit="µs")
