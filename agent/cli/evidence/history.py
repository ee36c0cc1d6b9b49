"""Samples of a history in pairs, a stretch of time at a time, and only of one interval of their probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.cli.evidence.wanted import EvidenceError, Progress, Wanted, another_interval
from agent.columns import Columns
from agent.compare.comparison import Names
from agent.compare.pairs import Gathering, Pairs, pair
from agent.history.opening import HistoryError, reading
from agent.history.reading import LAST_MINUTE, read_columns, span_in, streams_in

_MINUTE_NS = 60_000_000_000
_STRETCH_NS = 360 * _MINUTE_NS
_LEAST_TELLING = 100  # pairs that tell an interval
_OTHER = 0.01


def pairs_of_history(
    directory: Path, wanted: Wanted, *, since_ns: int, until_ns: int, progress: Progress
) -> tuple[Names, Pairs]:
    """Pair the samples of a history from ``since_ns`` until ``until_ns``, wall time, six hours at a time.

    Six hours of two streams at ten packets a second take 18 MiB in full; of the pairs a fifth of that is kept.
    """
    gathering, stretches = Gathering(), []
    try:
        names, oldest_ns = _there(directory, wanted)
        first_ns = max(since_ns, oldest_ns)
        for begin_ns in range(first_ns, until_ns, _STRETCH_NS):
            progress(f"reading the history, {(begin_ns - first_ns) / (until_ns - first_ns):.0%}")
            end_ns = min(begin_ns + _STRETCH_NS, until_ns)
            part = pair(*(_columns(directory, names, path, begin_ns, end_ns) for path in _paths(names)))
            gathering.take(part)
            stretches.append(_Stretch.of(part, end_ns))
    except HistoryError as error:
        raise EvidenceError(str(error)) from error
    _check_interval(stretches, until_ns)
    return names, gathering.pairs()


def _there(directory: Path, wanted: Wanted) -> tuple[Names, int]:
    """Return what is compared, and since when there are samples of it (wall time): before, nothing has to be read."""
    with reading(directory) as connection:
        known = streams_in(connection)
        names = wanted.among(((one.probe, one.target, one.path) for one in known), str(directory))
        both = [
            one for one in known if (one.probe, one.target) == (names.probe, names.target) and one.path in _paths(names)
        ]
        spans = [span for one in both if (span := span_in(connection, one)) is not None]
    return names, min((first for first, _ in spans), default=LAST_MINUTE) * _MINUTE_NS


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
        raise EvidenceError(another_interval(until_ns - others[-1].end_ns))
