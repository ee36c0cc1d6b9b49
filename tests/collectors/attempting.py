"""Attempts that run in a test, and what they delivered."""

from __future__ import annotations

import asyncio

from collectors.attempts import Attempts, Client
from collectors.clock import SystemClock
from collectors.path import NetworkPath
from collectors.sample import Outcome, Sample
from collectors.session import SessionEvent
from collectors.tcp.client import TcpClient
from collectors.tcp.options import TcpOptions

MS = 1_000_000


class Attempting:
    """A stream of attempts, aimed at ``host`` where there is one."""

    def __init__(
        self, client: Client, host: str | None = None, path: NetworkPath | None = None, *, timeout_ns: int = 500 * MS
    ) -> None:
        self.events: list[SessionEvent] = []
        self.stream = Attempts(
            client,
            path or NetworkPath(name="p"),
            timeout_ns=timeout_ns,
            clock=SystemClock(),
            loop=asyncio.get_running_loop(),
            deliver=self.events.extend,
        )
        if host is not None:
            self.stream.aim(host)

    def send(self, *slots: int) -> None:
        for slot in slots:
            self.stream.send(slot, due_ns=SystemClock.monotonic_ns())

    async def settle(self) -> None:
        await asyncio.wait_for(self.stream.idle(), 10)

    def samples(self) -> list[Sample]:
        return [event for event in self.events if isinstance(event, Sample)]

    def outcomes(self) -> list[tuple[Outcome, str | None]]:
        return [(sample.outcome, sample.reason) for sample in self.samples()]


def tcp(host: str, port: int, path: NetworkPath | None = None, *, timeout_ns: int = 500 * MS) -> Attempting:
    """Return attempts to connect to a port."""
    options = TcpOptions(port=port)
    client = TcpClient(options, timeout_ns=timeout_ns, clock=SystemClock(), loop=asyncio.get_running_loop())
    return Attempting(client, host, path, timeout_ns=timeout_ns)
