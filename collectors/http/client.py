"""Makes the attempts of one stream as tasks of the event loop, each begun, and then ended by itself or abandoned."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from collectors.attempts import Ended
from collectors.clock import Clock
from collectors.errors import CollectorError
from collectors.exchange import Exchange
from collectors.http.attempt import Asking, HttpProber, Resolve
from collectors.http.ending import ending_of
from collectors.http.options import HttpOptions
from collectors.ledger import Ending
from collectors.path import Address, NetworkPath
from collectors.sample import Outcome


class HttpClient:
    """Makes the attempts of one stream.

    ``host`` is the target's: a name is looked up anew in each attempt, which measures that too.
    """

    def __init__(
        self,
        options: HttpOptions,
        host: str,
        *,
        resolve: Resolve,
        timeout_ns: int,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.port = options.url.port
        self._prober = HttpProber(options, resolve=resolve, clock=clock)
        self._host = None if _is_address(host) else host
        self._timeout_ns = timeout_ns
        self._clock = clock
        self._loop = loop
        self._under_way: set[HttpAttempt] = set()

    def open(self, path: NetworkPath, to: Address) -> HttpAttempt:
        """Read what TLS needs ahead of the first attempt; raise :class:`CollectorError` where that is of no use."""
        self._prober.prepare()
        return HttpAttempt(
            Asking(self._prober, path),
            self._host or to[0],
            under_way=self._under_way,
            timeout_ns=self._timeout_ns,
            clock=self._clock,
            loop=self._loop,
        )

    def collect(self) -> None:
        """End the attempts whose time is over, as they know best where they are."""
        for attempt in [*self._under_way]:
            attempt.end_if_overdue()

    def close(self) -> None:
        """There is nothing that attempts share."""


class HttpAttempt:
    """One attempt as a task."""

    def __init__(
        self,
        asking: Asking,
        host: str,
        *,
        under_way: set[HttpAttempt],
        timeout_ns: int,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._asking = asking
        self._host = host
        self._under_way = under_way
        self._timeout_ns = timeout_ns
        self._clock = clock
        self._loop = loop
        self._begun_ns = 0
        self._task: asyncio.Task[Exchange] | None = None
        self._ended: Ended | None = None

    def begin(self, ended: Ended) -> None:
        """Begin to ask; whatever this host refuses shows later, since there may be a name to look up first."""
        self._ended = ended
        self._begun_ns = self._clock.monotonic_ns()
        self._under_way.add(self)
        self._task = self._loop.create_task(self._asking.ask(self._host))
        self._task.add_done_callback(self._on_done)

    def abandon(self) -> None:
        """Let go of the connection, wherever it is."""
        self._under_way.discard(self)
        if self._task is not None:
            self._task.cancel()

    def end_if_overdue(self) -> None:
        """End an attempt whose time is over."""
        if self._clock.monotonic_ns() - self._begun_ns >= self._timeout_ns:
            self._end(ending_of(self._asking.timed_out(self._timeout_ns)))

    def _on_done(self, task: asyncio.Task[Exchange]) -> None:
        if task.cancelled() or self not in self._under_way:
            return
        try:
            ending = ending_of(task.result())
        except CollectorError as error:
            ending = Ending(outcome=Outcome.NOT_SENT, reason=error.reason, trouble=error)
        self._end(ending)

    def _end(self, ending: Ending) -> None:
        self.abandon()
        assert self._ended is not None
        self._ended(ending)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
