"""What is said of one stream and minute without its samples, so that a month can be read at once. No I/O."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.history.rows import HAS_RTT, NOISY, OUTCOME, OUTCOMES, Rows
from collectors.sample import Outcome
from collectors.statistics import Rfc3550Jitter, percentile

_STEPS = 3  # bits: eight buckets from one power of two to the next, each 6 to 12.5 % wide
_PAIR = struct.Struct("<HH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What was told beside the settled packets of a minute: further answers, and losses whose direction was told."""

    late: int = 0
    duplicate: int = 0
    lost_forward: int = 0
    lost_backward: int = 0

    def __add__(self, other: Extras) -> Extras:
        return Extras(
            late=self.late + other.late,
            duplicate=self.duplicate + other.duplicate,
            lost_forward=self.lost_forward + other.lost_forward,
            lost_backward=self.lost_backward + other.lost_backward,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One stream's minute: counts of packets, and round-trip times in ns, ``None`` where none was received.

    ``sent`` is the sum of what was received, lost, failed or overlooked; ``reordered`` and ``noisy`` are among them.
    The percentiles are those of RFC 2330, ``jitter_ns`` that of RFC 3550 at the end of the minute. ``histogram`` counts
    the received by :func:`bucket_of` their time; histograms of several minutes add up.
    """

    sent: int
    received: int
    lost: int
    failed: int
    overlooked: int
    not_sent: int
    reordered: int
    noisy: int
    extras: Extras
    rtt_sum_ns: int
    rtt_min_ns: int | None
    rtt_p50_ns: int | None
    rtt_p95_ns: int | None
    rtt_p99_ns: int | None
    rtt_max_ns: int | None
    jitter_ns: int | None
    histogram: Mapping[int, int]


def summarised(rows: Rows, extras: Extras) -> Summary:
    """Summarise samples that are in the order of their slots."""
    outcomes = Counter(flags & OUTCOME for flags in rows.flags)
    counts = {outcome: outcomes[number] for number, outcome in enumerate(OUTCOMES)}
    answered = [OUTCOMES[flags & OUTCOME].received and bool(flags & HAS_RTT) for flags in rows.flags]
    rtts_ns = [rtt for rtt, is_answered in zip(rows.rtt_ns, answered, strict=True) if is_answered]
    ordered = sorted(rtts_ns)
    not_sent = counts[Outcome.NOT_SENT]
    return Summary(
        sent=len(rows) - not_sent,
        received=counts[Outcome.ANSWERED] + counts[Outcome.REORDERED],
        lost=counts[Outcome.LOST],
        failed=counts[Outcome.FAILED],
        overlooked=counts[Outcome.OVERLOOKED],
        not_sent=not_sent,
        reordered=counts[Outcome.REORDERED],
        noisy=sum(flags & NOISY != 0 for flags in rows.flags),
        extras=extras,
        rtt_sum_ns=sum(ordered),
        rtt_min_ns=_share(ordered, 0),
        rtt_p50_ns=_share(ordered, 0.5),
        rtt_p95_ns=_share(ordered, 0.95),
        rtt_p99_ns=_share(ordered, 0.99),
        rtt_max_ns=_share(ordered, 1),
        jitter_ns=_jitter(rtts_ns),
        histogram=Counter(map(bucket_of, ordered)),
    )


def bucket_of(duration_ns: int) -> int:
    """Return the number of the bucket of a duration."""
    shift = max(duration_ns.bit_length() - _STEPS - 1, 0)
    return (shift << _STEPS) + (duration_ns >> shift)


def upper_bound_ns(bucket: int) -> int:
    """Return the longest duration in a bucket."""
    shift = max((bucket >> _STEPS) - 1, 0)
    return ((bucket - (shift << _STEPS) + 1) << shift) - 1


def packed(histogram: Mapping[int, int]) -> bytes:
    """Write a histogram as pairs of a bucket and its count, 16 bits each: a minute has 60,000 slots at most."""
    return b"".join(_PAIR.pack(bucket, min(histogram[bucket], 0xFFFF)) for bucket in sorted(histogram))


def merged(histograms: Iterable[bytes]) -> Counter[int]:
    """Add up histograms that :func:`packed` wrote."""
    total: Counter[int] = Counter()
    for octets in histograms:
        for bucket, count in _PAIR.iter_unpack(octets):
            total[bucket] += count
    return total


def percentile_of(histogram: Mapping[int, int], share: float) -> int | None:
    """Return the upper bound of the bucket that a percentile is in: at most 12.5 % too much; ``None`` without any."""
    needed = share * sum(histogram.values())
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= needed:
            return upper_bound_ns(bucket)
    return None


def _share(ordered: Sequence[int], share: float) -> int | None:
    return percentile(ordered, share) if ordered else None


def _jitter(rtts_ns: Sequence[int]) -> int | None:
    jitter = Rfc3550Jitter()
    for rtt_ns in rtts_ns:
        jitter.add(rtt_ns, rtt_ns)
    return None if jitter.value_ns is None else round(jitter.value_ns)
