"""How much of a history stays: so old and so large at most, never much of it deleted at once. Reads no clock."""

from __future__ import annotations

from agent.history.space import Space
from agent.history.store import MINUTE_NS

_AT_ONCE = 200  # minutes of streams: a MiB or less, deleted in about a millisecond
_FREE_PAGES = 2048


def keep_within(space: Space, *, now_ns: int, keep_ns: int, max_octets: int) -> bool:
    """Delete a little of what is too old, or of the oldest where all is too large; return whether there is more."""
    deleted = space.forget_before((now_ns - keep_ns) // MINUTE_NS, at_most=_AT_ONCE)
    while deleted < _AT_ONCE and space.used_octets() > max_octets:
        oldest = space.oldest_block()
        if oldest is None or oldest >= now_ns // MINUTE_NS - 1:  # what is being written stays, however small the limit
            return False
        deleted += space.forget_before(oldest + 1, at_most=_AT_ONCE)
    return deleted >= _AT_ONCE


def give_back(space: Space) -> None:
    """Make a file smaller that has much more room than it needs; outside of a transaction."""
    if space.free_pages() > _FREE_PAGES:
        space.shrink()
