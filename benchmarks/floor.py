"""The least that stamped STAMP packets cost in Python: a loop that sends, reads both stamps, and keeps no books.

``python -m benchmarks.floor SECONDS SOURCE SOURCE TARGET PORT`` prints microseconds of CPU for each packet.
"""

from __future__ import annotations

import select
import socket
import sys
import time

from benchmarks.agent import PACKETS_PER_SECOND, STREAMS
from collectors import ancillary

_REQUEST_SIZE = 44
_EPOLL_ERROR_QUEUE = select.EPOLLERR


def main(seconds: float, sources: list[str], far: tuple[str, int]) -> None:
    """Send on the streams' sockets in two groups, half an interval apart, as two probes on two paths would."""
    sockets = [_socket(sources[number % len(sources)]) for number in range(STREAMS)]
    groups = (sockets[:2], sockets[2:])
    by_descriptor = {sock.fileno(): sock for sock in sockets}
    gap_s = 1 / PACKETS_PER_SECOND / len(groups)
    received = tick = 0
    with select.epoll() as ready:
        for sock in sockets:
            ready.register(sock, select.EPOLLIN)
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            if now >= began + tick * gap_s:
                for sock in groups[tick % 2]:
                    sock.sendto(tick.to_bytes(4, "big").ljust(_REQUEST_SIZE, b"\0"), far)
                tick += 1
            for descriptor, events in ready.poll(max(began + tick * gap_s - time.monotonic(), 0)):
                received += _read(by_descriptor[descriptor], events)
    print(time.process_time() / received * 1e6)


def _socket(source: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    sock.setblocking(False)
    sock.setsockopt(ancillary.SOL_SOCKET, ancillary.SO_TIMESTAMPING, ancillary.SOFTWARE_STAMPS)
    sock.setsockopt(ancillary.SOL_IP, ancillary.IP_RECVERR, 1)
    return sock


def _read(sock: socket.socket, events: int) -> int:
    """Read what epoll says is there; return how many answers that were."""
    if events & _EPOLL_ERROR_QUEUE:
        ancillary.parse_error_queue(sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)[1])
    if not events & select.EPOLLIN:
        return 0
    ancillary.parse_arrival(sock.recvmsg(2048, 512)[1])
    return 1


if __name__ == "__main__":
    _seconds, *_sources, _target, _port = sys.argv[1:]
    main(float(_seconds), _sources, (_target, int(_port)))
