"""Sends minutes by remote write, one request a turn, until the receiver has all; what it does not take is tried again.

The last minute sent is kept in the history itself. Between an answer and that a power cut may come: then one request is
repeated, with the same values, which receivers take for what they have.
"""

from __future__ import annotations

import http.client
import logging
import sqlite3
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from agent import __version__
from agent.history.files import identity
from agent.history.opening import HistoryError, reading
from agent.history.remote.authorization import authorization
from agent.history.remote.batch import FEWEST_SAMPLES, MOST_SAMPLES, Batch, next_batch, sent_in, too_old, writer_of
from agent.history.remote.counts import Dropped, Failure, RemoteCounts
from agent.history.remote.wire import snappy, write_request
from agent.history.store import MINUTE_NS, Store, connect
from agent.keys import KeyFileError
from agent.plan import RemoteWritePlan
from collectors.http.url import Url

_log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_SETTLED_NS = 45_000_000_000
"""How long after its end a minute is sent: by then it is summed up, also one that a restart interrupted."""
_LONGEST_WAIT_S = 60.0
_SAID = 200  # octets of an answer that are worth a line of the log
_TOO_LARGE = 413
_BAD_SAMPLES = (400, _TOO_LARGE, 422)
"""What a receiver answers that will never take these samples: they are too old, or it thinks them wrong."""
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": f"eragent/{__version__}",
}

Post = Callable[[Url, bytes, dict[str, str], Path | None], tuple[int, str]]


def post(url: Url, body: bytes, headers: dict[str, str], ca_file: Path | None) -> tuple[int, str]:
    """Send a request and return the answer's status and the beginning of its text; raise ``OSError`` without one."""
    if url.is_secure:
        context = ssl.create_default_context(cafile=ca_file)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            url.host, url.port, timeout=_TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(url.host, url.port, timeout=_TIMEOUT_S)
    with closing(connection):
        connection.request("POST", url.path, body, headers)
        answer = connection.getresponse()
        return answer.status, " ".join(answer.read(_SAID).decode(errors="replace").split())


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
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._agent = agent
        self._counts = counts
        self._post = post
        self._wall_ns = wall_ns
        self._monotonic_s = monotonic_s
        self._sent: dict[int, int] = {}
        self._file: tuple[int, int] | None = None
        self._at_most = MOST_SAMPLES
        self._wait_s = 0.0
        self._not_before_s = 0.0

    def turn(self) -> None:
        """Send what is next, if there is something and it is not too early to try again."""
        if self._monotonic_s() < self._not_before_s:
            return
        try:
            batch = self._next()
        except (HistoryError, OSError):  # there is none yet, or none that can be read: its own metrics tell
            return
        if batch is None:
            return
        try:
            headers = _HEADERS | authorization(self._plan)
        except KeyFileError as error:
            self._failed(Failure.CREDENTIALS, str(error))
            return
        body = snappy(write_request(batch.series))
        try:
            status, said = self._post(self._plan.url, body, headers, self._plan.ca_file)
        except TimeoutError:
            self._failed(Failure.TIMEOUT, f"no answer within {_TIMEOUT_S:.0f} s")
        except (OSError, http.client.HTTPException) as error:
            self._failed(Failure.UNREACHABLE, str(error) or type(error).__name__)
        else:
            self._answered(batch, status, said)

    def _next(self) -> Batch | None:
        now_ns = self._wall_ns()
        since_minute = (now_ns - self._plan.max_age_ns) // MINUTE_NS
        before_minute = (now_ns - _SETTLED_NS) // MINUTE_NS
        with reading(self._directory) as connection:
            if writer_of(connection) not in {None, self._agent}:  # its own agent sends it, under its own name
                return None
            self._learn(connection, now_ns)
            old = too_old(connection, self._sent, since_minute=since_minute)
            batch = next_batch(
                connection,
                self._agent,
                self._sent,
                since_minute=since_minute,
                before_minute=before_minute,
                at_most=self._at_most,
            )
        if old:
            self._counts.dropped[Dropped.TOO_OLD] += old
            self._remember({stream: max(minute, since_minute - 1) for stream, minute in self._sent.items()})
        return batch

    def _learn(self, connection: sqlite3.Connection, now_ns: int) -> None:
        """Learn what was sent of this history, which may be another one than in the turn before."""
        found = identity(self._directory)
        if found != self._file:
            self._sent.clear()  # the same number is another stream there
        self._file = found
        for stream, minute in sent_in(connection).items():
            self._sent[stream] = max(minute, self._sent.get(stream, 0))
        now = now_ns // MINUTE_NS
        ahead = {stream: now - 1 for stream, minute in self._sent.items() if minute > now}
        if ahead:  # the clock was wrong, and nothing would be sent before that time comes
            self._remember(ahead)

    def _answered(self, batch: Batch, status: int, said: str) -> None:
        if 200 <= status < 300:
            self._counts.samples += batch.samples
        elif status == _TOO_LARGE and self._at_most > FEWEST_SAMPLES:
            self._at_most = max(self._at_most // 2, FEWEST_SAMPLES)
            return
        elif status in _BAD_SAMPLES:
            self._counts.dropped[Dropped.REFUSED] += batch.samples
            what = "remote write: %s refused %d samples for good, some of which it may have taken: HTTP %d %s"
            _log.warning(what, self._plan.url, batch.samples, status, said)
        else:
            self._failed(_failure_of(status), f"HTTP {status} {said}")
            return
        self._counts.requests += 1
        if self._counts.failing is not None:
            _log.warning("remote write: %s takes samples again", self._plan.url)
        self._counts.failing = None
        self._wait_s = self._not_before_s = 0.0
        self._remember(batch.until)

    def _remember(self, until: dict[int, int]) -> None:
        self._sent |= until
        self._counts.sent_until_ns = (max(self._sent.values()) + 1) * MINUTE_NS
        try:
            with closing(connect(self._directory)) as connection:
                Store(connection).sent(until)
        except sqlite3.Error as error:  # the history's own metrics tell; a restart now would send these again
            _log.warning("remote write: what was sent cannot be noted: %s", error)

    def _failed(self, failure: Failure, what: str) -> None:
        self._counts.errors[failure] += 1
        if self._counts.failing is not failure:
            _log.warning("remote write: %s does not take samples, which wait on disk: %s", self._plan.url, what)
        self._counts.failing = failure
        self._wait_s = min(max(2 * self._wait_s, 1.0), _LONGEST_WAIT_S)
        self._not_before_s = self._monotonic_s() + self._wait_s


def _failure_of(status: int) -> Failure:
    if status == 429:
        return Failure.OVERLOADED
    return Failure.SERVER_ERROR if status >= 500 else Failure.NOT_ALLOWED
