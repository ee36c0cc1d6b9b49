"""One-way delays are counted as long as both clocks support them, each by its own direction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.counts import StreamCounts
from agent.oneway import RECENT, OneWayCounts
from collectors.clock import ClockState
from collectors.oneway import Doubt
from collectors.peer import ReflectorFacts
from collectors.timescale import Timescale
from tests.agent.following import CLAIMS, CLAIMS_NOTHING, INTERVAL_NS, KEPT, LEFT_ALONE, own, samples, take
from tests.collectors.clocks_apart import MS, US, Apart, Change, S

UNEQUAL = Apart(forward_ns=15 * MS, backward_ns=5 * MS, offset_ns=-50 * US, seconds=20)


def counted(counts: OneWayCounts) -> tuple[int, int]:
    forward, backward = (counts.histograms[way].cumulative()[-1] for way in ("forward", "backward"))
    return forward, backward


def test_delays_are_counted_once_enough_packets_have_agreed_with_the_clocks() -> None:
    counts = OneWayCounts(own(), interval_ns=INTERVAL_NS)
    taken = samples(UNEQUAL)
    take(counts, taken)
    assert counts.known.valid
    assert counted(counts) == (len(taken) - 15, len(taken) - 15)
    for way, delay_ns in (("forward", 15 * MS), ("backward", 5 * MS)):
        assert min(counts.delays_ns[way]) == pytest.approx(delay_ns, abs=250 * US)
        mean_ns = counts.histograms[way].sum_ns / (len(taken) - 15)
        assert mean_ns == pytest.approx(delay_ns + 300 * US, abs=300 * US)


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (LEFT_ALONE, CLAIMS, Doubt.NOT_SYNCHRONISED),
        (KEPT, CLAIMS_NOTHING, Doubt.NOT_SYNCHRONISED),
        (KEPT, ReflectorFacts(), Doubt.NOT_SYNCHRONISED),
        (KEPT, ReflectorFacts(synchronised=True), Doubt.ERROR_UNKNOWN),
        (KEPT, ReflectorFacts(synchronised=True, error_ns=5 * MS), Doubt.ERROR_TOO_LARGE),
        (ClockState(synchronised=True, error_ns=0, max_error_ns=500 * US), CLAIMS, Doubt.ERROR_UNKNOWN),
    ],
)
def test_where_a_clock_does_not_support_them_there_are_none(
    ours: ClockState, theirs: ReflectorFacts, reason: Doubt
) -> None:
    counts = OneWayCounts(own(ours), interval_ns=INTERVAL_NS)
    take(counts, samples(UNEQUAL), theirs)
    assert counts.known.reason is reason
    assert counted(counts) == (0, 0)
    assert not any(map(len, counts.delays_ns.values()))


def test_without_a_clock_to_ask_nothing_is_claimed() -> None:
    counts = OneWayCounts(interval_ns=INTERVAL_NS)
    take(counts, samples(UNEQUAL))
    assert counts.known.reason is Doubt.NOT_SYNCHRONISED


def test_what_a_reflector_claims_counts_from_when_it_is_told() -> None:
    counts = OneWayCounts(own(), interval_ns=INTERVAL_NS)
    taken = samples(UNEQUAL)
    take(counts, taken[:50], CLAIMS_NOTHING)
    take(counts, taken[50:120])
    assert counts.known.valid
    take(counts, taken[120:], CLAIMS_NOTHING)
    assert not counts.known.valid
    assert counted(counts) == (70, 70)


def test_the_limit_is_the_operators() -> None:
    counts = OneWayCounts(own(), limit_ns=150 * US, interval_ns=INTERVAL_NS)
    take(counts, samples(UNEQUAL))
    assert counts.known.reason is Doubt.ERROR_TOO_LARGE


@pytest.mark.parametrize("by_ns", [3600 * S, -3600 * S])
def test_a_clock_that_is_set_by_an_hour_is_one_step_however_wall_time_goes(by_ns: int) -> None:
    counts = OneWayCounts(own(), interval_ns=INTERVAL_NS)
    step = Change(30, sender_ns=by_ns)
    take(counts, samples(Apart(seconds=40, changes=(step,))))
    known = counts.known
    assert known.reason is Doubt.CLOCK_STEPPED
    assert known.steps == 1
    assert known.step is not None
    assert known.step.by_ns == pytest.approx(-by_ns, abs=300 * US)
    assert known.step.at_ns == pytest.approx(30 * S, abs=S)


def test_a_reflector_on_another_timescale_is_named() -> None:
    counts = OneWayCounts(own(), interval_ns=INTERVAL_NS)
    take(counts, samples(Apart(offset_ns=37 * S, seconds=5)))
    assert (counts.known.reason, counts.known.timescale) == (Doubt.TAI_UTC, Timescale.REFLECTOR_TAI)
    assert counted(counts) == (0, 0)


def test_the_service_keeps_the_most_recent_delays_and_counts_all() -> None:
    longer = Apart(seconds=80, changes=(Change(20, forward_ns=2 * MS),))
    for recent, kept in ((RECENT, RECENT), (None, 785)):
        counts = OneWayCounts(own(), interval_ns=INTERVAL_NS, recent=recent)
        take(counts, samples(longer))
        assert counted(counts) == (785, 785)
        assert [len(delays_ns) for delays_ns in counts.delays_ns.values()] == [kept, kept]
    counts = OneWayCounts(own(), interval_ns=INTERVAL_NS)
    take(counts, samples(longer))
    assert min(counts.delays_ns["forward"]) > 11 * MS


def test_packets_without_the_reflectors_times_change_nothing() -> None:
    counts = StreamCounts(OneWayCounts(own(), interval_ns=INTERVAL_NS))
    for sample, _ in samples(UNEQUAL):
        counts.take(sample._replace(forward_ns=None, backward_ns=None))
    assert counts.received == 200
    assert counts.one_way.known.reason is Doubt.TOO_FEW_SAMPLES
    assert counts.one_way.known.offset is None


def test_a_stream_counts_one_way_delays_of_what_it_received() -> None:
    counts = StreamCounts(OneWayCounts(own(), interval_ns=INTERVAL_NS))
    counts.take(CLAIMS)
    for sample, _ in samples(UNEQUAL):
        counts.take(sample)
    assert counts.one_way.known.valid
    assert counted(counts.one_way) == (185, 185)


def test_delays_of_packets_that_are_close_are_all_counted() -> None:
    counts = OneWayCounts(own(), interval_ns=MS)
    taken = samples(replace(UNEQUAL, per_s=1000, seconds=4))
    take(counts, taken)
    assert counts.known.samples == len(taken)
    assert counted(counts) == (len(taken) - 15, len(taken) - 15)
    assert counts.histograms["forward"].sum_ns / len(taken) == pytest.approx(15 * MS + 300 * US, abs=300 * US)


def test_a_clock_that_is_set_ends_delays_also_where_packets_are_close() -> None:
    counts = OneWayCounts(own(), interval_ns=MS)
    taken = samples(replace(UNEQUAL, per_s=1000, seconds=3, changes=(Change(2, reflector_ns=-40 * MS),)))
    take(counts, taken)
    assert counts.known.reason is Doubt.CLOCK_STEPPED
    assert counted(counts)[0] <= 2000
    assert max(counts.delays_ns["forward"]) < 30 * MS
    assert min(counts.delays_ns["forward"]) > 10 * MS
