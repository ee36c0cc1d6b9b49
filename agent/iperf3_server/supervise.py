"""Keeps iperf3's server running for allowed peers, and knows what it says of itself. Runs no test of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.iperf3_server.admission import admission_program, admits_everybody
from agent.iperf3_server.guard import Guard, GuardError, start_guarded
from agent.plan import Iperf3ServerPlan
from collectors.iperf3.failing import Iperf3Error
from collectors.iperf3.program import ended, find_program, started

_log = logging.getLogger(__name__)

_RESTART_S = 1.0
_RESTART_AT_MOST_S = 60.0
_CHUNK = 1 << 16
_LONGEST_LINE = 4096  # a client has a say in what is printed, and may be long-winded
_WILDCARD = "::"


class Iperf3Server:
    """Runs ``iperf3 --server`` as a child, hears allowed peers alone, and starts it again when it ends.

    ``listening``: it is ready, or runs a test; it takes one at a time. ``tests``: how many clients it accepted for one.
    ``restarts``: how often it was started again. ``trouble``: why it ended the last time, while it does not listen.
    """

    def __init__(self, plan: Iperf3ServerPlan, *, program: str = "iperf3", restart_s: float = _RESTART_S) -> None:
        self.listening = False
        self.tests = 0
        self.restarts = 0
        self.trouble: str | None = None
        self._plan = plan
        self._program = program
        self._restart_s = restart_s
        self._guard: Guard | None = None
        self._refused_before = 0

    @property
    def refused(self) -> int:
        """How many packets of peers that are not allowed were dropped, at least."""
        return self._refused_before + (0 if self._guard is None else self._guard.dropped())

    async def run(self) -> None:
        """Keep the server running until cancelled, with growing pauses where it ends again and again."""
        delay_s = self._restart_s
        while True:
            started_s = time.monotonic()
            try:
                self.trouble = await self._live()
            except (Iperf3Error, GuardError, ValueError) as error:
                self.trouble = str(error)
            delay_s = self._restart_s if time.monotonic() - started_s > _RESTART_AT_MOST_S else delay_s
            _log.error("iperf3's server does not run: %s; it is started again in %.0f s", self.trouble, delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _RESTART_AT_MOST_S)
            self.restarts += 1

    async def _live(self) -> str:
        """Run one child to its end, and return what it said last."""
        program = await find_program(self._program)
        async with self._running([program.path, *server_arguments(self._plan)]) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            _, said = await asyncio.gather(self._follow(process.stdout), _last_words(process.stderr))
            code = await process.wait()
        return f"{self._plan.listen}: it ended with code {code}" + (f" and said {said!r}" if said else "")

    @asynccontextmanager
    async def _running(self, command: list[str]) -> AsyncIterator[Process]:
        if admits_everybody(self._plan.allow):
            process = await started(command, {})
        else:
            process, self._guard = await start_guarded(command, admission_program(self._plan.allow))
        try:
            yield process
        finally:
            self.listening = False
            self._end_guard()
            await ended(process)

    def _end_guard(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._refused_before += self._guard.dropped()
            self._guard = None

    async def _follow(self, stream: asyncio.StreamReader) -> None:
        tail = b""
        while chunk := await stream.read(_CHUNK):
            *lines, tail = (tail + chunk).split(b"\n")
            tail = tail[-_LONGEST_LINE:]
            for line in lines:
                self._heard(line)

    def _heard(self, line: bytes) -> None:
        if line.startswith(b"Server listening on "):
            if not self.listening:
                _log.info("iperf3's server listens on %s", self._plan.listen)
            self.listening, self.trouble = True, None
        elif b"Accepted connection from " in line:  # behind the client's own title, where it has one
            self.tests += 1


async def _last_words(stream: asyncio.StreamReader) -> str:
    """Read to the end, and return the last line that says more than that it ends."""
    said = b""
    while chunk := await stream.read(_CHUNK):
        said = (said + chunk)[-_LONGEST_LINE:]
    lines = said.decode(errors="replace").replace("iperf3: exiting", "").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def server_arguments(plan: Iperf3ServerPlan) -> list[str]:
    """Return the arguments of iperf3 that do what the plan says. Keys and users are passed by their files' names."""
    arguments = ["--server", "--port", str(plan.listen.port), "--forceflush"]
    if plan.listen.host != _WILDCARD:  # which is what it does by itself, for IPv4 and IPv6
        arguments += ["--bind", plan.listen.host]
    if plan.private_key_file is not None and plan.users_file is not None:
        arguments += ["--rsa-private-key-path", str(plan.private_key_file)]
        arguments += ["--authorized-users-path", str(plan.users_file)]
    return arguments
