"""Samples for tests of histories: any that can be, and those of a path."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import strategies as st

from agent.history.rows import OUTCOMES, Row, Rows
from agent.history.store import MINUTE_NS
from agent.plan import Probe
from agent.sink import StreamKey
from collectors.sample import Outcome
from collectors.stamp.sender import StampOptions

INTERVAL_NS = 100_000_000
MINUTE = 28_000_000
"""A minute in 2023, counted since the Unix epoch."""
BEGIN_NS = MINUTE * MINUTE_NS
PROBE = Probe(
    name="stamp", options=StampOptions(), interval_ns=INTERVAL_NS, timeout_ns=2_000_000_000, targets=(), paths=()
)
KEY = StreamKey(probe="stamp", kind="stamp", target="hub", path="vpn")

_TIME = st.integers(-(2**61), 2**61)
_SMALL = st.integers(0, 50_000_000)
ROW = st.builds(
    Row,
    slot=st.integers(0, 2**40),
    sent_at_ns=st.integers(0, 2**61),
    outcome=st.sampled_from(OUTCOMES),
    rtt_ns=st.none() | _SMALL | _TIME,
    forward_ns=st.none() | _SMALL | _TIME,
    backward_ns=st.none() | _SMALL | _TIME,
    noisy=st.booleans(),
    reason=st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=9),
)


def rows_of(rows: list[Row]) -> Rows:
    found = Rows()
    for row in rows:
        found.append(row)
    return found


def on_a_path(
    count: int, *, seed: int = 0, slot: int = 0, begin_ns: int = BEGIN_NS, interval_ns: int = INTERVAL_NS
) -> Iterator[Row]:
    """Yield what a STAMP stream sees, one of a hundred lost; the round trip is the sum of both ways."""
    rng = random.Random(seed)
    for number in range(count):
        forward_ns = 5_000_000 + round(rng.expovariate(1 / 80_000))
        backward_ns = 5_200_000 + round(rng.expovariate(1 / 90_000))
        lost = rng.random() < 0.01
        yield Row(
            slot=slot + number,
            sent_at_ns=begin_ns + number * interval_ns + rng.randrange(100_000),
            outcome=Outcome.LOST if lost else Outcome.ANSWERED,
            rtt_ns=None if lost else forward_ns + backward_ns,
            forward_ns=None if lost else forward_ns + 1_234,
            backward_ns=None if lost else backward_ns - 1_234,
            noisy=rng.random() < 0.02,
        )
