"""One probe at one target, running: a schedule, and a stream on each path; which streams these are may change."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import assert_never

from agent.host import Suspensions
from agent.plan import Probe, ProbeOptions
from agent.reload import Amendment
from agent.resolve import keep_resolving, literal, resolve
from agent.running import RunningStream
from agent.schedule import Slots, Tick, Ticker, turns
from agent.sink import Sink, StreamKey
from collectors.attempts import Attempts
from collectors.clock import Clock
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

Reached = Callable[[int, int], bool]
"""Whether this many slots used, or so many ns since the first, is enough."""

_READ_TOGETHER = 20
"""How many answers are read together, if they may wait so long.

The first of them costs as much as ten more, since what it takes to read one has left the processor's caches by then.
But all that is read in a slot has to be done before the next: these take a third of the shortest one.
"""

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


class Pairing:
    """One probe at one target: in each slot, a packet on every path, back to back, in random order.

    ``due_ns`` is when its latest slot was due, or the first one will be (monotonic); ``None`` before it runs.
    """

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
        self.due_ns: int | None = None
        self._probe = probe
        self._target = target
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._loop = loop
        self._suspensions = suspensions
        self._suspensions_seen = suspensions.count
        self._lags_ns: list[int] = []  # of slots since answers were read last
        self._group: asyncio.TaskGroup | None = None  # of the tasks that look up names, once it runs
        self._resolving: dict[StreamKey, asyncio.Task[None]] = {}
        self._ticker: Ticker | None = None
        self.streams = {self._key(path): self._stream(path) for path in probe.paths}
        self._arrange()

    @property
    def interval_ns(self) -> int:
        """From one slot to the next."""
        return self._probe.interval_ns

    async def run(self, reached: Reached | None, *, at_random_phase: bool) -> None:
        """Send until it is enough and every packet is settled; with ``None``, until cancelled."""
        if reached is not None:  # a bounded run sends nothing before it knows where to
            for key, stream in self.streams.items():
                await self._aim_once(key, stream)
        async with asyncio.TaskGroup() as group:
            self._group = group
            if reached is None:
                for key, stream in self.streams.items():
                    self._keep_aiming(key, stream, group)
            await self._send(reached, at_random_phase=at_random_phase)
            for task in self._resolving.values():
                task.cancel()

    def amend(self, amendment: Amendment) -> None:
        """Go on with other streams beside those that are kept; the schedule is the same.

        What is on its way on streams that end stays unsettled.
        """
        for key in [key for key in self.streams if key.path not in amendment.kept]:
            self._end(key)
        self._probe, self._target = amendment.probe, amendment.target
        before = self.streams
        self.streams = {
            key: before[key] if key in before else self._stream(path)
            for key, path in ((self._key(path), path) for path in self._probe.paths)
        }
        self._arrange()
        if self._group is None:
            return
        for key in self.streams.keys() - before.keys():
            self._keep_aiming(key, self.streams[key], self._group)
            self.streams[key].prepare()

    def end(self) -> None:
        """Stop for good, while other pairings go on."""
        self.close()
        for key in list(self.streams):
            self._end(key)

    def close(self) -> None:
        """Stop; what is on its way stays unsettled."""
        if self._ticker is not None:
            self._ticker.close()
        for stream in self.streams.values():
            stream.close()

    def _end(self, key: StreamKey) -> None:
        resolving = self._resolving.pop(key, None)
        if resolving is not None:  # at once: with the address at hand, it would be told of a stream that is no more
            resolving.cancel()
        self.streams.pop(key).close()
        self._sink.closed(key)

    def _arrange(self) -> None:
        """Put the streams in an order to send in, and in turns to be read."""
        self._order = list(self.streams.values())
        slots = min(max(LONGEST_WAIT_NS // self.interval_ns, 1), _READ_TOGETHER)
        self._turns = cycle(turns(self._order, slots, _READ_TOGETHER // slots))

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

    async def _send(self, reached: Reached | None, *, at_random_phase: bool) -> None:
        """Send in every slot until it is enough, then wait for what is on its way."""
        for stream in self._order:
            stream.prepare()
        phase_ns = self._rng.randrange(self.interval_ns) if at_random_phase else 0
        first_ns = self._clock.monotonic_ns() + _STAMPING_BEGINS_NS + phase_ns
        slots = Slots(start_ns=first_ns, interval_ns=self.interval_ns)
        self.due_ns = first_ns
        done = asyncio.Event()
        used = 0

        def on_tick(tick: Tick) -> None:
            nonlocal used
            if done.is_set():
                return
            slot, due_ns, missed, lag_ns = tick
            if missed:
                self._sink.slots_missed(self._probe.name, self._target.name, missed)
            self._lags_ns.append(lag_ns)
            if lag_ns > NOISE_NS:
                self._note_stall(due_ns - missed * self.interval_ns)
            self._send_slot(slot, due_ns)
            self.due_ns = due_ns
            used += 1
            if reached is not None and reached(used, due_ns + slots.interval_ns - slots.start_ns):
                done.set()

        self._ticker = Ticker(self._loop, slots, on_tick)
        await done.wait()
        self._ticker.close()
        self._tell_lags()
        for stream in self._order:
            await stream.idle()

    def _note_stall(self, since_ns: int) -> None:
        """Flag what was on its way while this host was late.

        Only this pairing's: its other ones have late ticks of their own, and a stall of all of them at once must not
        take the square of their number.
        """
        for stream in self._order:
            stream.disturbed(since_ns)

    def _tell_lags(self) -> None:
        for lag_ns in self._lags_ns:
            self._sink.lagged(lag_ns)
        self._lags_ns.clear()

    def _note_suspension(self) -> None:
        """Look whether the host was suspended; since when, nobody can tell: the schedule's clock stood."""
        suspended_ns = self._suspensions.passed_ns()
        if suspended_ns:
            self._sink.suspended(suspended_ns)
        if self._suspensions.count != self._suspensions_seen:
            self._suspensions_seen = self._suspensions.count
            for stream in self._order:
                stream.disturbed(0)

    def _send_slot(self, slot: int, due_ns: int) -> None:
        to_be_read = next(self._turns)
        if to_be_read:
            self._note_suspension()  # what it did to packets shows in answers, and none is read before this
        if len(self._order) > 1:
            self._rng.shuffle(self._order)
        for stream in self._order:
            stream.send(slot, due_ns)
        if to_be_read:  # once all are on their way
            for stream in to_be_read:
                stream.collect()
            self._tell_lags()

    async def _aim_once(self, key: StreamKey, stream: RunningStream) -> None:
        host = self._target.host_on(stream.path)
        try:
            self._found(key, stream, literal(host) or await resolve(host, stream.path))
        except CollectorError as error:
            self._not_found(key, stream, error)

    def _keep_aiming(self, key: StreamKey, stream: RunningStream, group: asyncio.TaskGroup) -> None:
        """Send to an address at once, to what a name resolves to as soon as that is known, and whenever it changes."""
        host = self._target.host_on(stream.path)
        address = literal(host)
        if address is not None:
            self._found(key, stream, address)
            return
        resolving = keep_resolving(
            host,
            stream.path,
            lambda address: self._found(key, stream, address),
            lambda error: self._not_found(key, stream, error),
        )
        self._resolving[key] = group.create_task(resolving)

    def _found(self, key: StreamKey, stream: RunningStream, address: str) -> None:
        stream.aim(address)
        self._sink.resolved(key, address)

    def _not_found(self, key: StreamKey, stream: RunningStream, error: CollectorError) -> None:
        stream.aim_failed(error)
        self._sink.resolved(key, None)
