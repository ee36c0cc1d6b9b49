"""A history from start to end: the sink for the engine, and the thread that writes what it queued."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from agent.history.counts import HistoryCounts
from agent.history.sink import HistorySink
from agent.history.store import connect
from agent.history.worker import Worker
from agent.history.writer import Writer
from agent.plan import HistoryPlan, Probe

_log = logging.getLogger(__name__)

_TURN_S = 1.0
"""From one commit to the next: what a power cut costs at most."""


class Recorder:
    """Keeps what probes find. A disk that hangs holds up neither them nor, longer than ``patience_s``, the end."""

    def __init__(
        self,
        plan: HistoryPlan,
        agent: str,
        probes: Iterable[Probe],
        *,
        patience_s: float | None = 1.0,
        connect: Callable[[Path], sqlite3.Connection] = connect,
    ) -> None:
        self.counts = HistoryCounts()
        self.sink = HistorySink(self.counts, probes)
        writer = Writer(plan, agent, self.sink.queue, self.counts, connect=connect)
        self._worker = Worker(
            "history",
            turn=writer.turn,
            finish=writer.finish,
            gave_up=self._gave_up,
            turn_s=_TURN_S,
            patience_s=patience_s,
        )

    @property
    def complete(self) -> bool:
        """Whether every sample so far is on disk."""
        return not self.counts.held and not self.counts.dropped.total()

    async def run(self) -> None:
        """Write until cancelled, and then the rest."""
        await self._worker.run()

    @contextlib.asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Write while the context lasts, and the rest at its end."""
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self.run())
            await asyncio.sleep(0)  # a task that is cancelled before it began does nothing at all
            yield
            writing.cancel()

    def _gave_up(self) -> None:
        held = self.counts.held
        if held:  # with none, only minutes are not summed up, which the next agent does
            _log.warning("history: the disk does not answer; %d samples were not written", held)
