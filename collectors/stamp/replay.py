"""Tells authentic packets that were answered before from new ones, since an HMAC has no nonce. No I/O."""

from __future__ import annotations

WINDOW = 1024
"""How far packets may overtake each other and still be answered."""

_U32 = 0xFFFFFFFF
_U64 = (1 << 64) - 1


class ReplayWindow:
    """Remembers the numbers of a session's latest packets, and the latest of their departure times.

    Numbers and times are compared as their formats wrap around (RFC 1982). A time that is set back is tolerated as long
    as the numbers go on; numbers that begin anew, as long as the time is later than all before. So what was recorded of
    an earlier run may pass once, where its numbers happen to be the next ones, and never again.
    """

    __slots__ = ("_highest", "_latest", "_seen")

    def __init__(self) -> None:
        self._highest: int | None = None
        self._latest = 0
        self._seen = 0  # bit n: the packet n before the highest

    def accepts(self, sequence: int, departed: int) -> bool:
        """Whether this packet is new; if so it is remembered. ``departed`` is its T1, 64 bits."""
        if self._highest is None:
            self._begin(sequence, departed)
            return True
        is_later = 0 < (departed - self._latest & _U64) < 1 << 63
        ahead = sequence - self._highest & _U32
        if 0 < ahead < 1 << 31 and (is_later or ahead <= WINDOW):
            self._advance(ahead)
            if is_later:
                self._latest = departed
            return True
        if is_later:  # the sender began anew
            self._begin(sequence, departed)
            return True
        behind = -ahead & _U32
        if behind >= WINDOW or self._seen >> behind & 1:
            return False
        self._seen |= 1 << behind
        return True

    def _begin(self, sequence: int, departed: int) -> None:
        self._highest, self._latest, self._seen = sequence, departed, 1

    def _advance(self, ahead: int) -> None:
        assert self._highest is not None
        self._highest = self._highest + ahead & _U32
        self._seen = (self._seen << ahead | 1) & (1 << WINDOW) - 1 if ahead < WINDOW else 1
