"""Measures how much memory the running agent takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.agent import STREAMS, agent
from benchmarks.figure import Figure
from benchmarks.processes import resident_octets
from benchmarks.wire import any_wire

SECONDS = 30
_MIB = 1 << 20
_AT_MOST_MIB = 60


def run() -> Iterator[Figure]:
    """Measure the agent with four streams, which has been asked for its metrics too, after half a minute."""
    with any_wire() as wire, wire.reflector():
        kinds = ("icmp", "stamp") if wire.pings else ("stamp", "stamp")
        with agent(wire, kinds) as running:
            time.sleep(1)
            yield Figure(name="resident size after one second", value=resident_octets(running.pid) / _MIB, unit="MiB")
            time.sleep(SECONDS - 1)
            running.scrape()
            yield Figure(
                name=f"resident size with {STREAMS} streams after {SECONDS} s",
                value=resident_octets(running.pid) / _MIB,
                unit="MiB",
                at_most=_AT_MOST_MIB,
            )
