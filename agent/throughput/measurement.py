"""What a test and the probes beside it say together: verdicts by direction, latency by load, leaks. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.sink import StreamKey
from agent.throughput.limited_by import LimitedBy, limited_by
from agent.throughput.load import Latency, Leak, Load, Period, Probed, by_load, latency, leak
from agent.throughput.observed import observed
from agent.throughput.trial import LOADS, Outcome, Tried
from collectors.iperf3.options import Direction

Recorded = Mapping[StreamKey, Sequence[Probed]]
"""Samples by stream, from before the first test of a round to after its last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLatency:
    """What one probe stream of the tested path saw without load and under it; ``loaded_rtts_ns`` are all of the latter.

    ``loaded`` is ``None`` where no sample fell into the steady part of the test.
    """

    stream: StreamKey
    idle: Latency
    loaded: Latency | None
    loaded_rtts_ns: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLeak:
    """What one probe stream of another path saw in the slots in which the tested one was loaded."""

    stream: StreamKey
    leak: Leak


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One test with everything that is known of it. Incomplete tests have no verdict."""

    tried: Tried
    load: Load
    verdicts: Mapping[Direction, LimitedBy]
    latencies: tuple[StreamLatency, ...]
    leaks: tuple[StreamLeak, ...]

    @property
    def latency(self) -> StreamLatency | None:
        """That of the stream with most samples under load, else without it, which says most."""
        return max(self.latencies, key=lambda each: (len(each.loaded_rtts_ns), each.idle.sent), default=None)


def measurement(tried: Tried, recorded: Recorded, periods: Sequence[Period]) -> Measurement:
    """Put together a test and what probes recorded; ``periods`` are those of all tests of the recording."""
    load = LOADS[tried.trial.options.direction]
    latencies = tuple(_latencies(tried, recorded, periods))
    found = Measurement(
        tried=tried,
        load=load,
        verdicts={},
        latencies=latencies,
        leaks=tuple(_leaks(tried, recorded, periods)),
    )
    return Measurement(
        tried=tried, load=load, verdicts=_verdicts(tried, found.latency), latencies=latencies, leaks=found.leaks
    )


def _verdicts(tried: Tried, beside: StreamLatency | None) -> dict[Direction, LimitedBy]:
    if tried.result is None or tried.outcome is not Outcome.COMPLETE:
        return {}
    idle, loaded = (None, None) if beside is None else (beside.idle, beside.loaded)
    return {
        transfer.direction: limited_by(
            observed(
                tried.result,
                transfer,
                tried.trial.options,
                idle=idle,
                loaded=loaded,
                rates=tried.trial.rates,
                host_busy=tried.host_busy,
                host_buffers=tried.host_buffers,
            )
        )
        for transfer in tried.result.transfers
    }


def _latencies(tried: Tried, recorded: Recorded, periods: Sequence[Period]) -> Iterator[StreamLatency]:
    path = tried.trial.path.name
    for stream, samples in recorded.items():
        if stream.path != path:
            continue
        loaded = [sample for sample in samples if tried.period is not None and _is_within(sample, tried.period)]
        yield StreamLatency(
            stream=stream,
            idle=latency(by_load(path, samples, periods).get(Load.IDLE, [])),
            loaded=latency(loaded) if loaded else None,
            loaded_rtts_ns=[sample.rtt_ns for sample in loaded if sample.rtt_ns is not None],
        )


def _leaks(tried: Tried, recorded: Recorded, periods: Sequence[Period]) -> Iterator[StreamLeak]:
    if tried.period is None:
        return
    tested = tried.trial.path.name
    slots = {
        _beside(stream): _slots(samples, tried.period, periods)
        for stream, samples in recorded.items()
        if stream.path == tested
    }
    for stream, samples in recorded.items():
        if stream.path == tested:
            continue
        idle_slots, loaded_slots = slots.get(_beside(stream), (frozenset(), frozenset()))
        yield StreamLeak(
            stream=stream,
            leak=leak(
                [sample for sample in samples if sample.slot in idle_slots],
                [sample for sample in samples if sample.slot in loaded_slots],
            ),
        )


def _beside(stream: StreamKey) -> tuple[str, str, str]:
    """Return what the streams of one probe to one target have in common: their slots."""
    return stream.probe, stream.kind, stream.target


def _slots(
    samples: Sequence[Probed], period: Period, periods: Sequence[Period]
) -> tuple[frozenset[int], frozenset[int]]:
    """Return the slots in which the tested path was idle, and in which it was loaded by the test of ``period``."""
    idle = by_load(period.path, samples, periods).get(Load.IDLE, [])
    loaded = (sample for sample in samples if _is_within(sample, period))
    return frozenset(sample.slot for sample in idle), frozenset(sample.slot for sample in loaded)


def _is_within(sample: Probed, period: Period) -> bool:
    first_ns, last_ns = period.loaded_ns
    return first_ns <= sample.sent_at_ns <= last_ns
