"""What is counted of a stream, before Prometheus sees it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.counts import StreamCounts
from agent.histogram import LATENESS_BOUNDS_NS, RTT_BOUNDS_NS, VARIATION_BOUNDS_NS, Histogram
from collectors.peer import Quirk
from collectors.sample import RETRANSMITTED, Outcome, Sample, TimestampSource

MS = 1_000_000
BOUNDS_NS = (10, 20, 50)
ANSWERED = Sample(
    slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.ANSWERED, rtt_ns=1, timestamps=TimestampSource.KERNEL
)


@given(st.lists(st.integers(0, 100)))
def test_a_value_counts_in_every_bucket_whose_bound_it_does_not_exceed(values: list[int]) -> None:
    histogram = Histogram(BOUNDS_NS)
    for value in values:
        histogram.observe(value)
    expected = [sum(value <= bound for value in values) for bound in BOUNDS_NS]
    assert histogram.cumulative() == [*expected, len(values)]
    assert histogram.sum_ns == sum(values)


def test_a_value_on_a_bound_is_within_it() -> None:
    histogram = Histogram(BOUNDS_NS)
    histogram.observe(20)
    assert histogram.cumulative() == [0, 1, 1, 1]


def test_the_bounds_ascend_and_are_fine_where_wide_area_networks_are() -> None:
    for bounds_ns in (RTT_BOUNDS_NS, VARIATION_BOUNDS_NS, LATENESS_BOUNDS_NS):
        assert list(bounds_ns) == sorted(set(bounds_ns))
    steps = [high / low for low, high in pairwise(RTT_BOUNDS_NS) if MS <= low < 100 * MS]
    assert max(steps) <= 1.15


def test_a_plain_answer_leaves_what_is_counted_of_the_reflector_as_it_is() -> None:
    counts = StreamCounts()
    counts.take(ANSWERED)
    assert counts.received == 1
    assert (counts.peer.stamped, sum(counts.peer.forward_tos), sum(counts.peer.backward_tos)) == (0, 0, 0)
    assert not any(counts.peer.tolerated.values())


def test_what_an_answer_tells_counts_only_where_the_packet_was_received() -> None:
    told = ANSWERED._replace(
        reflector_stamped=True, forward_tos=184, backward_tos=0, quirks=frozenset({Quirk.OTHER_SIZE})
    )
    counts = StreamCounts()
    for outcome in (Outcome.ANSWERED, Outcome.REORDERED, Outcome.LATE, Outcome.DUPLICATE):
        counts.take(told._replace(outcome=outcome))
    peer = counts.peer
    assert (peer.stamped, peer.forward_tos[184], peer.backward_tos[0], peer.tolerated["other_size"]) == (2, 2, 2, 2)


def test_every_packet_that_left_is_received_or_lost_or_failed() -> None:
    counts = StreamCounts()
    counts.take(ANSWERED._replace(handshake_ns=MS))
    for outcome, reason in ((Outcome.LOST, None), (Outcome.LOST, RETRANSMITTED), (Outcome.FAILED, "refused")):
        counts.take(ANSWERED._replace(outcome=outcome, rtt_ns=None, timestamps=None, reason=reason))
    assert (counts.sent, counts.received, counts.lost, counts.failed) == (4, 1, 2, {"refused": 1})
    assert counts.retransmitted == 1
    assert (counts.handshake.cumulative()[-1], counts.handshake.sum_ns) == (1, MS)
