"""Probes become streams, streams' results go to sinks. Once and forever are the same code: once has a bound."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

from agent.host import Suspensions
from agent.plan import Probe, ProbeOptions
from agent.resolve import keep_resolving, literal, resolve
from agent.running import RunningStream
from agent.schedule import Slots, Tick, Ticker, turns
from agent.sink import Sink, StreamKey
from collectors.attempts import Attempts
from collectors.clock import Clock, SystemClock
from collectors.errors import CollectorError
from collectors.http.client import HttpClient
from collectors.http.options import HttpOptions
from collectors.icmp.sender import IcmpOptions, IcmpSender
from collectors.path import NetworkPath, Target
from collectors.sample import NOISE_NS
from collectors.session import LONGEST_WAIT_NS, Deliver, Session
from collectors.stamp.sender import StampOptions, StampSender
from collectors.tcp.client import TcpClient
from collectors.tcp.options import TcpOptions

_MOST_READ = 10
"""How many answers of a stream are read together at most: that has to be done before the next slot."""

_STAMPING_BEGINS_NS = 5_000_000
"""From opening sockets to the first slot: a kernel's first receive stamps are missing for about 0.6 ms."""


def stream_for(
    options: ProbeOptions,
    host: str,
    path: NetworkPath,
    *,
    timeout_ns: int,
    interval_ns: int,
    clock: Clock,
    loop: asyncio.AbstractEventLoop,
    deliver: Deliver,
) -> RunningStream:
    """Make the running stream of this kind of probe to ``host``: the one place that knows all kinds."""
    session = partial(
        Session, path=path, timeout_ns=timeout_ns, clock=clock, loop=loop, deliver=deliver, interval_ns=interval_ns
    )
    attempts = partial(Attempts, path=path, timeout_ns=timeout_ns, clock=clock, loop=loop, deliver=deliver)
    match options:
        case IcmpOptions():
            return session(IcmpSender(options))
        case StampOptions():
            return session(StampSender(options, clock))
        case TcpOptions():
            return attempts(TcpClient(options, timeout_ns=timeout_ns, clock=clock, loop=loop))
        case HttpOptions():
            return attempts(HttpClient(options, host, resolve=resolve, timeout_ns=timeout_ns, clock=clock, loop=loop))
        case _:
            assert_never(options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """When a run ends: after so many packets on each path of a probe and target, after so long, or by itself never."""

    packets: int | None = None
    duration_ns: int | None = None

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
        loop = asyncio.get_running_loop()
        noted = suspensions or Suspensions()
        self._pairings = [
            _Pairing(probe, target, sink, self._clock, self._rng, loop, noted)
            for probe in probes
            for target in probe.targets
        ]

    @property
    def troubles(self) -> dict[StreamKey, CollectorError]:
        """Why streams are not sending at present, for those that are not."""
        return {
            key: stream.trouble
            for pairing in self._pairings
            for key, stream in pairing.streams.items()
            if stream.trouble is not None
        }

    async def run(self, bound: Bound | None = None, *, beside_another: bool = False) -> None:
        """Probe until the bound is reached and every packet is settled; without a bound, until cancelled.

        Without a bound, each probe and target starts at a random phase, so that they do not all send at once. An
        unexpected exception, a sink's included, ends the run; of the loop's callbacks it ends the one that is not
        ``beside_another``, which watches them all.
        """
        try:
            async with asyncio.TaskGroup() as group:
                bugs = group.create_task(_nothing() if beside_another else _raise_bugs_of_callbacks())
                probing = [
                    group.create_task(pairing.run(bound or Bound(), at_random_phase=bound is None))
                    for pairing in self._pairings
                ]
                if probing:  # an agent may only reflect
                    await asyncio.wait(probing)
                bugs.cancel()
        finally:
            for pairing in self._pairings:
                pairing.close()


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


class _Pairing:
    """One probe at one target: in each slot, a packet on every path, back to back, in random order."""

    def __init__(
        self,
        probe: Probe,
        target: Target,
        sink: Sink,
        clock: Clock,
        rng: random.Random,
        loop: asyncio.AbstractEventLoop,
        suspensions: Suspensions,
    ) -> None:
        self._probe = probe
        self._target = target
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._loop = loop
        self._suspensions = suspensions
        self._suspensions_seen = suspensions.count
        self.streams = {self._key(path): self._stream(path) for path in probe.paths}
        self._order = list(self.streams.values())
        self._turns = turns(self._order, min(max(LONGEST_WAIT_NS // probe.interval_ns, 1), _MOST_READ))
        self._turn = 0
        self._ticker: Ticker | None = None

    async def run(self, bound: Bound, *, at_random_phase: bool) -> None:
        names = [(key, stream) for key, stream in self.streams.items() if not self._aim_at_literal(key, stream)]
        if bound.packets is not None or bound.duration_ns is not None:
            for key, stream in names:  # a bounded run sends nothing before it knows where to
                await self._resolve_once(key, stream)
            names = []
        async with asyncio.TaskGroup() as group:
            resolving = [group.create_task(self._keep_resolving(key, stream)) for key, stream in names]
            await self._send(bound, at_random_phase=at_random_phase)
            for task in resolving:
                task.cancel()

    def close(self) -> None:
        if self._ticker is not None:
            self._ticker.close()
        for stream in self.streams.values():
            stream.close()

    def _key(self, path: NetworkPath) -> StreamKey:
        return StreamKey(
            probe=self._probe.name, kind=self._probe.options.kind, target=self._target.name, path=path.name
        )

    def _stream(self, path: NetworkPath) -> RunningStream:
        return stream_for(
            self._probe.options_of(self._target, path),
            self._target.host_on(path),
            path,
            timeout_ns=self._probe.timeout_ns,
            interval_ns=self._probe.interval_ns,
            clock=self._clock,
            loop=self._loop,
            deliver=self._sink.opened(self._key(path)),
        )

    async def _send(self, bound: Bound, *, at_random_phase: bool) -> None:
        """Send in every slot until the bound is reached, then wait for what is on its way."""
        for stream in self._order:
            stream.prepare()
        phase_ns = self._rng.randrange(self._probe.interval_ns) if at_random_phase else 0
        first_ns = self._clock.monotonic_ns() + _STAMPING_BEGINS_NS + phase_ns
        slots = Slots(start_ns=first_ns, interval_ns=self._probe.interval_ns)
        done = asyncio.Event()
        used = 0

        def on_tick(tick: Tick) -> None:
            nonlocal used
            if done.is_set():
                return
            if tick.missed:
                self._sink.slots_missed(self._probe.name, self._target.name, tick.missed)
            self._note_lag(tick)
            self._send_slot(tick)
            used += 1
            if bound.reached(used, tick.due_ns + slots.interval_ns - slots.start_ns):
                done.set()

        self._ticker = Ticker(self._loop, slots, on_tick)
        await done.wait()
        self._ticker.close()
        for stream in self._order:
            await stream.idle()

    def _note_lag(self, tick: Tick) -> None:
        """Tell of this host's own lateness, and flag what was on its way meanwhile.

        Only this pairing's: its other ones have late ticks of their own, and a stall of all of them at once must not
        take the square of their number.
        """
        self._sink.lagged(tick.lag_ns)
        if tick.lag_ns > NOISE_NS:
            for stream in self._order:
                stream.disturbed(tick.due_ns - tick.missed * self._probe.interval_ns)

    def _note_suspension(self) -> None:
        """Look whether the host was suspended; since when, nobody can tell: the schedule's clock stood."""
        suspended_ns = self._suspensions.passed_ns()
        if suspended_ns:
            self._sink.suspended(suspended_ns)
        if self._suspensions.count != self._suspensions_seen:
            self._suspensions_seen = self._suspensions.count
            for stream in self._order:
                stream.disturbed(0)

    def _send_slot(self, tick: Tick) -> None:
        to_be_read = self._turns[self._turn]
        self._turn = (self._turn + 1) % len(self._turns)
        if to_be_read:
            self._note_suspension()  # what it did to packets shows in answers, and none is read before this
        if len(self._order) > 1:
            self._rng.shuffle(self._order)
        for stream in self._order:
            stream.send(tick.slot, tick.due_ns)
        for stream in to_be_read:  # once all are on their way
            stream.collect()

    def _aim_at_literal(self, key: StreamKey, stream: RunningStream) -> bool:
        address = literal(self._target.host_on(stream.path))
        if address is not None:
            self._found(key, stream, address)
        return address is not None

    async def _resolve_once(self, key: StreamKey, stream: RunningStream) -> None:
        try:
            self._found(key, stream, await resolve(self._target.host_on(stream.path), stream.path))
        except CollectorError as error:
            self._not_found(key, stream, error)

    async def _keep_resolving(self, key: StreamKey, stream: RunningStream) -> None:
        await keep_resolving(
            self._target.host_on(stream.path),
            stream.path,
            lambda address: self._found(key, stream, address),
            lambda error: self._not_found(key, stream, error),
        )

    def _found(self, key: StreamKey, stream: RunningStream, address: str) -> None:
        stream.aim(address)
        self._sink.resolved(key, address)

    def _not_found(self, key: StreamKey, stream: RunningStream, error: CollectorError) -> None:
        stream.aim_failed(error)
        self._sink.resolved(key, None)
