"""What the least delayed packets of the last minutes looked like, by which others can be judged. No I/O, no clock.

Time is cut into blocks; of each the least difference of either direction is kept. That is all a window costs.
"""

from __future__ import annotations

from collections import deque

from collectors.skew import MAX_PPM, Point, Skew, fit_skew

WINDOW_NS = 128_000_000_000
"""How far back it goes: at 10 packets a second the skew is known to 0.1 ppm then, and oscillators have not wandered."""

MAX_PER_NS = MAX_PPM * 1e-6

_BLOCKS = 32  # in a window
_RECENT = 4  # of them tell what is the least at present
_ENOUGH = 4  # of them give a skew
_EARLY = 16  # while they are fewer each is looked at, later every fourth: fitting takes most of the time
_UNKNOWN_PPM = 100.0  # two undisciplined clocks drift apart by less
_CHANGING_PPM = 20.0  # a clock that begins to be disciplined, or ceases to, changes its rate by as much


class Block:
    """The least delayed packets of a stretch of time, one of each direction.

    ``excess`` is how far a packet's two differences, T2-T1 and T4-T3, lie above what was expected at its time.
    """

    __slots__ = ("_least_backward", "_least_forward", "backward", "forward", "starts_ns")

    def __init__(self, at_ns: int, forward_ns: int, backward_ns: int, excess: tuple[float, float]) -> None:
        self.starts_ns = at_ns
        self.forward: Point = (at_ns, forward_ns)
        self.backward: Point = (at_ns, backward_ns)
        self._least_forward, self._least_backward = excess

    def take(self, at_ns: int, forward_ns: int, backward_ns: int, excess: tuple[float, float]) -> None:
        """Take a packet."""
        if excess[0] < self._least_forward:
            self._least_forward, self.forward = excess[0], (at_ns, forward_ns)
        if excess[1] < self._least_backward:
            self._least_backward, self.backward = excess[1], (at_ns, backward_ns)

    def merge(self, other: Block) -> None:
        """Take the packets of a block that was judged by the same expectations."""
        if other._least_forward < self._least_forward:
            self._least_forward, self.forward = other._least_forward, other.forward
        if other._least_backward < self._least_backward:
            self._least_backward, self.backward = other._least_backward, other.backward

    @property
    def least(self) -> tuple[float, float]:
        """The least excess of either direction."""
        return self._least_forward, self._least_backward

    def expect(self, forward_ns: float, backward_ns: float) -> None:
        """Count excesses from expectations that are lower by this much from now on."""
        self._least_forward += forward_ns
        self._least_backward += backward_ns


class Envelope:
    """The least differences of a stream's packets over a window: 32 blocks, whatever its length and the packets' rate.

    ``skew`` is known after an eighth of the window at the earliest. Where a clock changed its rate, the older half is
    forgotten.
    """

    def __init__(self, first: Block, *, window_ns: int = WINDOW_NS) -> None:
        self.skew: Skew | None = None
        self._window_ns = window_ns
        self._blocks: deque[Block] = deque(maxlen=_BLOCKS)
        self._block = first
        self._closed = 0
        self._base_ns = first.forward[1]  # taken off: a clock that starts in 1970 is too far off for floats
        self._expect(first.starts_ns, [first])

    @property
    def span_ns(self) -> int:
        """Over how much time the skew was looked for."""
        return self._block.starts_ns - self._blocks[0].starts_ns if self._blocks else 0

    def excess(self, at_ns: int, forward_ns: int, backward_ns: int) -> tuple[float, float]:
        """Return how far a packet's differences lie above the least of the latest blocks."""
        drift_ns = self._slope * (at_ns - self._expected_at_ns)
        forward_ns, backward_ns = forward_ns - self._base_ns, backward_ns + self._base_ns
        return forward_ns - drift_ns - self._forward_ns, backward_ns + drift_ns - self._backward_ns

    def least_ns(self, at_ns: int) -> tuple[int, int]:
        """Return what differences, of a packet sent then, would be as small as the least of the present block."""
        drift_ns = self._slope * (at_ns - self._expected_at_ns)
        forward_ns, backward_ns = self._block.least
        return (
            self._base_ns + round(self._forward_ns + drift_ns + forward_ns),
            round(self._backward_ns - drift_ns + backward_ns) - self._base_ns,
        )

    def age_ns(self, at_ns: int) -> int:
        """Return how long ago it was last seen what is to be expected."""
        return at_ns - self._expected_at_ns

    def unsure_ns(self, at_ns: int) -> float:
        """Return by how much clocks may have drifted unforeseen since the packets that excesses are counted from."""
        return self._unsure_per_ns * (at_ns - self._recent_since_ns)

    def take(self, at_ns: int, forward_ns: int, backward_ns: int, excess: tuple[float, float]) -> None:
        """Take a packet and its excess."""
        if at_ns - self._block.starts_ns < self._window_ns // _BLOCKS:
            self._block.take(at_ns, forward_ns, backward_ns, excess)
        else:
            self._close(at_ns)
            excess = self.excess(at_ns, forward_ns, backward_ns)
            self._block = Block(at_ns, forward_ns, backward_ns, excess)
        if not self._blocks and min(excess) < 0:
            self._lower(excess)

    def merge(self, block: Block) -> None:
        """Take packets that were put aside for a while, and expect others like them."""
        self._block.merge(block)
        self._lower(block.least)

    def middle_ns(self, at_ns: int) -> int:
        """Return half of by how much the least forward difference exceeds the least backward one, carried to a time.

        Older packets count for less: by as much as the skew is uncertain.
        """
        per_ns, unsure = 0.0, MAX_PER_NS
        if self.skew is not None:
            per_ns, unsure = self.skew.ppm * 1e-6, self.skew.uncertainty_ppm * 1e-6
        rising, falling = unsure + per_ns, unsure - per_ns
        blocks = (*self._blocks, self._block)
        base_ns = self._base_ns
        forward_ns = min(value - base_ns + rising * (at_ns - at) for at, value in (each.forward for each in blocks))
        backward_ns = min(value + base_ns + falling * (at_ns - at) for at, value in (each.backward for each in blocks))
        return base_ns + round((forward_ns - backward_ns) / 2)

    def _lower(self, excess: tuple[float, float]) -> None:
        forward_ns, backward_ns = max(-excess[0], 0.0), max(-excess[1], 0.0)
        self._forward_ns -= forward_ns
        self._backward_ns -= backward_ns
        self._block.expect(forward_ns, backward_ns)

    def _close(self, at_ns: int) -> None:
        blocks = self._blocks
        blocks.append(self._block)
        while len(blocks) > 1 and blocks[0].starts_ns < at_ns - self._window_ns:
            blocks.popleft()
        self._closed += 1
        if self._closed % _RECENT == 0 or self._closed < _EARLY:
            self._fit()
        self._expect(at_ns, list(blocks)[-_RECENT:])

    def _fit(self) -> None:
        blocks = self._blocks
        if len(blocks) >= 4 * _ENOUGH and _has_changed_rate(list(blocks)):
            for _ in range(len(blocks) // 2):
                blocks.popleft()
        self.skew = _skew(list(blocks)) if len(blocks) >= _ENOUGH else None

    def _expect(self, at_ns: int, blocks: list[Block]) -> None:
        known = self.skew is not None and self.skew.uncertainty_ppm < _UNKNOWN_PPM
        self._slope = self.skew.ppm * 1e-6 if self.skew is not None and known else 0.0
        unsure_ppm = self.skew.uncertainty_ppm if self.skew is not None and known else _UNKNOWN_PPM
        self._unsure_per_ns = max(unsure_ppm, _CHANGING_PPM) * 1e-6
        self._expected_at_ns = at_ns
        self._recent_since_ns = blocks[0].starts_ns
        slope, base_ns = self._slope, self._base_ns
        self._forward_ns = min(
            value - base_ns + slope * (at_ns - at) for at, value in (each.forward for each in blocks)
        )
        self._backward_ns = min(
            value + base_ns - slope * (at_ns - at) for at, value in (each.backward for each in blocks)
        )


def _skew(blocks: list[Block]) -> Skew | None:
    return fit_skew([block.forward for block in blocks], [block.backward for block in blocks])


def _has_changed_rate(blocks: list[Block]) -> bool:
    half = len(blocks) // 2
    earlier, later = _skew(blocks[:half]), _skew(blocks[half:])
    return earlier is not None and later is not None and not earlier.meets(later)
