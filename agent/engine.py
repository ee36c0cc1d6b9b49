"""Probes become streams, streams' results go to sinks. Once and forever are the same code: once has a bound."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from agent.host import Suspensions
from agent.pairing import Pairing
from agent.plan import Probe
from agent.reload import Place, ProbeChanges
from agent.sink import Sink, StreamKey
from collectors.clock import Clock, SystemClock
from collectors.errors import CollectorError
from collectors.path import Target

_LATE_SLOTS = 3
_LATE_NS = 5_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """When a run ends: after so many packets on each path of a probe and target, after so long, or by itself never."""

    packets: int | None = None
    duration_ns: int | None = None

    @property
    def is_none(self) -> bool:
        """Whether it ends nothing."""
        return self.packets is None and self.duration_ns is None

    def reached(self, packets: int, elapsed_ns: int) -> bool:
        """Whether this many slots used, or this time since the first, is enough."""
        return (self.packets is not None and packets >= self.packets) or (
            self.duration_ns is not None and elapsed_ns >= self.duration_ns
        )


class Engine:
    """Runs the probes of a plan and hands their results to a sink."""

    def __init__(
        self,
        probes: tuple[Probe, ...],
        sink: Sink,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        suspensions: Suspensions | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._suspensions = suspensions or Suspensions()
        self._group: asyncio.TaskGroup | None = None  # of the tasks that probe, while they may come and go
        self._probing: dict[Place, asyncio.Task[None]] = {}
        self._pairings = {
            (probe.name, target.name): self._pairing(probe, target) for probe in probes for target in probe.targets
        }

    @property
    def troubles(self) -> dict[StreamKey, CollectorError]:
        """Why streams are not sending at present, for those that are not."""
        return {
            key: stream.trouble
            for pairing in self._pairings.values()
            for key, stream in pairing.streams.items()
            if stream.trouble is not None
        }

    def stalled(self) -> list[Place]:
        """Return the probes and targets whose slots go by unused, by more than a busy host explains."""
        now_ns = self._clock.monotonic_ns()
        return [
            place
            for place, pairing in self._pairings.items()
            if pairing.due_ns is not None and now_ns - pairing.due_ns > _LATE_SLOTS * pairing.interval_ns + _LATE_NS
        ]

    async def run(self, bound: Bound | None = None, *, beside_another: bool = False) -> None:
        """Probe until the bound is reached and every packet is settled; without a bound, until cancelled.

        Without a bound, each probe and target starts at a random phase, so that they do not all send at once. An
        unexpected exception, a sink's included, ends the run; of the loop's callbacks it ends the one that is not
        ``beside_another``, which watches them all.
        """
        try:
            async with asyncio.TaskGroup() as group:
                bugs = group.create_task(_nothing() if beside_another else _raise_bugs_of_callbacks())
                for place, pairing in self._pairings.items():
                    self._begin(group, place, pairing, bound)
                if bound is None:
                    self._group = group
                    await asyncio.Event().wait()  # probes may come, also where there are none yet
                elif self._probing:
                    await asyncio.wait(self._probing.values())
                bugs.cancel()
        finally:
            self._group = None
            for pairing in self._pairings.values():
                pairing.close()

    async def change(self, changes: ProbeChanges) -> None:
        """Go on with other probes and targets; those that the changes do not name send on undisturbed.

        One after the other, each with a turn of the loop: to open or close the sockets of one takes half a millisecond.
        """
        for place in changes.gone:
            self._pairings.pop(place).end()
            if place in self._probing:
                self._probing.pop(place).cancel()
            await asyncio.sleep(0)
        for amendment in changes.amended:
            self._pairings[amendment.place].amend(amendment)
            await asyncio.sleep(0)
        for probe, target in changes.come:
            place = (probe.name, target.name)
            pairing = self._pairings[place] = self._pairing(probe, target)
            if self._group is not None:
                self._begin(self._group, place, pairing, None)
            await asyncio.sleep(0)

    def _pairing(self, probe: Probe, target: Target) -> Pairing:
        return Pairing(probe, target, self._sink, self._clock, self._rng, self._loop, self._suspensions)

    def _begin(self, group: asyncio.TaskGroup, place: Place, pairing: Pairing, bound: Bound | None) -> None:
        reached = None if bound is None or bound.is_none else bound.reached
        self._probing[place] = group.create_task(pairing.run(reached, at_random_phase=bound is None))


async def _nothing() -> None:
    """Watch nothing."""


async def _raise_bugs_of_callbacks() -> None:
    """Raise the first exception that a callback of the loop did not handle: the loop itself would log it and go on."""
    loop = asyncio.get_running_loop()
    bug: asyncio.Future[None] = loop.create_future()

    def on_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exception = context.get("exception")
        if "handle" in context and isinstance(exception, Exception) and not bug.done():
            bug.set_exception(exception)
        else:
            loop.default_exception_handler(context)

    before = loop.get_exception_handler()
    loop.set_exception_handler(on_exception)
    try:
        await bug
    finally:
        loop.set_exception_handler(before)
