"""Both paths measured here and now, as a probe of the configuration does, in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from agent.cli.evidence.wanted import EvidenceError, Wanted
from agent.columns import OUTCOMES, UNKNOWN, Columns
from agent.compare.comparison import Names
from agent.compare.pairs import Pairs, pair
from agent.engine import Bound, Engine
from agent.plan import Plan, Probe
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.sample import Sample


async def pairs_of_paths(plan: Plan, wanted: Wanted, *, where: str, duration_ns: int) -> tuple[Names, Pairs]:
    """Measure both paths for so long, as a probe of the configuration does, and pair what was seen.

    Raise :class:`EvidenceError` where the plan has no such paths, or packets could not be sent.
    """
    there = [
        (probe.name, target.name, path.name)
        for probe in plan.probes
        for target in probe.targets
        for path in probe.paths
    ]
    names = wanted.among(there, where)
    probe = _only(next(probe for probe in plan.probes if probe.name == names.probe), names)
    await _run(probe, Figures(), Bound(packets=1))  # what cannot be sent is not found out only in the end
    figures = Figures(with_samples=True)
    await _run(probe, figures, Bound(duration_ns=duration_ns))
    ours, theirs = (columns_of(_samples(figures, probe, names, path)) for path in (names.baseline, names.candidate))
    return names, pair(ours, theirs)


async def _run(probe: Probe, figures: Figures, bound: Bound) -> None:
    """Probe, and raise :class:`EvidenceError` where a path has never had a packet."""
    engine = Engine((probe,), figures)
    await engine.run(bound)
    silent = [key for key in engine.troubles if key not in figures.streams or not figures.streams[key].counts.sent]
    if silent:
        raise EvidenceError("; ".join(dict.fromkeys(str(engine.troubles[key]) for key in silent)))


def _only(probe: Probe, names: Names) -> Probe:
    """Return the probe with this target and these two paths alone."""
    paths = {path.name: path for path in probe.paths}
    targets = tuple(target for target in probe.targets if target.name == names.target)
    return replace(probe, targets=targets, paths=(paths[names.baseline], paths[names.candidate]))


def _samples(figures: Figures, probe: Probe, names: Names, path: str) -> Sequence[Sample]:
    key = StreamKey(probe=probe.name, kind=probe.options.kind, target=names.target, path=path)
    return figures.streams[key].samples or []


def columns_of(samples: Sequence[Sample]) -> Columns:
    """Return settled packets as arrays, in order of their slots."""
    settled = sorted((sample for sample in samples if sample.outcome.settles), key=lambda sample: sample.slot)

    def times(name: str) -> Any:
        found = (getattr(sample, name) for sample in settled)
        return np.array([UNKNOWN if value is None else value for value in found], dtype=np.int64)

    return Columns(
        slot=times("slot"),
        sent_at_ns=times("sent_at_ns"),
        rtt_ns=times("rtt_ns"),
        forward_ns=times("forward_ns"),
        backward_ns=times("backward_ns"),
        outcome=np.array([OUTCOMES.index(sample.outcome) for sample in settled], dtype=np.uint8),
        noisy=np.array([sample.noisy for sample in settled], dtype=np.bool_),
    )
