"""Samples as JSON lines, as `eragent export --format jsonl` writes them, in pairs."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from agent.cli.evidence.wanted import EvidenceError, Progress, Wanted, another_interval
from agent.columns import OUTCOMES, UNKNOWN, Columns
from agent.compare.comparison import Names
from agent.compare.pairs import Pairs, pair
from collectors.sample import Outcome

_NUMBER_OF = {outcome.value: number for number, outcome in enumerate(OUTCOMES)}
_FURTHER = {outcome.value for outcome in Outcome if not outcome.settles}
_TOLD_EVERY = 50_000  # lines, which take a quarter of a second
_STRETCH = 100  # packets that tell an interval
_OTHER = 0.01


def pairs_of_files(
    files: Sequence[IO[str]], wanted: Wanted, *, since_ns: int | None, progress: Progress
) -> tuple[Names, Pairs]:
    """Pair the samples of open files, those of the last ``since_ns`` before the newest.

    Raise :class:`EvidenceError`, with file and line where there is one, for what is no sample or cannot be read, and
    where the probe had several intervals.
    """
    rows: dict[tuple[str, str, str], _Rows] = {}
    for file in files:
        _read(rows, file, progress)
    names = wanted.among(rows, " and ".join(file.name for file in files))
    both = [rows[names.probe, names.target, path] for path in (names.baseline, names.candidate)]
    newest_ns = max(max(row.numbers[1::3]) for row in both)
    ours, theirs = (row.columns(None if since_ns is None else newest_ns - since_ns) for row in both)
    _check_interval(ours, newest_ns)
    return names, pair(ours, theirs)


def _read(rows: dict[tuple[str, str, str], _Rows], file: IO[str], progress: Progress) -> None:
    """Read all lines, and tell how many that were: of a pipe nobody knows how long it is."""
    progress(f"reading {file.name}")
    try:
        for number, line in enumerate(file, 1):
            if number % _TOLD_EVERY == 0:
                progress(f"reading {file.name}, {number:,} lines")
            if not line.isspace():
                try:
                    _take(rows, line)
                except _LineError as error:
                    raise EvidenceError(f"{file.name}, line {number}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"{file.name} cannot be read: {error}") from error


class _LineError(Exception):
    """What a line is instead of a sample."""


def _take(rows: dict[tuple[str, str, str], _Rows], line: str) -> None:
    try:
        sample = json.loads(line)
        key = (_text(sample, "probe"), _text(sample, "target"), _text(sample, "path"))
        outcome = _text(sample, "outcome")
        if outcome in _FURTHER:
            return
        numbers = (_whole(sample, "slot"), _whole(sample, "sent_at_ns"), _time(sample, "rtt_ns"))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise _LineError(f"no sample as `eragent export --format jsonl` writes them ({error})") from error
    if outcome not in _NUMBER_OF:
        raise _LineError(f"unknown outcome {outcome!r}: the file is of a newer version, or damaged")
    if OUTCOMES[_NUMBER_OF[outcome]].received and numbers[2] < 0:
        raise _LineError("an answered packet without a round-trip time (rtt_ns)")
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


class _Rows:
    """The packets of one stream, as they are read."""

    __slots__ = ("numbers", "outcome")

    def __init__(self) -> None:
        self.numbers = array("q")  # slot, time of sending and round trip of each packet
        self.outcome = bytearray()  # its number, and 128 where it is noisy

    def columns(self, since_ns: int | None) -> Columns:
        """Return those sent from ``since_ns`` on, in order of slots; of a slot that comes again the first."""
        slot, sent_at_ns, rtt_ns = (
            np.ascontiguousarray(column) for column in np.frombuffer(self.numbers, dtype=np.int64).reshape(-1, 3).T
        )
        untold = np.broadcast_to(np.int64(UNKNOWN), len(slot))
        flags = np.frombuffer(self.outcome, dtype=np.uint8)
        columns = Columns(
            slot=slot,
            sent_at_ns=sent_at_ns,
            rtt_ns=rtt_ns,
            forward_ns=untold,
            backward_ns=untold,
            outcome=(flags & 127).astype(np.uint8),
            noisy=flags > 127,
        )
        if since_ns is not None:
            columns = columns.where(columns.sent_at_ns >= since_ns)
        return columns.where(np.unique(columns.slot, return_index=True)[1])


def _check_interval(columns: Columns, newest_ns: int) -> None:
    """Raise :class:`EvidenceError` where the probe had another interval before: its slots then were other times.

    A clock that was stepped moves one stretch of packets alone; another interval has two or more that agree in it.
    """
    ends = np.arange(0, len(columns), _STRETCH)
    intervals = np.diff(columns.sent_at_ns[ends]) / np.diff(columns.slot[ends])
    agreeing = np.flatnonzero(np.abs(np.diff(intervals)) <= _OTHER * np.abs(intervals[1:]))
    if not len(agreeing):
        return
    last = intervals[agreeing[-1]]
    others = agreeing[np.abs(intervals[agreeing] - last) > _OTHER * abs(last)]
    if len(others):
        # Behind the two that agree is the one in which it changed, and behind that what came after.
        after_ns = int(columns.sent_at_ns[ends[min(others[-1] + 3, len(ends) - 1)]])
        raise EvidenceError(another_interval(newest_ns - after_ns))
