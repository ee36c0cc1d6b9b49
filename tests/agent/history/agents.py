"""An agent for tests of histories: its sink and its writer, at a time of the test's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from agent.history.counts import HistoryCounts
from agent.history.rows import Row
from agent.history.sink import HistorySink
from agent.history.store import connect
from agent.history.writer import Writer
from agent.plan import HistoryPlan
from collectors.sample import Sample
from collectors.session import Deliver
from tests.agent.history.generated import BEGIN_NS, KEY, PROBE, on_a_path

SECOND_NS = 1_000_000_000


class Agent:
    """A sink and its writer at a time of the test's, one turn after the other."""

    def __init__(
        self,
        directory: Path,
        *,
        at_ns: int = BEGIN_NS,
        most_held: int = 1000,
        max_octets: int = 1 << 30,
        connect: Callable[[Path], sqlite3.Connection] = connect,
    ) -> None:
        self.now_ns = at_ns
        self.monotonic_ns = 0
        self.counts = HistoryCounts()
        self.sink = HistorySink(self.counts, [PROBE], wall_ns=lambda: self.now_ns, most_held=most_held)
        self.writer = Writer(
            HistoryPlan(directory=directory, keep_ns=3600 * SECOND_NS, max_octets=max_octets),
            "dc1",
            self.sink.queue,
            self.counts,
            wall_ns=lambda: self.now_ns,
            monotonic_ns=lambda: self.monotonic_ns,
            connect=connect,
        )
        self.deliver = self.sink.opened(KEY)
        self.first_slot = self._slot = 0

    def passes(self, duration_ns: int) -> None:
        """Let time pass, on both clocks."""
        self.now_ns += duration_ns
        self.monotonic_ns += duration_ns

    def second(self, deliver: Deliver | None = None) -> list[Row]:
        """Ten samples, and the turn of the writer after them."""
        rows = list(on_a_path(10, seed=self._slot, slot=self._slot, begin_ns=self.now_ns))
        self.first_slot = self._slot
        self._slot += 10
        (deliver or self.deliver)([sample(row) for row in rows])
        self.passes(SECOND_NS)
        self.writer.turn()
        return rows


def sample(row: Row) -> Sample:
    return Sample(
        slot=row.slot,
        sequence=row.slot,
        sent_at_ns=row.sent_at_ns,
        outcome=row.outcome,
        rtt_ns=row.rtt_ns,
        forward_ns=row.forward_ns,
        backward_ns=row.backward_ns,
        noisy=row.noisy,
    )
