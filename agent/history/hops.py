"""Sees by the TTL of answers that a stream's way back has changed. No I/O, and no way but that of the answers."""

from __future__ import annotations

IN_A_ROW = 10
"""Answers with another TTL that make a change: a few take a detour, and balancers spread packets over unequal ways."""


class AnswerHops:
    """The TTL that the answers of one stream arrive with.

    Each router takes one off, so another TTL is another number of hops. The same one does not tell that the way is.
    """

    def __init__(self) -> None:
        self.ttl: int | None = None
        self._other: int | None = None
        self._since_ns = self._seen = 0

    def changed_at_ns(self, ttl: int, sent_at_ns: int) -> int | None:
        """Take an answer that does not have :attr:`ttl`; return since when answers have this one, once that is sure.

        Then :attr:`ttl` is this one. ``None``: it is not sure yet.
        """
        if ttl != self._other:
            self._other, self._since_ns, self._seen = ttl, sent_at_ns, 0
        self._seen += 1
        if self._seen < IN_A_ROW:
            return None
        self.ttl, self._other = ttl, None
        return self._since_ns

    def same(self) -> None:
        """Take an answer that has :attr:`ttl`: whatever others had was a detour."""
        self._other = None
