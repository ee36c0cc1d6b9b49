"""Looks after a running agent: logs what changed about streams and the clock, feeds systemd's watchdog."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from agent.reload import Place
from agent.report.figures import Figures
from agent.service import systemd
from agent.service.changes import Change, Watching, duration
from agent.service.logs import fields
from agent.sink import StreamKey
from collectors.clock import ClockState, kernel_clock_state
from collectors.errors import CollectorError

_log = logging.getLogger(__name__)

_EVERY_S = 1.0
_AT_ONCE = 32
"""Streams that are looked at before others have their turn on the loop: 0.1 ms."""
_REFLECTOR_AWAY_NS = 90_000_000_000
"""How long an agent may go without the reflector that is all it has: one that ends is started within a minute."""


class Sending(Protocol):
    """What is asked of the engine."""

    @property
    def troubles(self) -> Mapping[StreamKey, CollectorError]:
        """Why streams are not sending at present."""

    def stalled(self) -> Sequence[Place]:
        """Return the probes and targets whose slots go by unused."""


class Answers(Protocol):
    """What is asked of the reflector."""

    @property
    def answering(self) -> bool:
        """Whether it lives and answers."""


class Lookout:
    """Looks after the streams of an engine, this host's clock, and the reflector of an agent that only has that."""

    def __init__(
        self,
        engine: Sending,
        figures: Figures,
        reflector: Callable[[], Answers | None],
        *,
        clock_state: Callable[[], ClockState] = kernel_clock_state,
        notify: Callable[[str], None] = systemd.notify,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.watching = Watching()
        self._engine = engine
        self._figures = figures
        self._reflector = reflector
        self._clock_state = clock_state
        self._notify = notify
        self._monotonic_ns = monotonic_ns
        self._kept: bool | None = None
        self._lost_ns = 0
        self._stalled: Sequence[Place] = ()
        self._answered_ns = monotonic_ns()
        self._away_ns: int | None = None  # since when the reflector does not answer, if it did before
        self._answered = False
        self._status = ""

    @property
    def status(self) -> str:
        """How the agent is, in one sentence."""
        streams, troubled = self._figures.streams, self.watching.troubled
        parts = [f"{len(streams)} streams" if len(streams) != 1 else "1 stream"] if streams else []
        parts += [f"{len(troubled)} in trouble, among them {_path(troubled[0])}"] if troubled else []
        reflector = self._reflector()
        if reflector is not None:
            parts.append("the reflector answers" if reflector.answering else "the reflector does not answer")
        return "; ".join(parts) or "nothing to probe and nothing to answer"

    async def run(self, watchdog_s: float | None) -> None:
        """Look once a second, and feed the watchdog this often where there is one."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_looking())
            if watchdog_s is not None:
                group.create_task(self._keep_feeding(watchdog_s))

    async def look(self) -> None:
        """Log what changed, and tell the manager where that changed how the agent is."""
        troubles = self._engine.troubles
        for place, (key, stream) in enumerate(list(self._figures.streams.items())):
            if place % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            if self._figures.streams.get(key) is not stream:  # a reload took it away meanwhile
                continue
            changes = self.watching.look(
                self._monotonic_ns(),
                key,
                stream.counts,
                trouble=troubles.get(key),
                address=stream.address,
                resolved=stream.resolved,
            )
            for change in changes:
                _tell(change)
        self._look_at_clock()
        self._look_at_reflector()
        if self.status != self._status:
            self._status = self.status
            self._notify(f"STATUS={self._status}")

    def feed(self) -> None:
        """Tell the watchdog that the agent is alive, if it does what it is for: slots are used, or probes answered."""
        stalled = self._engine.stalled()
        if stalled and not self._stalled:
            _log.error("the slots of %s to %s go by unused: the watchdog is not fed", *stalled[0])
        self._stalled = stalled
        if not stalled and self._reflects():
            self._notify(systemd.ALIVE)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.look()

    async def _keep_feeding(self, every_s: float) -> None:
        while True:
            self.feed()
            await asyncio.sleep(every_s)

    def _reflects(self) -> bool:
        """Whether the reflector is there, where that is all there is."""
        reflector, now_ns = self._reflector(), self._monotonic_ns()
        if reflector is None or reflector.answering or self._figures.streams:
            self._answered_ns = now_ns
        return now_ns - self._answered_ns < _REFLECTOR_AWAY_NS

    def _look_at_reflector(self) -> None:
        """Tell that it is back; why it ended, and that it is started again, was told when it did."""
        reflector = self._reflector()
        answers = reflector is not None and reflector.answering
        if answers and self._away_ns is not None:
            lasted = duration(self._monotonic_ns() - self._away_ns)
            _log.info("the reflector answers again, after %s", lasted, extra=fields(reason="reflector"))
        if answers or reflector is None:
            self._away_ns = None
        elif self._answered:
            self._away_ns = self._monotonic_ns()
        self._answered = answers

    def _look_at_clock(self) -> None:
        try:
            kept = self._clock_state().synchronised
        except OSError:  # a sandbox forbids to ask: metrics have no series of the clock then
            return
        if kept and self._kept is False:
            lasted = duration(self._monotonic_ns() - self._lost_ns)
            _log.info("this host's clock is kept again, after %s", lasted, extra=fields(reason="clock"))
        elif not kept and self._kept is not False:
            self._lost_ns = self._monotonic_ns()
            message = "this host's clock is not kept (`timedatectl`): no one-way delays are valid"
            _log.warning(message, extra=fields(reason="clock"))
        self._kept = kept


def _tell(change: Change) -> None:
    key = change.key
    own = fields(probe=key.probe, kind=key.kind, target=key.target, path=key.path, reason=change.reason)
    _log.log(logging.WARNING if change.bad else logging.INFO, "%s", change.text, extra=own)


def _path(key: StreamKey) -> str:
    return f"{key.probe} to {key.target} on {key.path}"
