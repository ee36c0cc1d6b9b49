"""Reloads: one at a time, each all or nothing, counted and told; what is changed then is the service's business."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agent.config.apart import ReadingError
from agent.config.problems import ConfigError
from agent.plan import Plan
from agent.reload import ProbeChanges, Refusal, RefusedReloadError, probe_changes
from agent.service.logs import fields
from agent.service.parts import Ingredients, ingredients

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ReloadCounts:
    """How reloads went; the start counts as the first one that did."""

    successful: bool = True
    succeeded_at_ns: int = field(default_factory=time.time_ns)
    refused: Counter[Refusal] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A plan as it was read just now, what its parts are made of, and what becomes of probes."""

    plan: Plan
    made_of: Ingredients
    changes: ProbeChanges


Outcome = str | RefusedReloadError
"""What a reload changed, in words, or why it changed nothing."""


class Reloading:
    """Reloads when asked to.

    ``load`` reads the configuration, in a thread, and ``running`` is the plan that is in use. ``apply`` changes what
    runs and says what that was, or raises :class:`RefusedReloadError` before it changes anything. ``told`` learns of
    the beginning (``None``) and the outcome.
    Reloads are tasks of ``group``.
    """

    def __init__(
        self,
        load: Callable[[], Plan],
        running: Callable[[], Plan],
        apply: Callable[[Loaded], Awaitable[str]],
        *,
        counts: ReloadCounts,
        told: Callable[[Outcome | None], None],
        group: asyncio.TaskGroup,
    ) -> None:
        self._counts = counts
        self._load = load
        self._running = running
        self._apply = apply
        self._told = told
        self._group = group
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Outcome] | None = None
        self._tasks: set[asyncio.Task[Outcome]] = set()

    def ask(self) -> asyncio.Task[Outcome]:
        """Return a reload that begins now, or when the one that runs has ended.

        Who asks meanwhile shares that next one: it reads the file later than any of them asked.
        """
        if self._next is None:
            self._next = self._group.create_task(self._reload_next())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        return self._next

    def end(self) -> None:
        """Give up what is under way: the agent ends."""
        for task in self._tasks:
            task.cancel()

    async def _reload_next(self) -> Outcome:
        async with self._turn:
            self._next = None
            self._told(None)
            outcome = await self._reloaded()
            self._count(outcome)
            self._told(outcome)
            return outcome

    async def _reloaded(self) -> Outcome:
        try:
            loaded = await asyncio.to_thread(self._loaded)
            return await self._apply(loaded)
        except ConfigError as error:
            return RefusedReloadError(Refusal.INVALID, map(str, error.problems))
        except ReadingError as error:
            return RefusedReloadError(Refusal.RESTART, [str(error)])
        except RefusedReloadError as refused:
            return refused

    def _loaded(self) -> Loaded:
        plan = self._load()
        changes = probe_changes(self._running().probes, plan.probes)
        return Loaded(plan=plan, made_of=ingredients(plan), changes=changes)

    def _count(self, outcome: Outcome) -> None:
        self._counts.successful = not isinstance(outcome, RefusedReloadError)
        if isinstance(outcome, RefusedReloadError):
            self._counts.refused[outcome.reason] += 1
            _log.error("reload refused, nothing is changed: %s", outcome, extra=fields(reason=outcome.reason))
        else:
            self._counts.succeeded_at_ns = time.time_ns()
            _log.info("reloaded: %s", outcome)
