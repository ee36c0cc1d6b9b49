"""An envelope keeps the least differences of each stretch of time, and little else."""

from __future__ import annotations

import random
import sys

import pytest

from collectors.envelope import WINDOW_NS, Block, Envelope
from tests.collectors.clocks_apart import MS, US, Apart, Change, Packet, S

NOTHING = (0.0, 0.0)


def envelope_of(apart: Apart, *, window_ns: int = WINDOW_NS) -> tuple[Envelope, list[Packet]]:
    first, *others = packets = list(apart.packets(random.Random(1)))
    envelope = Envelope(Block(first.at_ns, first.forward_ns, first.backward_ns, NOTHING), window_ns=window_ns)
    for packet in others:
        times = packet.at_ns, packet.forward_ns, packet.backward_ns
        envelope.take(*times, envelope.excess(*times))
    return envelope, packets


def test_excess_is_counted_from_the_least_of_the_first_packets() -> None:
    _, packets = envelope_of(Apart(seconds=3))
    envelope, _ = envelope_of(Apart(seconds=3))
    at_ns = packets[-1].at_ns
    least = min(packet.forward_ns for packet in packets), min(packet.backward_ns for packet in packets)
    assert envelope.excess(at_ns, *least) == NOTHING
    assert envelope.middle_ns(at_ns) == pytest.approx((least[0] - least[1]) / 2, abs=500 * US)


def test_a_block_keeps_its_least_although_expectations_fall_meanwhile() -> None:
    envelope, packets = envelope_of(Apart(seconds=3.9))
    least_ns = min(packet.forward_ns for packet in packets)
    at_ns = packets[0].at_ns + 5 * S
    envelope.take(at_ns, least_ns + MS, 20 * MS, envelope.excess(at_ns, least_ns + MS, 20 * MS))
    assert envelope.excess(at_ns, least_ns, 20 * MS)[0] == 0


def test_a_known_skew_is_foreseen() -> None:
    envelope, packets = envelope_of(Apart(skew_ppm=80, seconds=100))
    assert envelope.skew is not None
    assert envelope.skew.ppm == pytest.approx(80, abs=0.5)
    last = packets[-1]
    later_ns = 30 * S
    forward, backward = envelope.excess(last.at_ns, last.forward_ns, last.backward_ns)
    drifted = last.forward_ns + 80 * later_ns // 1_000_000, last.backward_ns - 80 * later_ns // 1_000_000
    later = envelope.excess(last.at_ns + later_ns, *drifted)
    assert later == pytest.approx((forward, backward), abs=20 * US)


def test_after_a_change_of_rate_the_older_half_is_forgotten() -> None:
    envelope, _ = envelope_of(Apart(seconds=190, changes=(Change(100, skew_ppm=60),)))
    assert envelope.skew is not None
    assert envelope.skew.low_ppm <= 60 <= envelope.skew.high_ppm
    assert envelope.span_ns < WINDOW_NS


def test_packets_that_were_put_aside_lower_what_is_expected() -> None:
    envelope, packets = envelope_of(Apart(seconds=30))
    at_ns = packets[-1].at_ns
    sooner = at_ns, 7 * MS, 20 * MS
    envelope.merge(Block(*sooner, envelope.excess(*sooner)))
    assert envelope.excess(*sooner)[0] == 0


@pytest.mark.parametrize("apart", [Apart(per_s=1, seconds=3000), Apart(per_s=0.1, seconds=5000)])
def test_memory_does_not_grow_with_time(apart: Apart) -> None:
    envelope, packets = envelope_of(apart)
    assert envelope.span_ns <= WINDOW_NS + 20 * S
    kept = list(vars(envelope)["_blocks"])
    assert len(kept) <= 32
    assert sum(sys.getsizeof(block) for block in kept) < 5000
    assert packets[-1].at_ns - kept[-1].starts_ns < 20 * S


def test_the_window_is_what_it_was_told() -> None:
    envelope, _ = envelope_of(Apart(seconds=60), window_ns=16 * S)
    assert envelope.span_ns <= 17 * S
