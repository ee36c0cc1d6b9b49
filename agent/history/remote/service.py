"""The thread that sends a history away."""

from __future__ import annotations

import logging
from pathlib import Path

from agent.history.remote.counts import RemoteCounts
from agent.history.remote.sender import RemoteWriter
from agent.history.worker import Worker
from agent.plan import RemoteWritePlan

_log = logging.getLogger(__name__)

_TURN_S = 1.0
"""From one request to the next: some five thousand samples a second at most."""


class RemoteWriting:
    """Sends minutes while it runs; a receiver that does not answer holds up the end for a second at most."""

    def __init__(self, plan: RemoteWritePlan, directory: Path, agent: str) -> None:
        self.counts = RemoteCounts()
        writer = RemoteWriter(plan, directory, agent, self.counts)
        self._worker = Worker(
            "remote write",
            turn=writer.turn,
            finish=_nothing,
            gave_up=_gave_up,
            turn_s=_TURN_S,
            patience_s=1.0,
        )

    async def run(self) -> None:
        """Send until cancelled."""
        await self._worker.run()


def _nothing() -> None:
    """Whatever is not sent yet waits on disk."""


def _gave_up() -> None:
    _log.warning("remote write: a request was under way at the end; it is made again at the next start")
