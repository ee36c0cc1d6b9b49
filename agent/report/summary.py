"""Figures of all streams as one JSON object, schema ``eragent.probe/1``: of a one-off run, or of a running service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import compress

from agent.compare.differences import pair_figures
from agent.host import HostCounts
from agent.plan import ComparisonPlan
from agent.report.figures import Figures, PacketTimes
from agent.report.streams import Json, stream_summary
from agent.sink import StreamKey
from collectors.clock import ClockState, kernel_clock_state

SCHEMA = "eragent.probe/1"


def summary(figures: Figures, *, started_at: datetime, comparisons: Iterable[ComparisonPlan] = ()) -> Json:
    """Return the report on all streams; times in nanoseconds, what is not known is null."""
    streams = [stream_summary(key, figures) for key in figures.streams]
    compared = [row for plan in comparisons for row in comparison_summaries(plan, figures)]
    return assembled(started_at, streams, compared, host_summary(figures.host))


def assembled(started_at: datetime, streams: Sequence[Json], comparisons: Sequence[Json], host: Json) -> Json:
    """Put a report together from its parts."""
    return {
        "schema": SCHEMA,
        "started_at": started_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "streams": streams,
        "comparisons": comparisons,
        "host": host,
    }


def host_summary(host: HostCounts, *, clock_state: Callable[[], ClockState] = kernel_clock_state) -> Json:
    """Return the report on this host itself: how late it ran, and what its kernel says of its clock now."""
    slots = host.loop_lag.cumulative()[-1]
    return {
        "loop_lag_ns": {"mean": host.loop_lag.sum_ns // slots, "max": host.longest_lag_ns} if slots else None,
        "stalls": host.stalls,
        "suspensions": host.suspensions,
        "suspended_ns": host.suspended_ns,
        "clock": _clock(clock_state),
    }


def _clock(clock_state: Callable[[], ClockState]) -> Json | None:
    """Return the clock's state; null where a sandbox forbids to read it, or of what means nothing at present."""
    try:
        state = clock_state()
    except OSError:
        return None
    return {
        "synchronised": state.synchronised,
        "error_ns": state.max_error_ns if state.synchronised else None,
        "synchronised_within_s": state.synchronised_within_s,
        "tai_offset_s": state.tai_offset_s,
    }


def comparison_summaries(plan: ComparisonPlan, figures: Figures) -> list[Json]:
    """Compare the two paths of a plan at each target that its probe has."""
    rows = []
    for key, baseline in figures.streams.items():
        if (key.probe, key.path) != (plan.probe, plan.baseline):
            continue
        candidate_key = StreamKey(probe=key.probe, kind=key.kind, target=key.target, path=plan.candidate)
        rows.append(
            {
                "probe": key.probe,
                "target": key.target,
                "baseline": plan.baseline,
                "candidate": plan.candidate,
                "margin_ns": plan.margin_ns,
                **_pairs(baseline.packets(), figures.streams[candidate_key].packets()),
            }
        )
    return rows


def _pairs(baseline: PacketTimes, candidate: PacketTimes) -> Json:
    ours, theirs = _by_slot(baseline), _by_slot(candidate)
    noisy = _noisy_slots(baseline) | _noisy_slots(candidate)
    found = pair_figures(ours, theirs, noisy=noisy)
    return asdict(found) if found else {"pairs": 0, "excluded": len(ours.keys() & theirs.keys())}


def _by_slot(packets: PacketTimes) -> dict[int, int]:
    return {slot: rtt for slot, rtt in zip(packets.slots, packets.rtts_ns, strict=True) if rtt is not None}


def _noisy_slots(packets: PacketTimes) -> set[int]:
    return set(compress(packets.slots, packets.noisy))
