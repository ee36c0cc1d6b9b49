"""Sets what a tool reports beside what the captures show. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from benchmarks.capture import Passage, Way
from benchmarks.figure import NotRun
from benchmarks.peers.bound import intervals, least_error_ns
from benchmarks.peers.curve import FRACTIONS, at_fractions
from benchmarks.peers.results import Accuracy, Errors, Sending
from benchmarks.peers.tool import Asked, Histogram, PerPacket, Report, Tool
from benchmarks.truth import RoundTrip, busiest_flow, deviation, elapsed_ns, round_trips
from collectors.statistics import percentile

_LEAST_MATCHED = 0.99  # of the packets answered; with fewer the captures are no witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """The packets of a run at three places: the sender's interface, the router's, the reflector's."""

    near: Sequence[Passage]
    router: Sequence[Passage]
    far: Sequence[Passage]

    def one_flow(self, *, ranked: bool) -> Captured:
        """Return the flow that asks most at each place; ``ranked``: numbered from 0 in the order of sending."""
        near, router, far = (busiest_flow(place) for place in (self.near, self.router, self.far))
        if not ranked:
            return Captured(near=near, router=router, far=far)
        ranks = {sequence: rank for rank, sequence in enumerate(_departures(near))}
        return Captured(near=_ranked(near, ranks), router=_ranked(router, ranks), far=_ranked(far, ranks))


def accuracy(tool: Tool, report: Report, captured: Captured, asked: Asked) -> Accuracy:
    """Compare a tool's report with three captures; raise :class:`NotRun` where they do not show its packets."""
    seen = captured.one_flow(ranked=tool.ranked)
    truths = round_trips(seen.near, seen.far)
    if isinstance(report, Histogram):
        truths = _first_answered(truths, seen.near, report.packets)
    if not truths:
        raise NotRun("the captures show none of its round trips")
    network_ns = {number: truth.network_ns for number, truth in truths.items()}
    return Accuracy(
        network=_errors(report, network_ns),
        with_dwell=_errors(report, {number: truth.wire_ns for number, truth in truths.items()}),
        is_icmp=tool.is_icmp,
        by_router=_spread(report, {n: trip.network_ns for n, trip in round_trips(seen.router, seen.far).items()}),
        overlooked=len(elapsed_ns(seen.near).keys() - report.rtts_ns.keys()) if isinstance(report, PerPacket) else None,
        rtt_median=percentile(sorted(network_ns.values()), 0.5),
        dwell_median=percentile(sorted(truth.dwell_ns for truth in truths.values()), 0.5),
        stamped_behind=_stamped_behind(report, _departures(seen.near)),
        sending=_sending(_departures(seen.near), report.slots if isinstance(report, PerPacket) else {}, asked),
    )


def _departures(near: Sequence[Passage]) -> dict[int, int]:
    """Return when each request passed the sender's interface, by its number and in their order."""
    departures: dict[int, int] = {}
    for passage in sorted(near, key=lambda passage: passage.at_ns):
        if passage.way is Way.REQUEST:
            departures.setdefault(passage.sequence, passage.at_ns)
    return departures


def _ranked(passages: Sequence[Passage], ranks: Mapping[int, int]) -> list[Passage]:
    return [replace(passage, sequence=ranks[passage.sequence]) for passage in passages if passage.sequence in ranks]


def _first_answered(truths: Mapping[int, RoundTrip], near: Sequence[Passage], answers: int) -> dict[int, RoundTrip]:
    """Return the round trips that were complete when the tool had counted so many: it went on after it was asked."""
    replies = sorted((passage for passage in near if passage.way is Way.REPLY), key=lambda passage: passage.at_ns)
    return {p.sequence: truths[p.sequence] for p in replies[:answers] if p.sequence in truths}


def _errors(report: Report, truths_ns: Mapping[int, int]) -> Errors:
    match report:
        case PerPacket():
            return _errors_of_packets(report.rtts_ns, truths_ns)
        case Histogram():
            return _least_errors(report, sorted(truths_ns.values()))


def _errors_of_packets(rtts_ns: Mapping[int, int], truths_ns: Mapping[int, int]) -> Errors:
    found = deviation(rtts_ns, truths_ns)
    if found is None or found.packets < len(rtts_ns) * _LEAST_MATCHED:
        matched = found.packets if found else 0
        raise NotRun(f"of {len(rtts_ns)} answers the captures show {matched}: tcpdump lost the rest")
    signed = [rtt_ns - truths_ns[number] for number, rtt_ns in rtts_ns.items() if number in truths_ns]
    return Errors(
        packets=found.packets,
        at_least=False,
        median=found.median,
        p99=found.p99,
        max=found.max,
        bias=found.bias,
        mean=round(fmean(signed)),
        curve=at_fractions(sorted(abs(error) for error in signed)),
    )


def _least_errors(histogram: Histogram, truths_ns: Sequence[int]) -> Errors:
    """Bound the errors from below; their mean is known exactly, as the histogram has the sum."""
    packets = min(histogram.packets, len(truths_ns))
    if packets < histogram.packets * _LEAST_MATCHED:
        raise NotRun(f"of {histogram.packets} answers the captures show {packets}: tcpdump lost the rest")
    values = intervals(histogram)

    def least(fraction: float) -> int:
        return least_error_ns(values, truths_ns, max(math.ceil(round(fraction * packets, 6)), 1))

    return Errors(
        packets=packets,
        at_least=True,
        median=least(0.5),
        p99=least(0.99),
        max=least(1),
        bias=None,
        mean=round(histogram.sum_ns / histogram.packets - fmean(truths_ns)),
        curve=tuple(least(fraction) for fraction in FRACTIONS),
    )


def _spread(report: Report, truths_ns: Mapping[int, int]) -> int | None:
    """Return the p99 of the distances of a tool's errors from their median; the way to the router is part of each."""
    found = deviation(report.rtts_ns, truths_ns) if isinstance(report, PerPacket) else None
    return None if found is None else found.spread


def _stamped_behind(report: Report, departures: Mapping[int, int]) -> int | None:
    """Return the median of how long after passing the capture packets got their transmit stamps."""
    sent_ns = report.sent_ns if isinstance(report, PerPacket) else {}
    behind_ns = sorted(at_ns - departures[number] for number, at_ns in sent_ns.items() if number in departures)
    return percentile(behind_ns, 0.5) if behind_ns else None


def _sending(departures: Mapping[int, int], slots: Mapping[int, int], asked: Asked) -> Sending:
    times = list(departures.values())
    gaps = sorted(later - sooner for sooner, later in pairwise(times))
    if not gaps:
        raise NotRun("it sent less than two packets")
    # Who skips slots, and tells so, has not drifted by them.
    due = [slots.get(number, place) for place, number in enumerate(departures)]
    interval_ns = asked.interval_s * 1e9
    offsets = [at_ns - times[0] - slot * interval_ns for at_ns, slot in zip(times, due, strict=True)]
    tenth = max(len(offsets) // 10, 1)
    return Sending(
        sent=len(times),
        gap_mean=round(fmean(gaps)),
        gap_p1=percentile(gaps, 0.01),
        gap_p99=percentile(gaps, 0.99),
        drift=round(min(offsets[-tenth:]) - min(offsets[:tenth])),
    )
