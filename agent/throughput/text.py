"""Tests of throughput as a person reads them: a table of each path, and below it why each was as fast as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.throughput.limited_by import Limit
from agent.throughput.load import Latency
from agent.throughput.measurement import Measurement
from agent.throughput.trial import Outcome
from collectors.iperf3.options import Direction

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
_COLUMNS = (("load", 13), ("Mbit/s", 8), ("limited by", 14), ("p50 ms", 6), ("p99 ms", 6), ("lost", 6), ("RPM", 7))
"""With the least width of each, so that the tables of several paths are alike; together they fit 80 columns."""
LEGEND = "Mbit/s are of payload. p50, p99, lost and RPM (round trips per minute) are a probe's, beside the test."


def tables(measurements: Sequence[Measurement]) -> Iterator[Table]:
    """Yield a table for each path: a row without load, and one for each direction of each test.

    What stands right of the limit is of a probe's round trips: their percentiles, losses, and how many fit a minute.
    """
    for path in dict.fromkeys(each.tried.trial.path.name for each in measurements):
        yield _table(path, [each for each in measurements if each.tried.trial.path.name == path])


def _table(path: str, measurements: Sequence[Measurement]) -> Table:
    from rich import box
    from rich.table import Table

    drawn = Table(title=path, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, (name, width) in enumerate(_COLUMNS):
        drawn.add_column(name, justify="left" if place in (0, 2) else "right", min_width=width, no_wrap=True)
    idle = next((each.latency.idle for each in measurements if each.latency is not None), None)
    if idle is not None:
        drawn.add_row("none", "", "", *_latency(idle))
    for measurement in measurements:
        for row in _rows(measurement):
            drawn.add_row(*row)
    return drawn


def lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Say what limited each test, what went wrong, which other paths felt it, and how large the paths' packets are."""
    for measurement in measurements:
        trial = measurement.tried.trial
        name = f"{trial.path.name}, {trial.stage.name}"
        for direction, verdict in measurement.verdicts.items():
            yield f"{name}, {direction}: limited by {LIMITS[verdict.limit]}: {verdict.because}."
            yield f"  {'; '.join(verdict.evidence)}."
        if measurement.tried.message:
            yield f"{name}: {measurement.tried.outcome} ({measurement.tried.reason}): {measurement.tried.message}"
        for each in measurement.leaks:
            if each.leak.leaked:
                yield f"{name}: {each.stream.path} felt it: {each.leak.evidence}."
    for path, mtu_bytes in _mtus(measurements).items():
        yield f"{path}: path MTU {mtu_bytes} bytes, as this host's TCP knew it."


def _mtus(measurements: Sequence[Measurement]) -> dict[str, int]:
    """Return by path what the latest test that knew it says."""
    results = [(each.tried.trial.path.name, each.tried.result) for each in measurements]
    told = [(path, None if result is None else result.path_mtu_bytes) for path, result in results]
    return {path: mtu_bytes for path, mtu_bytes in told if mtu_bytes is not None}


def _rows(measurement: Measurement) -> Iterator[tuple[str, ...]]:
    beside = measurement.latency
    latency = ("", "", "", "") if beside is None or beside.loaded is None else _latency(beside.loaded)
    result = measurement.tried.result
    transfers = () if result is None else result.transfers
    stage = measurement.tried.trial.stage.name
    for transfer in transfers:
        verdict = measurement.verdicts.get(transfer.direction)
        said = "" if verdict is None else LIMITS[verdict.limit]
        if measurement.tried.outcome is Outcome.PARTIAL:
            said = "incomplete"
        yield (f"{stage} {transfer.direction}", f"{transfer.bits_per_second / 1e6:,.1f}", said, *latency)
    if not transfers:
        yield from _of_no_totals(measurement, stage, latency)


def _of_no_totals(
    measurement: Measurement, stage: str, latency: tuple[str, str, str, str]
) -> Iterator[tuple[str, ...]]:
    """Say what a test carried that came to no totals, by what its seconds tell."""
    result = measurement.tried.result
    rates = {} if result is None else {each: result.mean_rate(each) for each in (Direction.UP, Direction.DOWN)}
    carried = [(direction, rate) for direction, rate in rates.items() if rate]
    for direction, rate in carried:
        yield (f"{stage} {direction}", f"{rate / 1e6:,.1f}", "incomplete", *latency)
    if not carried:
        yield (f"{stage} {measurement.tried.trial.options.direction}", "", measurement.tried.outcome, *latency)


def _latency(seen: Latency) -> tuple[str, str, str, str]:
    lost = "" if seen.loss_share is None else f"{seen.loss_share:.1%}"
    per_minute = "" if seen.round_trips_per_minute is None else f"{seen.round_trips_per_minute:,}"
    return _ms(seen.p50_ns), _ms(seen.p99_ns), lost, per_minute


def _ms(duration_ns: int | None) -> str:
    """Say a round trip in six characters: to three digits, and to the microsecond at most."""
    if duration_ns is None:
        return ""
    return f"{duration_ns / 1e6:.3f}" if duration_ns < 100_000 else f"{duration_ns / 1e6:.3g}"
