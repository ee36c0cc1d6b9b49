"""Tests of throughput as a person reads them: a table, and below it why each was as fast as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.throughput.limited_by import Limit
from agent.throughput.load import Latency
from agent.throughput.measurement import Measurement
from agent.throughput.trial import Outcome

if TYPE_CHECKING:
    from rich.table import Table

LIMITS = {
    Limit.WINDOW: "window",
    Limit.LOSS: "losses",
    Limit.SHAPER: "rate (shaper)",
    Limit.POLICER: "rate (policer)",
    Limit.RATE: "rate",
    Limit.CPU: "processor",
    Limit.ASKED: "nothing",
    Limit.UNKNOWN: "not known",
}
_COLUMNS = ("path", "load", "", "Mbit/s", "limited by", "p50 ms", "p99 ms", "lost", "RPM")


def table(measurements: Sequence[Measurement]) -> Table:
    """Return a row for each path without load, and one for each direction of each test.

    What stands right of the limit is of a probe's round trips: their percentiles, losses, and how many fit a minute.
    """
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, name in enumerate(_COLUMNS):
        drawn.add_column(name, justify="left" if place in (0, 1, 2, 4) else "right", overflow="fold")
    idle_shown: set[str] = set()
    for measurement in measurements:
        path = measurement.tried.trial.path.name
        beside = measurement.latency
        if path not in idle_shown and beside is not None:
            idle_shown.add(path)
            drawn.add_row(path, "none", "", "", "", *_latency(beside.idle))
        for row in _rows(measurement):
            drawn.add_row(path, measurement.tried.trial.stage.name, *row)
    return drawn


def lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Say what limited each test, what went wrong, and which other paths felt it."""
    for measurement in measurements:
        trial = measurement.tried.trial
        name = f"{trial.path.name}, {trial.stage.name}"
        for direction, verdict in measurement.verdicts.items():
            yield f"{name}, {direction}: limited by {LIMITS[verdict.limit]}: {verdict.because}."
            yield f"  {'; '.join(verdict.evidence)}."
        if measurement.tried.message:
            yield f"{name}: {measurement.tried.outcome}: {measurement.tried.message}"
        for each in measurement.leaks:
            if each.leak.leaked:
                yield f"{name}: {each.stream.path} felt it: {each.leak.evidence}."


def _rows(measurement: Measurement) -> Iterator[tuple[str, ...]]:
    beside = measurement.latency
    latency = ("", "", "", "") if beside is None or beside.loaded is None else _latency(beside.loaded)
    result = measurement.tried.result
    transfers = () if result is None else result.transfers
    for transfer in transfers:
        verdict = measurement.verdicts.get(transfer.direction)
        said = "" if verdict is None else LIMITS[verdict.limit]
        if measurement.tried.outcome is Outcome.PARTIAL:
            said = f"incomplete ({measurement.tried.reason})"
        yield (transfer.direction, f"{transfer.bits_per_second / 1e6:,.1f}", said, *latency)
    if not transfers:
        direction = measurement.tried.trial.options.direction
        yield (direction, "", f"{measurement.tried.outcome} ({measurement.tried.reason})", "", "", "", "")


def _latency(seen: Latency) -> tuple[str, str, str, str]:
    lost = "" if seen.loss_share is None else f"{seen.loss_share:.1%}"
    per_minute = "" if seen.round_trips_per_minute is None else f"{seen.round_trips_per_minute:,}"
    return _ms(seen.p50_ns), _ms(seen.p99_ns), lost, per_minute


def _ms(duration_ns: int | None) -> str:
    return "" if duration_ns is None else f"{duration_ns / 1e6:.3g}"
