"""The bookkeeping of one stream of attempts: which are under way, and what became of each. No I/O, no clock.

Attempts have nothing to do with each other: each has a connection of its own, so none is a copy of another or overtakes
it, and what comes after its timeout finds nobody. All that remains of a stream of packets is that every attempt is
settled exactly once: answered, lost, failed or not sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.ancillary import IcmpError
from collectors.errors import CollectorError
from collectors.exchange import Exchange
from collectors.sample import NOISE_NS, Outcome, Sample, TimestampSource

LedgerEvent = Sample | IcmpError


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When an attempt began: its slot, both clocks, and how far behind its slot that was."""

    slot: int
    wall_ns: int
    monotonic_ns: int
    lateness_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended by itself, in the terms of :class:`Sample`.

    ``outcome`` is answered, lost or failed; or not sent, where only an attempt that is under way can find out that this
    host does not make it, and ``trouble`` says why. ``rtt_ns`` is what is measured, and counts against the timeout.
    ``icmp`` is the error that ended it.
    """

    outcome: Outcome
    rtt_ns: int | None = None
    handshake_ns: int | None = None
    timestamps: TimestampSource | None = None
    reason: str | None = None
    icmp: IcmpError | None = None
    exchange: Exchange | None = None
    trouble: CollectorError | None = None


_TOO_LATE = Ending(outcome=Outcome.LOST)


class Ledger:
    """One probe on one path to one target, as a sequence of attempts.

    Every method takes what happened and returns what that settled. Times are nanoseconds.
    """

    def __init__(self, *, timeout_ns: int) -> None:
        self.timeout_ns = timeout_ns
        self.next_sequence = 0
        self._under_way: dict[int, Start] = {}  # in the order of their deadlines, since all have the same timeout
        self._noisy: set[int] = set()

    def begun(self, start: Start) -> int:
        """Note that an attempt is under way, and return its number."""
        sequence = self.next_sequence
        self.next_sequence += 1
        self._under_way[sequence] = start
        return sequence

    def disturbed(self) -> None:
        """Note that this host was stalled until now: what that did to attempts under way, nobody can tell."""
        self._noisy.update(self._under_way)

    def not_begun(self, start: Start, reason: str) -> Sample:
        """Settle an attempt that this host could not make; it takes no number."""
        return Sample(
            slot=start.slot,
            sequence=None,
            sent_at_ns=start.wall_ns,
            outcome=Outcome.NOT_SENT,
            lateness_ns=start.lateness_ns,
            reason=reason,
        )

    def ended(self, sequence: int, ending: Ending) -> list[LedgerEvent]:
        """Settle an attempt that ended by itself; one whose time had passed already is lost, or has been before."""
        start = self._under_way.pop(sequence, None)
        if start is None:
            return []
        if ending.rtt_ns is not None and ending.rtt_ns > self.timeout_ns:
            ending = _TOO_LATE
        sample = self._sample(sequence, start, ending)
        return [sample] if ending.icmp is None else [ending.icmp, sample]

    def expire(self, monotonic_ns: int) -> list[tuple[int, Sample]]:
        """Settle what has waited for its whole timeout, as lost; return the numbers too, to let go of the attempts."""
        expired = []
        for sequence, start in self._under_way.items():
            if start.monotonic_ns + self.timeout_ns > monotonic_ns:
                break
            expired.append((sequence, self._sample(sequence, start, _TOO_LATE)))
        for sequence, _ in expired:
            del self._under_way[sequence]
        return expired

    @property
    def next_deadline_ns(self) -> int | None:
        """When :meth:`expire` has something to do next, on the monotonic clock; ``None`` while nothing is under way."""
        for start in self._under_way.values():
            return start.monotonic_ns + self.timeout_ns
        return None

    def _sample(self, sequence: int, start: Start, ending: Ending) -> Sample:
        noisy = sequence in self._noisy or start.lateness_ns > NOISE_NS or _is_told_late(ending)
        self._noisy.discard(sequence)
        return _sample(sequence, start, ending, noisy=noisy)


def _is_told_late(ending: Ending) -> bool:
    """Whether this program learned of a connection well after the kernel had it.

    What an exchange takes beside its handshake is mostly the far end's.
    """
    if ending.rtt_ns is None or ending.handshake_ns is None or ending.exchange is not None:
        return False
    return ending.rtt_ns - ending.handshake_ns > NOISE_NS


def _sample(sequence: int, start: Start, ending: Ending, *, noisy: bool) -> Sample:
    return Sample(
        slot=start.slot,
        sequence=None if ending.outcome is Outcome.NOT_SENT else sequence,
        sent_at_ns=start.wall_ns,
        outcome=ending.outcome,
        rtt_ns=ending.rtt_ns,
        handshake_ns=ending.handshake_ns,
        timestamps=ending.timestamps,
        lateness_ns=start.lateness_ns,
        reason=ending.reason,
        offender=ending.icmp.offender if ending.icmp is not None else None,
        exchange=ending.exchange,
        noisy=noisy,
    )
