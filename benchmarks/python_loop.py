"""The least that a STAMP round trip costs in Python, with eragent's own timer, event loop and system calls.

``python -m benchmarks.python_loop INTERVAL SECONDS TARGET PORT [SOURCE ...]`` sends in every slot, from each of these
addresses, and reads answers and the kernel's stamps as seldom as eragent does. It looks at nothing of what it reads,
and keeps no books: what eragent takes beyond this is Python that makes samples of packets. In the end it prints
microseconds of CPU for each answer, its own start left out.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Sequence

from agent import loop
from agent.schedule import Slots, Tick, Ticker
from collectors import ancillary
from collectors.messages import Inbox
from collectors.session import LONGEST_WAIT_NS

_READ_TOGETHER = 20  # answers at most, as eragent
_ANY_SOURCE = ""
_REQUEST = struct.Struct("!IQHH28x")
_UNSYNCHRONISED = 0x3FFF
_ID = struct.Struct("@I")


async def main(interval_s: float, seconds: float, far: tuple[str, int], sources: Sequence[str]) -> None:
    """Send and read for so long, and print what it cost."""
    sockets, inbox = [_socket(source) for source in sources], Inbox(slots=64, slot_size=2048)
    slots = Slots(start_ns=time.monotonic_ns(), interval_ns=round(interval_s * 1e9))
    read_every = min(max(LONGEST_WAIT_NS // slots.interval_ns, 1), _READ_TOGETHER)
    answers = 0

    def on_tick(tick: Tick) -> None:
        nonlocal answers
        number = _ID.pack(tick.slot)
        stamp_id = (ancillary.SOL_SOCKET, ancillary.SCM_TS_OPT_ID, number)
        for sock in sockets:
            request = _REQUEST.pack(tick.slot, time.time_ns(), _UNSYNCHRONISED, 0)
            sock.sendmsg((request,), (stamp_id,), 0, far)
        if tick.slot % read_every == 0:
            for sock in sockets:
                inbox.receive(sock.fileno(), socket.MSG_ERRQUEUE)
                answers += inbox.receive(sock.fileno())

    began_s = time.process_time()
    ticker = Ticker(asyncio.get_running_loop(), slots, on_tick)
    await asyncio.sleep(seconds)
    ticker.close()
    print((time.process_time() - began_s) / answers * 1e6)
    for sock in sockets:
        sock.close()


def _socket(source: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    sock.setblocking(False)
    sock.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, ancillary.SOFTWARE_STAMPS)
    sock.setsockopt(ancillary.SOL_IP, ancillary.IP_RECVERR, 1)
    return sock


if __name__ == "__main__":
    _interval, _seconds, _target, _port, *_sources = sys.argv[1:]
    loop.run(main(float(_interval), float(_seconds), (_target, int(_port)), _sources or [_ANY_SOURCE]))
