"""Sends minutes by remote write, one request a turn, until the receiver has all; what it does not take is tried again.

The last minute sent is kept in the history itself. Between an answer and that a power cut may come: then one request is
repeated, with the same values, which receivers take for what they have.
"""

from __future__ import annotations

import http.client
import logging
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.history.files import identity
from agent.history.opening import HistoryError, reading
from agent.history.remote.authorization import authorization
from agent.history.remote.batch import FEWEST_SAMPLES, MOST_SAMPLES, next_minutes, sent_in, too_old, writer_of
from agent.history.remote.counts import Dropped, Failure, RemoteCounts
from agent.history.remote.posting import HEADERS, TIMEOUT_S, Post, post
from agent.history.remote.wire import snappy, time_series
from agent.history.store import MINUTE_NS, Store, connect
from agent.keys import KeyFileError
from agent.plan import RemoteWritePlan

_log = logging.getLogger(__name__)

_SETTLED_NS = 45_000_000_000
"""How long after its end a minute is sent: by then it is summed up, also one that a restart interrupted."""
LONGEST_WAIT_S = 30.0
"""Between two tries: after a long outage the receiver has everything of an hour again within a minute."""
_REST_S = 0.002
"""After each stream, of which an hour takes half a millisecond: so long others wait for Python's lock at most."""
_TOO_LARGE = 413
_BAD_SAMPLES = (400, _TOO_LARGE, 422)
"""What a receiver answers that will never take these samples: they are too old, or it thinks them wrong."""
_TOO_OLD = re.compile("too[ -]old")
"""What is said of samples behind a receiver's window: by Prometheus 2.42 with status 500, as if that could pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent at once, how many samples that is, and up to which minute it has each stream."""

    body: bytes
    samples: int
    until: Mapping[int, int]


class RemoteWriter:
    """Sends one history to one receiver. All methods are for one thread; only the counts are shared with another."""

    def __init__(
        self,
        plan: RemoteWritePlan,
        directory: Path,
        agent: str,
        counts: RemoteCounts,
        *,
        post: Post = post,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_s: Callable[[], float] = time.monotonic,
        rest: Callable[[], None] = lambda: time.sleep(_REST_S),
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._agent = agent
        self._counts = counts
        self._post = post
        self._wall_ns = wall_ns
        self._monotonic_s = monotonic_s
        self._rest = rest
        self._sent: dict[int, int] = {}
        self._unnoted: dict[int, int] = {}
        self._cannot_note = False
        self._file: tuple[int, int] | None = None
        self._most = self._at_most = MOST_SAMPLES
        self._oldest_minute = 0
        self._refused = False
        self._wait_s = 0.0
        self._not_before_s = 0.0

    def turn(self) -> None:
        """Send what is next, if there is something and it is not too early to try again."""
        if self._monotonic_s() < self._not_before_s:
            return
        try:
            request = self._next()
        except (HistoryError, OSError):  # there is none yet, or none that can be read: its own metrics tell
            return
        if request is None:
            return
        try:
            headers = HEADERS | authorization(self._plan)
        except KeyFileError as error:
            self._failed(Failure.CREDENTIALS, str(error))
            return
        try:
            status, said = self._post(self._plan.url, request.body, headers, self._plan.ca_file)
        except TimeoutError:
            self._failed(Failure.TIMEOUT, f"no answer within {TIMEOUT_S:.0f} s")
        except (OSError, http.client.HTTPException) as error:
            self._failed(Failure.UNREACHABLE, str(error) or type(error).__name__)
        else:
            self._answered(request, status, said)

    def _next(self) -> Request | None:
        now_ns = self._wall_ns()
        since_minute = max((now_ns - self._plan.max_age_ns) // MINUTE_NS, self._oldest_minute)
        with reading(self._directory) as connection:
            if writer_of(connection) not in {None, self._agent}:  # its own agent sends it, under its own name
                return None
            self._learn(connection, now_ns)
            self._note()
            old = too_old(connection, self._sent, since_minute=since_minute)
            before_minute = (now_ns - _SETTLED_NS) // MINUTE_NS
            request = self._request(connection, since_minute, before_minute)
        if old:
            self._counts.dropped[Dropped.TOO_OLD] += old
            self._remember({stream: max(minute, since_minute - 1) for stream, minute in self._sent.items()})
        return request

    def _request(self, connection: sqlite3.Connection, since_minute: int, before_minute: int) -> Request | None:
        """Write a request stream by stream, with rests in between; ``None``: there is nothing to be sent."""
        body = bytearray()
        samples, until = 0, {}
        for minutes in next_minutes(
            connection,
            self._agent,
            self._sent,
            since_minute=since_minute,
            before_minute=before_minute,
            at_most=self._at_most,
        ):
            for labels, values in minutes.series:
                body += time_series(labels, values)
            samples += minutes.samples
            until[minutes.stream] = minutes.until
            self._rest()
        return Request(body=snappy(bytes(body)), samples=samples, until=until) if until else None

    def _learn(self, connection: sqlite3.Connection, now_ns: int) -> None:
        """Learn what was sent of this history, which may be another one than in the turn before."""
        found = identity(self._directory)
        if found != self._file:
            self._sent.clear()  # the same number is another stream there
            self._unnoted.clear()
        self._file = found
        for stream, minute in sent_in(connection).items():
            self._sent[stream] = max(minute, self._sent.get(stream, 0))
        now = now_ns // MINUTE_NS
        ahead = {stream: now - 1 for stream, minute in self._sent.items() if minute > now}
        if ahead:  # the clock was wrong, and nothing would be sent before that time comes
            self._remember(ahead)

    def _answered(self, request: Request, status: int, said: str) -> None:
        is_too_old = _TOO_OLD.search(said) is not None
        if 200 <= status < 300:
            self._counts.samples += request.samples
            self._at_most = min(2 * self._at_most, self._most)
            self._refused = False
        elif status in _BAD_SAMPLES or is_too_old:
            if self._at_most > FEWEST_SAMPLES:  # some of it may be good
                self._at_most = max(self._at_most // 4, FEWEST_SAMPLES)
                if status == _TOO_LARGE:
                    self._most = self._at_most
                return
            self._give_up(request, Dropped.TOO_OLD if is_too_old else Dropped.REFUSED, f"HTTP {status} {said}")
        else:
            self._failed(_failure_of(status), f"HTTP {status} {said}")
            return
        self._counts.requests += 1
        if self._counts.failing is not None:
            _log.warning("remote write: %s takes samples again", self._plan.url)
        self._counts.failing = None
        self._wait_s = self._not_before_s = 0.0
        self._remember(request.until)

    def _give_up(self, request: Request, dropped: Dropped, what: str) -> None:
        """Drop a minute of a stream that the receiver will never take, and with one too old for it all before that."""
        self._counts.dropped[dropped] += request.samples
        if dropped is Dropped.TOO_OLD:
            self._oldest_minute = max(request.until.values()) + 1
        if not self._refused:
            remedy = "; out_of_order_time_window there is to be max_age here" if dropped is Dropped.TOO_OLD else ""
            _log.warning("remote write: %s refuses samples for good: %s%s", self._plan.url, what, remedy)
        self._refused = True

    def _remember(self, until: Mapping[int, int]) -> None:
        self._sent |= until
        self._unnoted |= until
        self._counts.sent_until_ns = (max(self._sent.values()) + 1) * MINUTE_NS
        self._note()

    def _note(self) -> None:
        """Note in the history what was sent; where that cannot be now, the next turn does."""
        if not self._unnoted:
            return
        try:
            with closing(connect(self._directory)) as connection:
                Store(connection).sent(self._unnoted)
        except sqlite3.Error as error:  # the history's own metrics tell; a restart now would send these again
            if not self._cannot_note:
                _log.warning("remote write: what was sent cannot be noted for now: %s", error)
            self._cannot_note = True
        else:
            self._unnoted.clear()
            self._cannot_note = False

    def _failed(self, failure: Failure, what: str) -> None:
        self._counts.errors[failure] += 1
        if self._counts.failing is not failure:
            _log.warning("remote write: %s does not take samples, which wait on disk: %s", self._plan.url, what)
        self._counts.failing = failure
        self._wait_s = min(max(2 * self._wait_s, 1.0), LONGEST_WAIT_S)
        self._not_before_s = self._monotonic_s() + self._wait_s


def _failure_of(status: int) -> Failure:
    if status == 429:
        return Failure.OVERLOADED
    return Failure.SERVER_ERROR if status >= 500 else Failure.NOT_ALLOWED
