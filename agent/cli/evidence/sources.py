"""The kinds of evidence there are, and a comparison made of each: the one place that chooses between them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, assert_never

from agent.cli.evidence.margin import Limits
from agent.cli.evidence.wanted import EvidenceError, Progress, Wanted
from agent.compare.comparison import Comparison, Names, compare
from agent.compare.pairs import Pairs
from agent.config.load import load_plan
from agent.config.problems import ConfigError
from agent.plan import Plan

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Files of samples, those of the last ``since_ns`` before the newest, or all."""

    files: Sequence[IO[str]]
    since_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A history, or that of a configuration, as far back as ``since_ns``."""

    directory: Path | None
    config: Path
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """A server of Prometheus' API, as far back as ``since_ns``."""

    url: str
    agent: str | None
    tenant: str | None
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """Both paths, measured from now on for so long."""

    config: Path
    duration_ns: int


Source = Samples | History | Metrics | Measuring


def compared(source: Source, wanted: Wanted, limits: Limits, *, now_ns: int, progress: Progress) -> Comparison:
    """Gather the evidence and compare; raise :class:`EvidenceError` where there is nothing that could be compared."""
    match source:
        case Samples():
            names, pairs = _of_samples(source, wanted, progress)
        case History():
            names, pairs = _of_history(source, wanted, now_ns, progress)
        case Measuring():
            names, pairs = _measured(source, wanted, now_ns, progress)
        case Metrics():
            return _by_metrics(source, wanted, limits, now_ns, progress)
        case _:
            assert_never(source)
    margins, note = limits.margins_of(names)
    return _noted(compare(pairs, names, margins=margins, limit_ns=limits.limit_ns, progress=progress), note)


def _noted(found: Comparison, note: str) -> Comparison:
    return replace(found, notes=(*found.notes, note))


def _of_samples(source: Samples, wanted: Wanted, progress: Progress) -> tuple[Names, Pairs]:
    from agent.cli.evidence.samples import pairs_of_files

    return pairs_of_files(source.files, wanted, since_ns=source.since_ns, progress=progress)


def _of_history(source: History, wanted: Wanted, now_ns: int, progress: Progress) -> tuple[Names, Pairs]:
    from agent.cli.evidence.history import pairs_of_history

    directory = source.directory or _history_of(source.config)
    since_ns = now_ns - source.since_ns
    return pairs_of_history(directory, wanted, since_ns=since_ns, until_ns=now_ns, progress=progress)


def _history_of(config: Path) -> Path:
    plan = _plan(config, with_keys=False)
    if plan.history is None:
        raise EvidenceError(f"{config} keeps no history: add `history`, or use --samples, --prometheus or --duration")
    return plan.history.directory


def _measured(source: Measuring, wanted: Wanted, now_ns: int, progress: Progress) -> tuple[Names, Pairs]:
    from agent import loop
    from agent.cli.evidence.live import pairs_of_paths

    plan = _plan(source.config, with_keys=True)
    ends = datetime.fromtimestamp((now_ns + source.duration_ns) / _NS_PER_S, UTC).astimezone()
    progress(f"measuring until {ends:%H:%M:%S}")
    return loop.run(pairs_of_paths(plan, wanted, where=str(source.config), duration_ns=source.duration_ns))


def _by_metrics(source: Metrics, wanted: Wanted, limits: Limits, now_ns: int, progress: Progress) -> Comparison:
    from agent.cli.evidence.prometheus import histograms_of, shown
    from agent.compare.histograms import compare_histograms

    progress(f"asking {shown(source.url)}")
    since_s, now_s = source.since_ns / _NS_PER_S, now_ns / _NS_PER_S
    asking = histograms_of(source.url, wanted, agent=source.agent, tenant=source.tenant, since_s=since_s, now_s=now_s)
    found = asyncio.run(asking)
    margins, note = limits.margins_of(found.names)
    compared = compare_histograms(
        *found.sides, found.names, found.window, margins=margins, limit_ns=limits.limit_ns, warnings=found.warnings
    )
    return _noted(compared, note)


def _plan(config: Path, *, with_keys: bool) -> Plan:
    try:
        return load_plan(config, with_keys=with_keys)
    except ConfigError as error:
        raise EvidenceError(str(error)) from error
