"""Where `eragent compare` has its packets from: a file of samples, a history, or the paths themselves, now."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from agent.columns import OUTCOMES, UNKNOWN, Columns
from agent.compare.comparison import Names
from agent.compare.pairs import Gathering, Pairs, pair
from agent.engine import Bound, Engine
from agent.history.opening import HistoryError
from agent.history.reading import read_columns, streams
from agent.plan import Plan, Probe
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.sample import Outcome, Sample

_HOUR_NS = 3_600_000_000_000
_STRETCH_NS = 6 * _HOUR_NS
_LEAST_TELLING = 100  # pairs that tell an interval
_OTHER = 0.01
_NUMBER_OF = {outcome.value: number for number, outcome in enumerate(OUTCOMES)}
_FURTHER = {outcome.value for outcome in Outcome if not outcome.settles}
_TIMES = ("rtt_ns", "forward_ns", "backward_ns")

Progress = Callable[[str], None]


class EvidenceError(Exception):
    """There is nothing to compare; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the operator asks for; a probe and a target may be left open where only one has both paths."""

    baseline: str
    candidate: str
    target: str | None = None
    probe: str | None = None

    def among(self, there: Iterable[tuple[str, str, str]], where: str) -> Names:
        """Choose from streams, each a probe, target and path; raise :class:`EvidenceError` that says what there is."""
        known = list(dict.fromkeys(there))
        if not known:
            raise EvidenceError(f"{where} has no samples")
        for path in (self.baseline, self.candidate):
            if path not in {path for _, _, path in known}:
                names = ", ".join(dict.fromkeys(path for _, _, path in known))
                raise EvidenceError(f"{where} has no path {path}; its paths: {names}")
        fitting = [
            (probe, target)
            for probe, target, path in known
            if path == self.baseline
            and (probe, target, self.candidate) in known
            and self.target in (None, target)
            and self.probe in (None, probe)
        ]
        if len(fitting) == 1:
            [(probe, target)] = fitting
            return Names(baseline=self.baseline, candidate=self.candidate, probe=probe, target=target)
        both = f"{self.baseline} and {self.candidate}"
        if fitting:
            names = ", ".join(f"{probe} to {target}" for probe, target in fitting)
            raise EvidenceError(f"{where} has several probes and targets of {both}: {names}: add --target and --probe")
        names = ", ".join(f"{probe} to {target} on {path}" for probe, target, path in known)
        raise EvidenceError(f"{where} has no probe and target in common to {both}, as asked for; it has: {names}")


class _Rows:
    """The packets of one stream, as they are read."""

    __slots__ = ("numbers", "outcome")

    def __init__(self) -> None:
        self.numbers = array("q")  # slot, time of sending, and three delays of each packet
        self.outcome = bytearray()  # its number, and 128 where it is noisy

    def columns(self, since_ns: int | None) -> Columns:
        """Return those sent from ``since_ns`` on, in order of slots; of a slot that comes again the first."""
        slot, sent_at_ns, rtt_ns, forward_ns, backward_ns = (
            np.ascontiguousarray(column) for column in np.frombuffer(self.numbers, dtype=np.int64).reshape(-1, 5).T
        )
        flags = np.frombuffer(self.outcome, dtype=np.uint8)
        columns = Columns(
            slot=slot,
            sent_at_ns=sent_at_ns,
            rtt_ns=rtt_ns,
            forward_ns=forward_ns,
            backward_ns=backward_ns,
            outcome=(flags & 127).astype(np.uint8),
            noisy=flags > 127,
        )
        if since_ns is not None:
            columns = columns.where(columns.sent_at_ns >= since_ns)
        return columns.where(np.unique(columns.slot, return_index=True)[1])


def pairs_of_samples(lines: Iterable[str], wanted: Wanted, *, where: str, since_ns: int | None) -> tuple[Names, Pairs]:
    """Pair the samples of JSON lines, those of the last ``since_ns`` before the newest.

    Raise :class:`EvidenceError`, with the line where there is one, for what is no sample.
    """
    rows: dict[tuple[str, str, str], _Rows] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            _take(rows, line, f"{where}, line {number}")
    names = wanted.among(rows, where)
    both = [rows[names.probe, names.target, path] for path in (names.baseline, names.candidate)]
    first_ns = None if since_ns is None else max(max(row.numbers[1::5]) for row in both) - since_ns
    return names, pair(*(row.columns(first_ns) for row in both))


def _take(rows: dict[tuple[str, str, str], _Rows], line: str, place: str) -> None:
    try:
        sample = json.loads(line)
        key = (_text(sample, "probe"), _text(sample, "target"), _text(sample, "path"))
        outcome = _text(sample, "outcome")
        if outcome in _FURTHER:
            return
        numbers = (_whole(sample, "slot"), _whole(sample, "sent_at_ns"), *(_time(sample, name) for name in _TIMES))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise EvidenceError(f"{place}: no sample as `eragent export --format jsonl` writes them ({error})") from error
    if outcome not in _NUMBER_OF:
        raise EvidenceError(f"{place}: unknown outcome {outcome!r}: the file is of a newer version, or damaged")
    if OUTCOMES[_NUMBER_OF[outcome]].received and numbers[2] < 0:
        raise EvidenceError(f"{place}: an answered packet without a round-trip time (rtt_ns)")
    stream = rows.setdefault(key, _Rows())
    stream.numbers.extend(numbers)
    stream.outcome.append(_NUMBER_OF[outcome] | (128 if sample.get("noisy") else 0))


def _text(sample: Any, name: str) -> str:
    value = sample[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _whole(sample: Any, name: str) -> int:
    value = sample[name]
    if type(value) is not int or not -(2**63) < value < 2**63:
        raise TypeError(f"{name} is no whole number of 64 bits")
    return value


def _time(sample: Any, name: str) -> int:
    return UNKNOWN if sample.get(name) is None else _whole(sample, name)


def pairs_of_file(file: IO[str], wanted: Wanted, *, since_ns: int | None) -> tuple[Names, Pairs]:
    """Pair the samples of an open file."""
    try:
        return pairs_of_samples(file, wanted, where=file.name, since_ns=since_ns)
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"{file.name} cannot be read: {error}") from error


def pairs_of_history(
    directory: Path, wanted: Wanted, *, since_ns: int, until_ns: int, progress: Progress
) -> tuple[Names, Pairs]:
    """Pair the samples of a history from ``since_ns`` until ``until_ns``, wall time, six hours at a time.

    Six hours of two streams at ten packets a second take 18 MiB in full; of the pairs a fifth of that is kept.
    """
    gathering, stretches = Gathering(), []
    try:
        known = streams(directory)
        names = wanted.among(((one.probe, one.target, one.path) for one in known), str(directory))
        for begin_ns in range(since_ns, until_ns, _STRETCH_NS):
            progress(f"reading the history, {(begin_ns - since_ns) / (until_ns - since_ns):.0%}")
            end_ns = min(begin_ns + _STRETCH_NS, until_ns)
            part = pair(*(_columns(directory, names, path, begin_ns, end_ns) for path in _paths(names)))
            gathering.take(part)
            stretches.append(_Stretch.of(part, end_ns))
    except HistoryError as error:
        raise EvidenceError(str(error)) from error
    _check_interval(stretches, until_ns)
    return names, gathering.pairs()


def _paths(names: Names) -> tuple[str, str]:
    return names.baseline, names.candidate


def _columns(directory: Path, names: Names, path: str, since_ns: int, until_ns: int) -> Columns:
    return read_columns(
        directory, probe=names.probe, target=names.target, path=path, since_ns=since_ns, until_ns=until_ns
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """What a stretch of time tells of the probe's interval."""

    end_ns: int
    pairs: int
    interval_ns: int
    duration_s: float

    @classmethod
    def of(cls, pairs: Pairs, end_ns: int) -> _Stretch:
        return cls(end_ns=end_ns, pairs=len(pairs), interval_ns=pairs.interval_ns, duration_s=pairs.duration_s)

    def fits(self, interval_ns: int) -> bool:
        """Whether the probe had this interval all the time."""
        fitting = abs(self.interval_ns - interval_ns) <= _OTHER * interval_ns
        return fitting and self.duration_s * 1e9 <= 2 * _STRETCH_NS


def _check_interval(stretches: Sequence[_Stretch], until_ns: int) -> None:
    """Raise :class:`EvidenceError` where the probe had another interval before: its slots then were other times."""
    telling = [stretch for stretch in stretches if stretch.pairs >= _LEAST_TELLING]
    others = [stretch for stretch in telling if not stretch.fits(telling[-1].interval_ns)]
    if others:
        hours = (until_ns - others[-1].end_ns) // _HOUR_NS
        remedy = f"add --since {hours}h for what came after" if hours else "wait an hour for what comes after"
        raise EvidenceError(f"the probe had another interval in a part of this time, or the clock was off: {remedy}")


async def pairs_of_paths(plan: Plan, wanted: Wanted, *, where: str, duration_ns: int) -> tuple[Names, Pairs]:
    """Measure both paths for so long, as a probe of the configuration does, and pair what was seen."""
    there = [
        (probe.name, target.name, path.name)
        for probe in plan.probes
        for target in probe.targets
        for path in probe.paths
    ]
    names = wanted.among(there, where)
    probe = next(probe for probe in plan.probes if probe.name == names.probe)
    figures = Figures(with_samples=True)
    engine = Engine((_only(probe, names),), figures)
    await engine.run(Bound(duration_ns=duration_ns))
    for key, trouble in engine.troubles.items():
        raise EvidenceError(f"{key.path}: {trouble}")
    ours, theirs = (columns_of(_samples(figures, probe, names, path)) for path in (names.baseline, names.candidate))
    return names, pair(ours, theirs)


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
