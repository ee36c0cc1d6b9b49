"""A running stream of attempts: has one begun in each slot and hands on what becomes of it; kinds of probes plug in.

What :mod:`collectors.session` is to probes that send packets through one socket, this is to those that make a
connection each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Protocol

from collectors.clock import Clock
from collectors.errors import CollectorError
from collectors.ledger import Ending, Ledger, Start
from collectors.path import Address, NetworkPath
from collectors.session import Deliver

_TIMER_SLACK_S = 0.001  # uvloop's timers may fire up to a millisecond early

Ended = Callable[[Ending], None]


class Attempt(Protocol):
    """One attempt: opened, begun, and then either ended by itself or abandoned."""

    def begin(self, ended: Ended) -> None:
        """Begin, and call ``ended`` once from the loop, later than this returns; not if it is abandoned before.

        Raise :class:`CollectorError` where this host refuses: then it has not begun, and nothing is left of it.
        """

    def abandon(self) -> None:
        """Let go of it and of all that it holds, at whatever point it is."""


class Client(Protocol):
    """Makes attempts of one kind; one for each running stream."""

    port: int
    """The far end's port."""

    def open(self, path: NetworkPath, to: Address) -> Attempt:
        """Do what can be done before the attempt's time begins; raise :class:`CollectorError` where that is refused."""

    def collect(self) -> None:
        """End the attempts of which it is known that they have ended, and only nobody has looked yet."""

    def close(self) -> None:
        """Let go of whatever attempts share."""


class Attempts:
    """One probe on one path to one target, running.

    What becomes of the attempts is handed to ``deliver``. One that cannot be made settles as not sent with its reason;
    :attr:`trouble` says more.
    """

    def __init__(
        self,
        client: Client,
        path: NetworkPath,
        *,
        timeout_ns: int,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        deliver: Deliver,
    ) -> None:
        self.path = path
        self.trouble: CollectorError | None = CollectorError("the target has no address yet", reason="unresolved")
        """Why no attempts are made at present."""
        self._client = client
        self._ledger = Ledger(timeout_ns=timeout_ns)
        self._clock = clock
        self._loop = loop
        self._deliver = deliver
        self._address: Address | None = None
        self._under_way: dict[int, Attempt] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def aim(self, host: str) -> None:
        """Connect to this address (a literal) from now on; attempts to another one go on."""
        port = self._client.port
        self._address = (host, port) if ip_address(host).version == 4 else (host, port, 0, 0)
        self.trouble = None

    def aim_failed(self, error: CollectorError) -> None:
        """Go on without a new address: the last one stays in use, since outages are when names do not resolve."""
        if self._address is None:
            self.trouble = error

    def prepare(self) -> None:
        """Find out ahead of the first attempt whether there can be one."""
        try:
            self._open().abandon()
        except CollectorError as error:
            self.trouble = error

    def send(self, slot: int, due_ns: int) -> None:
        """Begin the attempt of this slot, which was due at this monotonic time."""
        try:
            attempt = self._open()
        except CollectorError as error:
            self._refuse(self._start(slot, due_ns), error)
            return
        start = self._start(slot, due_ns)
        sequence = self._ledger.next_sequence
        try:
            attempt.begin(partial(self._on_ended, sequence))
        except CollectorError as error:
            self._refuse(start, error)
            return
        self.trouble = None
        self._ledger.begun(start)
        self._under_way[sequence] = attempt
        self._idle.clear()
        self._arm()

    def disturbed(self, since_ns: int) -> None:  # noqa: ARG002  # attempts are read as they come, none waits unread
        """Note that this host was stalled until now."""
        self._ledger.disturbed()

    def collect(self) -> None:
        """Do nothing: connections have no stamps, and what comes of them is read at once."""

    async def idle(self) -> None:
        """Wait until every attempt is settled."""
        await self._idle.wait()

    def close(self) -> None:
        """Stop; what is under way is abandoned and stays unsettled."""
        for attempt in self._under_way.values():
            attempt.abandon()
        self._under_way.clear()
        self._client.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _open(self) -> Attempt:
        if self._address is None:
            raise self.trouble or CollectorError("the target has no address", reason="unresolved")
        return self._client.open(self.path, self._address)

    def _start(self, slot: int, due_ns: int) -> Start:
        monotonic_ns = self._clock.monotonic_ns()
        return Start(
            slot=slot,
            wall_ns=self._clock.wall_ns(),
            monotonic_ns=monotonic_ns,
            lateness_ns=max(monotonic_ns - due_ns, 0),
        )

    def _refuse(self, start: Start, error: CollectorError) -> None:
        self.trouble = error
        self._deliver([self._ledger.not_begun(start, error.reason)])

    def _on_ended(self, sequence: int, ending: Ending) -> None:
        del self._under_way[sequence]
        self.trouble = ending.trouble or self.trouble
        self._deliver(self._ledger.ended(sequence, ending))
        self._rest_if_nothing_is_under_way()

    def _arm(self) -> None:
        """Have one timer, for the oldest attempt: those behind it have later deadlines."""
        deadline_ns = self._ledger.next_deadline_ns
        if deadline_ns is None or self._timer is not None:
            return
        delay_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
        self._timer = self._loop.call_later(max(delay_s, 0) + _TIMER_SLACK_S, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        self._client.collect()  # while this program stood still some may have ended in time
        for sequence, sample in self._ledger.expire(self._clock.monotonic_ns()):
            self._under_way.pop(sequence).abandon()
            self._deliver([sample])
        self._arm()
        self._rest_if_nothing_is_under_way()

    def _rest_if_nothing_is_under_way(self) -> None:
        if not self._under_way:
            self._idle.set()
