"""A stream whose answers have the reflector's times, for the tests of one-way delays: clocks as the test wants them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from agent.oneway import OneWayCounts
from collectors.claim import OwnClaim
from collectors.clock import ClockState
from collectors.peer import ReflectorFacts
from collectors.sample import Outcome, Sample, TimestampSource
from tests.collectors.clocks_apart import EPOCH_NS, MS, US, Apart, Packet

INTERVAL_NS = 100 * MS
KEPT = ClockState(synchronised=True, error_ns=0, max_error_ns=101 * US, tai_offset_s=37)
LEFT_ALONE = ClockState(synchronised=False, error_ns=0, max_error_ns=16_000_000 * US)
CLAIMS = ReflectorFacts(synchronised=True, error_ns=101 * US)
CLAIMS_NOTHING = ReflectorFacts(synchronised=False)


class NoTimePasses:
    """Clocks that stand still."""

    def monotonic_ns(self) -> int:
        return 0

    def wall_ns(self) -> int:
        return EPOCH_NS


def own(state: ClockState = KEPT) -> OwnClaim:
    return OwnClaim(NoTimePasses(), clock_state=lambda: state)


def samples(apart: Apart, seed: int = 1) -> list[tuple[Sample, Packet]]:
    """Return a path's received packets as samples, and the truth of each."""
    return [
        (
            Sample(
                slot=slot,
                sequence=slot,
                sent_at_ns=packet.at_ns,
                outcome=Outcome.ANSWERED,
                rtt_ns=packet.forward_ns + packet.backward_ns,
                forward_ns=packet.forward_ns,
                backward_ns=packet.backward_ns,
                timestamps=TimestampSource.KERNEL,
            ),
            packet,
        )
        for slot, packet in enumerate(apart.packets(random.Random(seed)))
    ]


def take(counts: OneWayCounts, taken: Iterable[tuple[Sample, Packet]], facts: ReflectorFacts = CLAIMS) -> None:
    for sample, packet in taken:
        counts.take(sample, packet.forward_ns, packet.backward_ns, facts)
