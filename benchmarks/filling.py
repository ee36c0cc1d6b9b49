"""Fills a history with minutes that were made, as an agent would have written them. Measures nothing.

Round trips follow each other as queues do, with spikes, losses and a clock that drifts, all with the resolution of
nanoseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from agent.history.block import encode
from agent.history.rows import HAS_BACKWARD, HAS_FORWARD, HAS_RTT, OUTCOMES, Rows
from agent.history.store import MINUTE_NS, Store, block_id, connect
from agent.history.summary import Extras, summarised
from agent.sink import StreamKey
from collectors.sample import Outcome

PER_SECOND = 10
PER_MINUTE = 60 * PER_SECOND

_INTERVAL_NS = 1_000_000_000 // PER_SECOND
_DIFFERENT = 100  # minutes are made, the rest is copies at their own time: making is slower than all else
_TIMES = HAS_RTT | HAS_FORWARD | HAS_BACKWARD


def fill(
    directory: Path, streams: Sequence[StreamKey], *, first_minute: int, minutes: int, with_samples: bool = True
) -> None:
    """Write so many minutes of each stream, ten samples a second, from ``first_minute`` (since the Unix epoch) on."""
    with closing(Store(connect(directory))) as store:
        connection = store._connection  # whole minutes at once, without the parts that they are made of
        for place, key in enumerate(streams):
            made = [_minute_of(place * _DIFFERENT + number) for number in range(min(_DIFFERENT, minutes))]
            stream = store.stream(key, _INTERVAL_NS)
            store.begin()
            for number, minute in enumerate(made, start=first_minute):
                store.summarise(stream, number, summarised(minute, Extras()))
            _copy_summaries(connection, block_id(stream, first_minute), minutes)
            for number in range(minutes if with_samples else 0):
                rows = _at(made[number % _DIFFERENT], first_minute + number)
                block = (block_id(stream, first_minute + number), encode(rows, interval_ns=_INTERVAL_NS))
                connection.execute("INSERT INTO blocks VALUES (?, ?)", block)
            store.commit()


def _copy_summaries(connection: sqlite3.Connection, first: int, minutes: int) -> None:
    """Give every further minute one of the summaries that were made; ``first`` is the id of the stream's first."""
    names = [row[1] for row in connection.execute("PRAGMA table_info(minutes)")][1:]
    connection.execute(
        f"INSERT INTO minutes (id, {', '.join(names)})"  # noqa: S608  # names of columns
        " WITH RECURSIVE further (number) AS (SELECT ?1 UNION ALL SELECT number + 1 FROM further)"
        f" SELECT ?2 + number, {', '.join(names)}"
        " FROM (SELECT number FROM further LIMIT max(?3 - ?1, 0)) CROSS JOIN minutes ON id = ?2 + number % ?1",
        (_DIFFERENT, first, minutes),
    )


def _minute_of(seed: int) -> Rows:
    """Return a minute of a STAMP stream to a reflector whose clock drifts: correlated delays, spikes, losses."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 60_000, PER_MINUTE)
    queue = np.zeros(PER_MINUTE)
    for place in range(1, PER_MINUTE):
        queue[place] = 0.9 * queue[place - 1] + noise[place]
    forward = 5_000_000 + np.abs(queue) + rng.exponential(80_000, PER_MINUTE)
    backward = 5_200_000 + rng.exponential(90_000, PER_MINUTE)
    spikes = rng.random(PER_MINUTE) < 0.003
    forward[spikes] += rng.integers(0, 20_000_000, int(spikes.sum()))
    offset = 1_234_567 + 2_000 * np.arange(PER_MINUTE)  # 20 ppm
    forward_ns, backward_ns = forward.astype(np.int64), backward.astype(np.int64)
    lost = rng.random(PER_MINUTE) < 0.002
    late = (50_000 * rng.lognormal(0, 0.5, PER_MINUTE)).astype(np.int64)
    rows = Rows()
    rows.slot.extend(range(PER_MINUTE))
    rows.sent_at_ns.extend((np.arange(PER_MINUTE) * _INTERVAL_NS + late).tolist())
    rows.rtt_ns.extend(np.where(lost, 0, forward_ns + backward_ns).tolist())
    rows.forward_ns.extend(np.where(lost, 0, forward_ns + offset).tolist())
    rows.backward_ns.extend(np.where(lost, 0, backward_ns - offset).tolist())
    answered, unanswered = OUTCOMES.index(Outcome.ANSWERED) | _TIMES, OUTCOMES.index(Outcome.LOST)
    rows.flags += bytes(np.where(lost, unanswered, answered).astype(np.uint8))
    rows.reasons += [None] * PER_MINUTE
    return rows


def _at(made: Rows, minute: int) -> Rows:
    """Return the samples of a minute as those of another."""
    rows = Rows()
    rows.extend(made)
    slots = np.frombuffer(rows.slot, np.int64)
    slots += minute * PER_MINUTE
    sent = np.frombuffer(rows.sent_at_ns, np.int64)
    sent += minute * MINUTE_NS
    return rows
