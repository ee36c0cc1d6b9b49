"""The least that a STAMP round trip costs in Python, with eragent's own timer, event loop and system calls.

``python -m benchmarks.peers.python_loop INTERVAL SECONDS TARGET PORT`` sends in every slot, and reads answers and the
kernel's stamps as seldom as eragent does. It looks at nothing of what it reads, and keeps no books: what eragent takes
beyond this is Python that makes samples of packets.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time

from agent import loop
from agent.schedule import Slots, Tick, Ticker
from collectors import ancillary
from collectors.messages import Inbox

_READ_EVERY = 20  # slots, as eragent where they are a millisecond long
_REQUEST = struct.Struct("!IQHH28x")
_UNSYNCHRONISED = 0x3FFF
_ID = struct.Struct("@I")


async def main(interval_s: float, seconds: float, target: str, port: int) -> None:
    """Send and read for so long."""
    sock, inbox = _socket(), Inbox(slots=64, slot_size=2048)

    def on_tick(tick: Tick) -> None:
        number = _ID.pack(tick.slot)
        request = _REQUEST.pack(tick.slot, time.time_ns(), _UNSYNCHRONISED, 0)
        stamp_id = (ancillary.SOL_SOCKET, ancillary.SCM_TS_OPT_ID, number)
        sock.sendmsg((request,), (stamp_id,), 0, (target, port))
        if tick.slot % _READ_EVERY == 0:
            inbox.receive(sock.fileno(), socket.MSG_ERRQUEUE)
            inbox.receive(sock.fileno())

    slots = Slots(start_ns=time.monotonic_ns(), interval_ns=round(interval_s * 1e9))
    ticker = Ticker(asyncio.get_running_loop(), slots, on_tick)
    await asyncio.sleep(seconds)
    ticker.close()
    sock.close()


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, ancillary.SOFTWARE_STAMPS)
    sock.setsockopt(ancillary.SOL_IP, ancillary.IP_RECVERR, 1)
    return sock


if __name__ == "__main__":
    _interval, _seconds, _target, _port = sys.argv[1:]
    loop.run(main(float(_interval), float(_seconds), _target, int(_port)))
