"""Puts what the sink queued on disk, turn by turn; whatever the disk does, it goes on. Starts no thread."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agent.history.counts import HistoryCounts
from agent.history.files import LockedError, set_aside, size
from agent.history.held import HeldFile
from agent.history.pending import Pending
from agent.history.retention import give_back, keep_within
from agent.history.rows import Rows
from agent.history.schema import NewerSchemaError
from agent.history.sink import AddressFound, Measured, Missing, OpenedStream, Queue
from agent.history.space import Space
from agent.history.store import MINUTE_NS, Store, connect
from agent.history.trouble import Reason, Trouble, trouble_of
from agent.plan import HistoryPlan

_log = logging.getLogger(__name__)

_SETTLED_NS = 10_000_000_000
"""How long after its end a minute is summed up; what is settled later still is added to it then."""
_AT_ONCE = 4
"""Minutes that are summed up in one turn at least: each takes a few milliseconds."""
_AT_THE_END = 16
"""Minutes that are summed up in one transaction at the end: some 50 ms, so that little is done twice."""
_TURNS = 30
"""Turns in which all that is due is summed up, however much it is."""


class Writer:
    """Writes one history. All methods are for one thread; only the queue and the counts are shared with another."""

    def __init__(
        self,
        plan: HistoryPlan,
        agent: str,
        queue: Queue,
        counts: HistoryCounts,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        connect: Callable[[Path], sqlite3.Connection] = connect,
    ) -> None:
        self._plan = plan
        self._agent = agent
        self._queue = queue
        self._counts = counts
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._file = HeldFile(plan.directory, agent, connect)
        self._run: int | None = None
        self._numbers: dict[OpenedStream, int] = {}
        self._pending = Pending()
        self._open_minutes: set[tuple[int, int]] = set()
        self._retained_ns: int | None = None

    def turn(self) -> None:
        """Take what is queued and try to write it; what cannot be written is tried again in the next turn."""
        self._pending.take(self._queue, self._wall_ns())
        self._try(lambda store: self._write(store, self._due(self._wall_ns())))

    def finish(self) -> None:
        """Write the last of it and the end, and close the file; before that, sum up what minutes there are.

        That can take longer than the end is waited for: then the next agent does it.
        """
        self._pending.take(self._queue, self._wall_ns())
        self._try(lambda store: self._write(store, [], ending=True))
        left = self._counts.held
        if left:
            _log.warning("history: the last %d samples could not be written", left)
        else:
            self._try(self._sum_up)
        self._file.close()

    def _try(self, write: Callable[[Store], None]) -> None:
        try:
            self._notice_removal()
            write(self._file.store or self._open())
        except (sqlite3.Error, OSError, LockedError, NewerSchemaError) as error:
            self._failed(trouble_of(error, self._plan.directory))
        else:
            self._succeeded()

    def _notice_removal(self) -> None:
        """Begin anew where somebody took the file away."""
        if self._file.was_removed:
            _log.warning("history: %s was removed; a new file is begun", self._plan.directory)
            self._file.close()
            self._begin_anew()

    def _open(self) -> Store:
        store = self._file.open()
        self._open_minutes = set(store.incomplete())
        return store

    def _sum_up(self, store: Store) -> None:
        """Sum up every minute, a few in a transaction."""
        while self._open_minutes:
            some = sorted(self._open_minutes)[:_AT_THE_END]
            store.begin()
            for minute in some:
                store.complete(*minute)
            store.commit()
            self._open_minutes.difference_update(some)

    def _write(self, store: Store, due: list[tuple[int, int]], *, ending: bool = False) -> None:
        """Put everything on disk in one transaction, and sum up the minutes that are due."""
        began_ns = self._monotonic_ns()
        now_ns = self._wall_ns()
        store.begin()
        run = store.run_began(self._agent, now_ns) if self._run is None else self._run
        touched = self._append(store)
        self._tell(store)
        for minute in due:
            store.complete(*minute)
        store.run_seen(run, now_ns, ended=ending)
        store.commit()
        self._committed(run, touched, due, began_ns, now_ns)
        if not ending:
            self._retain(store, now_ns)

    def _append(self, store: Store) -> set[tuple[int, int]]:
        touched = set()
        for (stream, minute), pending in self._pending.minutes.items():
            number = self._number(store, stream)
            rows = pending.rows.counted_from(_first_slot(store, stream, pending.rows))
            store.append(number, minute, rows, pending.extras, interval_ns=stream.interval_ns)
            touched.add((number, minute))
        return touched

    def _tell(self, store: Store) -> None:
        for told in self._pending.told:
            match told:
                case AddressFound():
                    store.address(self._number(store, told.stream), told.at_ns, told.address)
                case Missing():
                    store.gap(told.from_ns, told.until_ns, told.reason, told.samples)
                case Measured():
                    store.measured(told.at_ns, told.kind, told.target, told.path, told.data)

    def _number(self, store: Store, stream: OpenedStream) -> int:
        number = self._numbers.get(stream)
        if number is None:
            number = self._numbers[stream] = store.stream(stream.key, stream.interval_ns)
        return number

    def _due(self, now_ns: int) -> list[tuple[int, int]]:
        over = (now_ns - _SETTLED_NS) // MINUTE_NS
        due = sorted((minute for minute in self._open_minutes if minute[1] < over), key=lambda minute: minute[1])
        return due[: max(_AT_ONCE, -(-len(due) // _TURNS))]

    def _committed(
        self, run: int, touched: set[tuple[int, int]], due: list[tuple[int, int]], began_ns: int, now_ns: int
    ) -> None:
        counts = self._counts
        self._run = run
        self._open_minutes |= touched
        self._open_minutes.difference_update(due)
        counts.written += self._pending.samples
        self._pending.clear()
        counts.commits += 1
        counts.commit_ns += self._monotonic_ns() - began_ns
        counts.last_commit_ns = now_ns
        counts.octets = size(self._plan.directory)

    def _retain(self, store: Store, now_ns: int) -> None:
        if self._retained_ns is not None and self._monotonic_ns() - self._retained_ns < MINUTE_NS:
            return
        space = Space(store)
        store.begin()
        more = keep_within(space, now_ns=now_ns, keep_ns=self._plan.keep_ns, max_octets=self._plan.max_octets)
        oldest = space.oldest_minute()
        store.commit()
        give_back(space)
        self._counts.oldest_ns = None if oldest is None else oldest * MINUTE_NS
        if not more:
            self._retained_ns = self._monotonic_ns()

    def _failed(self, trouble: Trouble) -> None:
        counts = self._counts
        counts.errors[trouble.reason] += 1
        self._numbers.clear()  # some may be of a transaction that is not to be
        if trouble.may_pass:
            self._file.roll_back()
        else:
            self._file.close()
        if trouble.reason is Reason.DAMAGED:
            self._set_aside(trouble)
        elif counts.trouble is None or counts.trouble.reason is not trouble.reason:
            _log.warning("history: %s; up to %d samples wait in memory", trouble.message, counts.held)
        counts.trouble = trouble

    def _succeeded(self) -> None:
        if self._counts.trouble is not None:
            _log.warning("history: written again; %d samples were dropped so far", self._counts.dropped.total())
        self._counts.trouble = None

    def _begin_anew(self) -> None:
        self._run = None
        self._numbers.clear()
        self._open_minutes.clear()

    def _set_aside(self, trouble: Trouble) -> None:
        """Make room for a new history; what is pending goes there."""
        at = datetime.fromtimestamp(self._wall_ns() / 1e9, UTC)
        try:
            damaged = set_aside(self._plan.directory, at)
        except OSError as error:
            _log.warning("history: %s, and it cannot be renamed: %s", trouble.message, error.strerror)
            return
        self._counts.set_aside += 1
        self._begin_anew()
        _log.warning("history: %s; it is kept as %s, and a new one is begun", trouble.message, damaged)


def _first_slot(store: Store, stream: OpenedStream, rows: Rows) -> int:
    """Return from where the slots of a stream count: the epoch, in intervals, but always behind what is there."""
    slots = stream.slots
    if slots.first is None and len(rows):
        first = min(rows.slot)
        by_time = rows.sent_at_ns[0] // stream.interval_ns - rows.slot[0]
        slots.first = max(by_time, store.last_slot(stream.key.probe, stream.key.target) + 1 - first)
    return slots.first or 0
