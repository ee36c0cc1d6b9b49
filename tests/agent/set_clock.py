"""A reflector on loopback whose clock a test sets: it has no kernel stamps, so this clock is all it has."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

from collectors.ancillary import SO_TIMESTAMPING, SOL_SOCKET
from collectors.clock import ClockState, SystemClock
from collectors.stamp.listener import open_listeners
from collectors.stamp.reflector import Reflector
from collectors.stamp.server import Server


class SetClock(SystemClock):
    """The host's clocks, but for a wall clock that somebody sets."""

    def __init__(self, ahead_ns: int = 0) -> None:
        self.ahead_ns = ahead_ns

    def wall_ns(self) -> int:
        return SystemClock.wall_ns() + self.ahead_ns


@contextmanager
def reflecting(clock: SetClock, state: ClockState) -> Iterator[int]:
    """Run a reflector with this clock, and yield its port."""
    stop, stopper = socket.socketpair()
    [listener] = open_listeners(ip_address("127.0.0.1"), 0)
    with stop, stopper, listener.socket, select.epoll() as ready:
        listener.socket.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, 0)
        reflector = Reflector(port=listener.port, allow=(ip_network("127.0.0.0/8"),))
        server = Server([listener], reflector, clock=clock, clock_state=lambda: state, ready=ready)
        thread = threading.Thread(target=server.run, args=(stop.fileno(),))
        thread.start()
        try:
            yield listener.port
        finally:
            stopper.send(b"\0")
            thread.join()
