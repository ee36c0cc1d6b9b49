"""What became of each packet of a run, a line for each: for who wants to see why a probe failed. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from agent.report.figures import Figures
from collectors.sample import Sample


def told(figures: Figures) -> Iterator[str]:
    """Yield a line for every sample, in order of settling; ``figures`` keep them where they were told to."""
    for key, stream in figures.streams.items():
        for sample in stream.samples or ():
            yield f"path {key.path}, packet {sample.slot}: {_told(sample)}"
        for (reason, source), count in stream.rejected_answers.items():
            yield f"path {key.path}: {count} datagrams from {source or 'others'} were no answers: {reason}"


def _told(sample: Sample) -> str:
    rtt = None if sample.rtt_ns is None else f"{sample.rtt_ns / 1e6:.3f} ms"
    stamped = None if sample.timestamps is None else f"times of the {sample.timestamps}"
    phases = (
        []
        if sample.exchange is None
        else [f"{phase} {duration_ns / 1e6:.3f} ms" for phase, duration_ns in sample.exchange.phases.items()]
    )
    status = None if sample.exchange is None or sample.exchange.status is None else f"status {sample.exchange.status}"
    return ", ".join(part for part in (str(sample.outcome), sample.reason, rtt, stamped, status, *phases) if part)
