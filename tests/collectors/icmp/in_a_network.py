"""Two hundred probers of one host ask the same far ends at once. Prints what became of their packets, as JSON.

Runs as root within ``unshare --net``; the argument names the sockets, ping or raw.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import uvloop

from collectors.clock import SystemClock
from collectors.icmp.sender import IcmpOptions, IcmpSender
from collectors.path import NetworkPath
from collectors.sample import Sample
from collectors.session import Session, SessionEvent

PROBERS, PACKETS = 200, 3
GROUPS = {"ping": "0 0", "raw": "1 0"}  # who may open ping sockets; raw sockets are for those who may not
SAME = 7


def prober(events: list[SessionEvent]) -> Session:
    """Return one whose requests have the identifier of all others, where that is ours to choose."""
    return Session(
        IcmpSender(IcmpOptions(), identifier=SAME),
        NetworkPath(name="any"),
        timeout_ns=20_000_000_000,
        clock=SystemClock(),
        loop=asyncio.get_running_loop(),
        deliver=events.extend,
    )


async def main() -> dict[str, int]:
    told: list[list[SessionEvent]] = [[] for _ in range(PROBERS)]
    probers = [prober(events) for events in told]
    for number, session in enumerate(probers):
        session.aim(("127.0.0.1", "::1")[number % 2])
        session.prepare()
    for slot in range(PACKETS):
        for session in probers:
            session.send(slot, SystemClock.monotonic_ns())
        await asyncio.gather(*(session.idle() for session in probers))
    await asyncio.sleep(0.1)  # what is taken for a further answer comes now
    counts: Counter[str] = Counter()
    for session, events in zip(probers, told, strict=True):
        session.close()
        counts["whole"] += [event.sequence for event in events if isinstance(event, Sample)] == list(range(PACKETS))
        for event in events:
            counts[event.outcome if isinstance(event, Sample) else type(event).__name__] += 1
    return dict(counts)


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/ping_group_range").write_text(GROUPS[sys.argv[1]], encoding="ascii")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(main())))
