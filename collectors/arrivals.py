"""When datagrams came that are read later, told by both clocks from the kernel's stamps. No I/O, no clock."""

from __future__ import annotations

_STEP_NS = 50_000_000  # less may be this program stalled between reading its two clocks


class Arrivals:
    """Places the kernel's receive stamps, which are of the wall clock, on the monotonic clock.

    The wall clock may be stepped between an arrival and its reading. Then a stamp is of before or of after that, and
    only one of the two falls into the time since the reading before.
    """

    def __init__(self) -> None:
        self._wall_ns = self._monotonic_ns = self._since_ns = 0
        self._offset_ns = self._offset_before_ns = 0
        self._is_stepped = False

    def reading(self, *, wall_ns: int, monotonic_ns: int) -> None:
        """Begin to read, at these times, what came since the reading before."""
        self._wall_ns = wall_ns
        self._since_ns, self._monotonic_ns = self._monotonic_ns, monotonic_ns
        self._offset_before_ns, self._offset_ns = self._offset_ns, wall_ns - monotonic_ns
        self._is_stepped = abs(self._offset_ns - self._offset_before_ns) > _STEP_NS

    def arrived(self, stamp_ns: int | None) -> tuple[int, int]:
        """Return when a datagram with this stamp came, by the wall clock of then and by the monotonic clock.

        Without a stamp, or with one that fits nowhere, that is when it is read.
        """
        if stamp_ns is not None:
            came_ns = stamp_ns - self._offset_ns
            if not self._is_stepped or self._is_since(came_ns):
                return stamp_ns, came_ns
            came_ns = stamp_ns - self._offset_before_ns
            if self._is_since(came_ns):
                return stamp_ns, came_ns
        return self._wall_ns, self._monotonic_ns

    def _is_since(self, came_ns: int) -> bool:
        return self._since_ns <= came_ns <= self._monotonic_ns
