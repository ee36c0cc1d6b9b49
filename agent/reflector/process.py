"""Keeps a reflector running beside the agent, as a process of its own, since others decide its load."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence

from agent.plan import ReflectorPlan
from agent.reflector.counts import ReflectorCounts, SharedCounts

_log = logging.getLogger(__name__)

_PROGRAM = (sys.executable, "-P", "-m", "agent")  # -P: what lies in the working directory is not ours to import
_RESTART_S = 1.0
_RESTART_AT_MOST_S = 60.0


class ReflectorProcess:
    """Runs ``eragent reflect`` as a child, starts it again when it ends, and knows what all of its lives counted.

    ``restarts`` is how often it was started again.
    """

    def __init__(
        self, plan: ReflectorPlan, *, program: Sequence[str] = _PROGRAM, restart_s: float = _RESTART_S
    ) -> None:
        self.restarts = 0
        self._plan = plan
        self._program = program
        self._restart_s = restart_s
        self._before = ReflectorCounts()
        self._living: SharedCounts | None = None

    @property
    def answering(self) -> bool:
        """Whether it lives and answers."""
        return self._living is not None and self._living.answering

    @property
    def serves_twamp(self) -> bool:
        """Whether TWAMP-Control is to be served beside it."""
        return self._plan.twamp is not None

    def counts(self) -> ReflectorCounts:
        """Return what was counted since the agent began; a restart takes nothing away."""
        return (ReflectorCounts() if self._living is None else self._living.read()).after(self._before)

    async def run(self) -> None:
        """Keep the reflector running until cancelled, with growing pauses where it ends again and again.

        Of ends that are alike and follow each other closely, the first is logged.
        """
        delay_s, told = self._restart_s, None
        while True:
            started_s = time.monotonic()
            code = await self._live()
            if time.monotonic() - started_s > _RESTART_AT_MOST_S:
                delay_s, told = self._restart_s, None
            if code != told:
                _log.error("the reflector ended with code %d; it is started again in %.0f s", code, delay_s)
                told = code
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _RESTART_AT_MOST_S)
            self.restarts += 1

    async def _live(self) -> int:
        """Run one child to its end, and return its exit code."""
        shared = SharedCounts()
        with contextlib.closing(shared):
            starting = asyncio.create_task(self._started(shared.descriptor))
            try:
                process = await asyncio.shield(starting)
            except asyncio.CancelledError:
                await _ended(await starting)  # not to be left behind half started
                raise
        self._living = shared
        try:
            return await process.wait()
        finally:
            await _ended(process)
            self._before, self._living = self.counts(), None

    async def _started(self, counts: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._program,
            *reflect_arguments(self._plan),
            *("--with-parent", str(os.getpid()), "--counts-fd", str(counts)),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(counts,),
        )


async def _ended(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


def reflect_arguments(plan: ReflectorPlan) -> list[str]:
    """Return the arguments of ``eragent reflect`` that do what the plan says. A key is passed by its file's name."""
    arguments = ["reflect", "--listen", str(plan.listen)]
    for network in plan.allow:
        arguments += ["--allow", str(network)]
    arguments += ["--packets-per-second", str(plan.packets_per_second), "--max-sessions", str(plan.max_sessions)]
    if plan.key_file is not None:
        arguments += ["--key-file", str(plan.key_file)]
    for ssid in plan.ssids:
        arguments += ["--ssid", str(ssid)]
    if plan.twamp is not None:
        arguments += ["--twamp-control", str(plan.twamp), "--twamp-max-sessions", str(plan.twamp_max_sessions)]
    return arguments
