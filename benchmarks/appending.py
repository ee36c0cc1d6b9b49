"""Appends to a history as the agent does, turn by turn, faster than time goes, and without numpy."""

from __future__ import annotations

import random
import time
from pathlib import Path

from agent.history.counts import HistoryCounts
from agent.history.sink import HistorySink
from agent.history.writer import Writer
from agent.plan import HistoryPlan, Probe
from agent.sink import StreamKey
from collectors.sample import Outcome, Sample
from collectors.stamp.sender import StampOptions

STREAMS = 10
PER_SECOND = 10
_S = 1_000_000_000
_DIFFERENT = 1000


def append(directory: str, seconds: int) -> float:
    """Take so many seconds of samples, ten streams of ten a second; return the CPU time that took, in seconds."""
    now_ns = time.time_ns()
    probe = Probe(
        name="stamp",
        options=StampOptions(),
        interval_ns=_S // PER_SECOND,
        timeout_ns=2 * _S,
        targets=(),
        paths=(),
    )
    counts = HistoryCounts()
    sink = HistorySink(counts, [probe], wall_ns=lambda: now_ns)
    writer = Writer(HistoryPlan(directory=Path(directory)), "benchmark", sink.queue, counts, wall_ns=lambda: now_ns)
    keys = [StreamKey(probe="stamp", kind="stamp", target="hub", path=f"path-{number}") for number in range(STREAMS)]
    streams = [sink.opened(key) for key in keys]
    made = _made()
    cpu_s = 0.0
    for second in range(seconds):
        slots = range(second * PER_SECOND, (second + 1) * PER_SECOND)
        arriving = [
            made[(slot * STREAMS + stream) % _DIFFERENT]._replace(slot=slot, sent_at_ns=now_ns + slot % 10 * _S // 10)
            for stream in range(STREAMS)
            for slot in slots
        ]
        begin_s = time.process_time()
        for place, sample in enumerate(arriving):
            streams[place // PER_SECOND]([sample])
        now_ns += _S
        writer.turn()
        cpu_s += time.process_time() - begin_s
    writer.finish()
    assert counts.written == seconds * STREAMS * PER_SECOND, counts.trouble
    return cpu_s


def _made() -> list[Sample]:
    rng = random.Random(1)
    return [
        Sample(
            slot=0,
            sequence=0,
            sent_at_ns=0,
            outcome=Outcome.ANSWERED,
            rtt_ns=(forward := 5_000_000 + rng.randrange(200_000)) + (backward := 5_200_000 + rng.randrange(200_000)),
            forward_ns=forward + 1_234_567,
            backward_ns=backward - 1_234_567,
            ttl=61,
        )
        for _ in range(_DIFFERENT)
    ]
