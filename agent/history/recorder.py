"""A history from start to end: the sink for the engine, and the thread that writes what it queued."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from agent.history.counts import HistoryCounts
from agent.history.sink import HistorySink
from agent.history.store import connect
from agent.history.writer import Writer
from agent.plan import HistoryPlan, Probe

_log = logging.getLogger(__name__)

_TURN_S = 1.0
"""From one commit to the next: what a power cut costs at most."""

_SWITCH_S = 0.0005
"""How long the writing thread may keep Python's lock from the loop that sends; 5 ms, the default, would be lateness."""


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
        self._writer = Writer(plan, agent, self.sink.queue, self.counts, connect=connect)
        self._patience_s = patience_s
        self._told_to_end = threading.Event()

    @property
    def complete(self) -> bool:
        """Whether every sample so far is on disk."""
        return not self.counts.held and not self.counts.dropped.total()

    async def run(self) -> None:
        """Write until cancelled, and then the rest; an unexpected exception of the thread is raised here."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def end(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(None) if error is None else ended.set_exception(error)

        def work() -> None:
            error: BaseException | None = None
            try:
                self._work()
            except BaseException as bug:  # the loop raises it: whatever it is, the program is to end
                error = bug
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(end, error)

        sys.setswitchinterval(_SWITCH_S)
        # A daemon: at its end the program does not wait for a disk that does not answer.
        threading.Thread(target=work, name="history", daemon=True).start()
        try:
            await asyncio.shield(ended)
        finally:
            self._told_to_end.set()
            await asyncio.wait([ended], timeout=self._patience_s)
            if ended.done():
                ended.result()
            else:
                _log.warning("history: the disk does not answer; %d samples were not written", self.counts.held)
                ended.cancel()

    @contextlib.asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Write while the context lasts, and the rest at its end."""
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self.run())
            await asyncio.sleep(0)  # a task that is cancelled before it began does nothing at all
            yield
            writing.cancel()

    def _work(self) -> None:
        while not self._told_to_end.wait(_TURN_S):
            self._writer.turn()
        self._writer.finish()
