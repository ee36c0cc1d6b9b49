"""Streams for the tests of comparisons, written down packet by packet or drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.columns import OUTCOMES, UNKNOWN, Columns
from agent.compare.comparison import Names
from collectors.sample import Outcome

MS = 1_000_000
S = 1_000_000_000
MIDNIGHT_NS = 1_767_571_200_000_000_000
NAMES = Names(baseline="vpn", candidate="expressroute", probe="stamp", target="hub")


def stream(
    rtts_ms: Sequence[float | None],
    *,
    slots: Sequence[int] | None = None,
    interval_ms: float = 100,
    noisy: Sequence[int] = (),
    outcomes: dict[int, Outcome] | None = None,
    clock_step_ns: tuple[int, int] | None = None,
) -> Columns:
    """Make a stream; ``None`` is a lost packet. ``noisy`` and the keys of ``outcomes`` are places.

    ``clock_step_ns``: from which place on the wall clock is off, and by how much.
    """
    slot = np.arange(len(rtts_ms)) if slots is None else np.array(slots, dtype=np.int64)
    outcome = [Outcome.LOST if rtt is None else Outcome.ANSWERED for rtt in rtts_ms]
    for place, other in (outcomes or {}).items():
        outcome[place] = other
    rtt_ns = [UNKNOWN if rtt is None else round(rtt * MS) for rtt in rtts_ms]
    sent_at_ns = MIDNIGHT_NS + slot.astype(np.int64) * round(interval_ms * MS)
    if clock_step_ns is not None:
        sent_at_ns[clock_step_ns[0] :] += clock_step_ns[1]
    return Columns(
        slot=slot.astype(np.int64),
        sent_at_ns=sent_at_ns,
        rtt_ns=np.array(rtt_ns, dtype=np.int64),
        forward_ns=np.full(len(slot), UNKNOWN),
        backward_ns=np.full(len(slot), UNKNOWN),
        outcome=np.array([OUTCOMES.index(one) for one in outcome], dtype=np.uint8),
        noisy=np.isin(np.arange(len(slot)), noisy),
    )


def exponential(
    count: int, *, base_ms: float = 5, scale_ms: float = 1, seed: int = 1, interval_ms: float = 100
) -> Columns:
    """Draw a stream of independent delays."""
    drawn = base_ms + np.random.default_rng(seed).exponential(scale_ms, count)
    return stream(drawn.tolist(), interval_ms=interval_ms)
