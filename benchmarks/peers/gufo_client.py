"""Asks with gufo-ping, in whose environment this runs: ``gufo_client.py TARGET INTERVAL_S COUNT``.

It prints the round-trip time of each packet in seconds, "-" where there was none, when it has asked for all of them.
"""

from __future__ import annotations

import asyncio
import sys

from gufo.ping import Ping  # type: ignore[import-not-found]  # it is in an environment of its own

_RECEIVE_BUFFER = 4 << 20  # with the default buffer it loses answers of its own making at high rates


async def main(target: str, interval_s: float, count: int) -> None:
    """Ask, then print."""
    ping = Ping(recv_buffer_size=_RECEIVE_BUFFER)
    rtts_s = [rtt async for rtt in ping.iter_rtt(target, interval=interval_s, count=count)]
    print("\n".join("-" if rtt is None else repr(rtt) for rtt in rtts_s))


if __name__ == "__main__":
    _target, _interval, _count = sys.argv[1:]
    asyncio.run(main(_target, float(_interval), int(_count)))
