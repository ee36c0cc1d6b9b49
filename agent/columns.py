"""Samples of one stream as arrays, one element a packet: how history is read and comparisons are made. No I/O.

Only the commands that work on whole runs import this, and numpy with it; the service does not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from collectors.sample import Outcome

OUTCOMES = tuple(outcome for outcome in Outcome if outcome.settles)
"""Which outcome each number in :attr:`Columns.outcome` stands for: those that settle a packet."""

UNKNOWN = np.iinfo(np.int64).min
"""What stands in the place of a time that is not known: a sum of it with anything cannot pass for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Settled packets of one stream; all arrays have one length, and slots ascend.

    ``slot``: int64. ``sent_at_ns``: int64, wall time. ``rtt_ns``, ``forward_ns`` and ``backward_ns``: int64, as in
    :class:`collectors.sample.Sample`, :data:`UNKNOWN` where there is none. ``outcome``: uint8, an index into
    :data:`OUTCOMES`. ``noisy``: bool.
    """

    slot: NDArray[np.int64]
    sent_at_ns: NDArray[np.int64]
    rtt_ns: NDArray[np.int64]
    forward_ns: NDArray[np.int64]
    backward_ns: NDArray[np.int64]
    outcome: NDArray[np.uint8]
    noisy: NDArray[np.bool_]

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, field.name)) for field in fields(self)}
        if len(lengths) > 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.slot)

    def where(self, chosen: NDArray[Any]) -> Self:
        """Return the packets of a mask or of indices."""
        return type(self)(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @property
    def received(self) -> NDArray[np.bool_]:
        """Which packets were answered in time."""
        return np.isin(self.outcome, [number for number, outcome in enumerate(OUTCOMES) if outcome.received])
