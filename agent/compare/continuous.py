"""Two paths of a probe compared as long as the service runs: pairs as they come, a difference for every block of time.

Plain Python, incremental, no I/O: a packet costs 2 µs, and each comparison keeps some hundred kilobytes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from agent.compare.judge import Judge
from agent.compare.margins import Margins, Verdict
from collectors.sample import Outcome, Sample

BLOCK_NS = 600_000_000_000
_LEAST_SLOTS = 600  # of a slower probe a block is longer: p99 of less is the maximum
_MOST_PAIRS = 10_000  # of a faster one every second, third ... slot is enough
_MOST_PENDING = 8192
_LEAST_ANSWERED = 100
_BITS = 8  # a delay is kept to 1/256 of itself

FIGURES = ("rtt_p99", "rtt_p99_p50", "loss")
"""What is judged."""
REASONS = ("unpaired", "not_sent", "overlooked", "noisy")
"""Why a slot is no pair."""


class ContinuousComparison:
    """What is known of two paths by now. A packet of either is handed over as it is settled.

    ``keep`` takes the differences of each block as it is judged; :meth:`go_on` is for those of an earlier run.
    """

    def __init__(
        self,
        *,
        interval_ns: int,
        timeout_ns: int,
        margin_ns: int,
        keep: Callable[[Mapping[str, float]], None] = lambda _: None,
    ) -> None:
        self.judges = {"rtt_p99": Judge(margin_ns), "rtt_p99_p50": Judge(margin_ns), "loss": Judge(Margins().loss)}
        self.pairs = 0
        self.excluded: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self._keep = keep
        self._slots = max(BLOCK_NS // interval_ns, _LEAST_SLOTS)
        self.block_ns = self._slots * interval_ns
        self._stride = -(-self._slots // _MOST_PAIRS)
        self._waits = timeout_ns // interval_ns + 2  # slots until all of a block are settled
        self._pending: dict[int, tuple[int, Sample]] = {}
        self._blocks: dict[int, _Block] = {}

    @property
    def verdict(self) -> Verdict:
        """Return what all figures together say: worse in any is worse."""
        verdicts = {judge.verdict for judge in self.judges.values()}
        if Verdict.WORSE in verdicts:
            return Verdict.WORSE
        if Verdict.BETTER in verdicts:
            return Verdict.BETTER
        return Verdict.SAME if verdicts == {Verdict.SAME} else Verdict.INSUFFICIENT

    @property
    def differences(self) -> Mapping[str, float]:
        """Return the median difference of each figure over the window, of those that have any."""
        middles = {name: judge.middle for name, judge in self.judges.items()}
        return {name: middle for name, middle in middles.items() if middle is not None}

    def go_on(self, blocks: Iterable[Mapping[str, float]]) -> None:
        """Judge blocks of an earlier run, oldest first; once there is one of this run they come too late."""
        if not any(judge.differences for judge in self.judges.values()):
            for block in blocks:
                self._judge(block)

    def take(self, side: int, sample: Sample) -> None:
        """Take a settled packet of the baseline (0) or the candidate (1)."""
        slot = sample.slot
        if slot % self._stride:
            return
        other = self._pending.pop(slot, None)
        if other is None or other[0] == side:
            self._pending[slot] = side, sample
            if len(self._pending) > _MOST_PENDING:
                self._forget()
            return
        self._pair(slot, (sample, other[1]) if side == 0 else (other[1], sample))

    def _forget(self) -> None:
        """Give up a slot that has waited longest: its other packet will not come."""
        del self._pending[next(iter(self._pending))]
        self.excluded["unpaired"] += 1

    def _pair(self, slot: int, both: tuple[Sample, Sample]) -> None:
        reason = _reason(both)
        if reason is not None:
            self.excluded[reason] += 1
            return
        self.pairs += 1
        number = slot // self._slots
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = _Block()
        for side, sample in enumerate(both):
            block.take(side, sample)
        oldest = next(iter(self._blocks))
        if slot >= (oldest + 1) * self._slots + self._waits or slot < oldest * self._slots - self._slots:
            differences = self._blocks.pop(oldest).differences()
            self._judge(differences)
            self._keep(differences)

    def _judge(self, differences: Mapping[str, float]) -> None:
        for name, judge in self.judges.items():
            if name in differences:
                judge.take(differences[name])


class _Block:
    """Packets of one block of time: on each path, how many had which delay, and how many were lost."""

    __slots__ = ("_answered", "_delays", "_lost", "_pairs")

    def __init__(self) -> None:
        self._delays: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._answered = [0, 0]
        self._lost = [0, 0]
        self._pairs = [0, 0]

    def take(self, side: int, sample: Sample) -> None:
        self._pairs[side] += 1
        if sample.outcome.received and sample.rtt_ns is not None:
            place = _place(sample.rtt_ns)
            delays = self._delays[side]
            delays[place] = delays.get(place, 0) + 1
            self._answered[side] += 1
        elif not sample.outcome.received:  # a failed one too: the path did not deliver it
            self._lost[side] += 1

    def differences(self) -> dict[str, float]:
        """Return candidate - baseline of each figure; those of delays only with answers enough on both paths."""
        baseline, candidate = (self._lost[side] / self._pairs[side] for side in (0, 1))
        found = {"loss": candidate - baseline}
        if min(self._answered) >= _LEAST_ANSWERED:
            (our_p50, our_p99), (their_p50, their_p99) = (self._quantiles(side) for side in (0, 1))
            found["rtt_p99"] = their_p99 - our_p99
            found["rtt_p99_p50"] = their_p99 - their_p50 - (our_p99 - our_p50)
        return found

    def _quantiles(self, side: int) -> tuple[float, float]:
        places, count = sorted(self._delays[side].items()), self._answered[side]
        return _quantile(places, math.ceil(count * 0.50)), _quantile(places, math.ceil(count * 0.99))


def _reason(both: tuple[Sample, Sample]) -> str | None:
    for reason, outcome in (("not_sent", Outcome.NOT_SENT), ("overlooked", Outcome.OVERLOOKED)):
        if both[0].outcome is outcome or both[1].outcome is outcome:
            return reason
    return "noisy" if both[0].noisy or both[1].noisy else None


def _place(delay_ns: int) -> int:
    """Return the place of a delay among all that are told apart; places ascend with delays."""
    shift = max(delay_ns.bit_length() - _BITS - 1, 0)
    return shift << (_BITS + 1) | delay_ns >> shift


def _quantile(places: list[tuple[int, int]], rank: int) -> float:
    """Return the delay of a rank, counted from 1, straight within its place."""
    below = 0
    for place, count in places:
        if below + count >= rank:
            shift = place >> (_BITS + 1)
            low = (place & ((2 << _BITS) - 1)) << shift
            return low + ((1 << shift) - 1) * (rank - below) / count
        below += count
    raise AssertionError("a rank is that of a delay that was counted")
