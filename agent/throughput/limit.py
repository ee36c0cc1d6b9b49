"""What a throughput can be limited by. No I/O."""

from __future__ import annotations

from enum import StrEnum


class Limit(StrEnum):
    """What a throughput was limited by."""

    WINDOW = "window"
    """Each flow had as much under way as its window allows."""
    LOSS = "loss"
    """The sender slowed down for losses, and no queue of a bottleneck explains them."""
    SHAPER = "shaper"
    """A rate, enforced by a queue: round trips grew while it was full."""
    POLICER = "policer"
    """A rate, enforced by dropping without a queue."""
    RATE = "rate"
    """A rate that is known, whose enforcement left no trace."""
    CPU = "cpu"
    """One of the two ends had no processor time left."""
    ASKED = "asked"
    """Nothing: the test was told to send no faster, and all of it arrived."""
    UNKNOWN = "unknown"


Found = tuple[Limit, str]
"""What a rule found, and why in one sentence."""
