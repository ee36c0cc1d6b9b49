"""What is counted of the writing of a history, in plain numbers: one thread writes them, another reads. No I/O."""

from __future__ import annotations

from collections import Counter

from agent.history.trouble import Reason, Trouble


class HistoryCounts:
    """Counts since the agent began, and how things are now.

    ``held`` is how many samples were taken and are not on disk yet. Times are wall time in ns, ``None`` before the
    first commit, or without samples. ``trouble`` is what keeps samples from being written at present.
    """

    def __init__(self) -> None:
        self.taken = self.written = 0
        self.dropped: Counter[Reason] = Counter(dict.fromkeys(Reason, 0))
        self.errors: Counter[Reason] = Counter(dict.fromkeys(Reason, 0))
        self.commits = self.commit_ns = 0
        self.last_commit_ns: int | None = None
        self.oldest_ns: int | None = None
        self.octets = 0
        self.set_aside = 0
        self.trouble: Trouble | None = None

    @property
    def held(self) -> int:
        """How many samples wait in memory."""
        return self.taken - self.written
