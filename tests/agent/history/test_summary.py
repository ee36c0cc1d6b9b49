from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.history.rows import Row
from agent.history.summary import Extras, bucket_of, merged, packed, percentile_of, summarised, upper_bound_ns
from collectors.sample import Outcome
from collectors.statistics import percentile
from tests.agent.history.generated import BEGIN_NS, on_a_path, rows_of

DURATION = st.integers(0, 120_000_000_000)
MINUTES = st.lists(st.lists(DURATION, min_size=1, max_size=30), min_size=1, max_size=5)


@given(DURATION)
def test_a_bucket_holds_its_durations_and_is_an_eighth_wide_at_most(duration_ns: int) -> None:
    bucket = bucket_of(duration_ns)
    assert bucket < 1 << 16
    assert duration_ns <= upper_bound_ns(bucket) <= duration_ns * 1.125
    assert bucket_of(upper_bound_ns(bucket)) == bucket
    assert bucket_of(upper_bound_ns(bucket) + 1) == bucket + 1


@given(
    st.lists(st.lists(DURATION, min_size=1, max_size=30), min_size=1, max_size=5), st.sampled_from([0.5, 0.95, 0.99])
)
def test_percentiles_of_merged_minutes_are_those_of_all_their_samples(minutes: list[list[int]], share: float) -> None:
    stored = []
    for number, durations in enumerate(minutes):
        rows = rows_of(
            [
                Row(slot=slot, sent_at_ns=BEGIN_NS + number, outcome=Outcome.ANSWERED, rtt_ns=rtt_ns)
                for slot, rtt_ns in enumerate(durations)
            ]
        )
        stored.append(packed(summarised(rows, Extras()).histogram))
    exact = percentile(sorted(rtt_ns for durations in minutes for rtt_ns in durations), share)
    found = percentile_of(merged(stored), share)
    assert found is not None
    assert exact <= found <= exact * 1.125


def test_nothing_has_no_percentile() -> None:
    assert percentile_of({}, 0.5) is None


def test_each_outcome_has_its_count_and_unsent_packets_are_not_sent() -> None:
    outcomes = [*Outcome][:6]
    rows = rows_of(
        [
            Row(
                slot=slot, sent_at_ns=BEGIN_NS, outcome=outcome, rtt_ns=5 if outcome.received else None, noisy=slot == 1
            )
            for slot, outcome in enumerate(outcomes)
        ]
    )
    summary = summarised(rows, Extras(late=2))
    assert (summary.sent, summary.received, summary.lost, summary.failed) == (5, 2, 1, 1)
    assert (summary.overlooked, summary.not_sent, summary.reordered, summary.noisy) == (1, 1, 1, 1)
    assert summary.extras == Extras(late=2)


def test_a_minute_without_answers_has_no_times() -> None:
    summary = summarised(rows_of([Row(slot=0, sent_at_ns=BEGIN_NS, outcome=Outcome.LOST)]), Extras())
    assert (summary.rtt_min_ns, summary.rtt_p99_ns, summary.jitter_ns) == (None, None, None)


def test_the_figures_are_those_of_the_samples() -> None:
    rows = [row for row in on_a_path(600) if row.rtt_ns is not None]
    summary = summarised(rows_of(rows), Extras())
    times = sorted(row.rtt_ns for row in rows if row.rtt_ns is not None)
    assert (summary.rtt_min_ns, summary.rtt_max_ns, summary.rtt_sum_ns) == (times[0], times[-1], sum(times))
    assert summary.rtt_p95_ns == percentile(times, 0.95)
