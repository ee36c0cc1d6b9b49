"""``eragent export``: samples of a history, for other programs."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from agent.cli.parsed import Parsed
from agent.config.quantities import parse_duration

if TYPE_CHECKING:
    from agent.history.reading import StoredStream

DEFAULT_CONFIG = Path("/etc/eragent/eragent.yaml")
WRONG_USAGE = 2
CANNOT_READ = 3
_FORMATS = ("jsonl", "csv", "parquet", "openmetrics")
_WHAT = ("samples", "throughput", "comparisons", "paths", "gaps")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(text: str) -> int:
    """Read ``7d`` as that long ago, or a date and time (ISO 8601, UTC where it says no zone), as ns since the epoch."""
    try:
        return time.time_ns() - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment: write for example 7d (ago) or 2026-11-23T12:00:00Z") from None
    since_epoch = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return since_epoch // timedelta(microseconds=1) * 1000


def parse_minutes(text: str) -> int:
    """Read a duration as a number of whole minutes; raise :class:`ValueError` where it is none."""
    minutes, rest = divmod(parse_duration(text), 60 * 10**9)
    if rest or not minutes:
        raise ValueError(f"{text!r} is no number of whole minutes: write for example 1m, 1h or 1d")
    return minutes


_MINUTES = Parsed("duration", parse_minutes)
_MOMENT = Parsed("moment", parse_moment)


@click.command(
    epilog="""\b
Examples:
  eragent export --since 7d --format parquet --output samples.parquet
  eragent export --history /var/lib/eragent --since 2026-11-23T08:00Z --until 2026-11-23T09:00Z --path vpn
  eragent export --since 35d --every 1h --format csv --output hours.csv
  eragent export --since 35d --what throughput --format csv
  eragent export --since 35d --format openmetrics --output minutes.txt
    && promtool tsdb create-blocks-from openmetrics minutes.txt /var/lib/prometheus

\b
Exit codes:
  0  written
  2  wrong usage or configuration
  3  the history cannot be read, or the output not be written
"""
)
@click.option("--history", type=click.Path(path_type=Path), metavar="DIR", help="The history's directory.")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help=f"Its configuration.  [default: {DEFAULT_CONFIG}]"
)
@click.option("--since", type=_MOMENT, metavar="WHEN", help="From this moment on: 7d (ago), or a date and time.")
@click.option("--until", type=_MOMENT, metavar="WHEN", help="Before this moment.")
@click.option("--probe", "probes", multiple=True, metavar="NAME", help="This probe alone; several may be named.")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="This target alone, likewise.")
@click.option("--path", "paths", multiple=True, metavar="NAME", help="This path alone, likewise.")
@click.option(
    "--what",
    type=click.Choice(_WHAT),
    default="samples",
    show_default=True,
    help="Tests of throughput, judged blocks, changes of paths, or times without samples, in place of samples.",
)
@click.option("--every", type=_MINUTES, metavar="DURATION", help="Sums of spans so long, 1m or more, not samples.")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="jsonl", show_default=True, help="See docs/history.md."
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to standard output.")
def command(
    history: Path | None,
    config: Path | None,
    since: int | None,
    until: int | None,
    probes: tuple[str, ...],
    targets: tuple[str, ...],
    paths: tuple[str, ...],
    what: str,
    every: int | None,
    form: str,
    output: Path | None,
) -> None:
    """Write samples of a history, for other programs.

    A sample is a line of JSON or CSV, or a row of Parquet; openmetrics has the sums of minutes in their place. The
    history can be read while the agent writes it.
    """
    from agent.history.opening import HistoryError, reading
    from agent.history.reading import streams_in

    _check(what, every, form, output)
    directory = history or _configured(config or DEFAULT_CONFIG)
    try:
        with reading(directory) as connection:
            if what != "samples":
                _write_events(connection, what, (probes, targets, paths), since, until, form, output)
                return
            there = streams_in(connection)
            chosen = [stream for stream in there if _is_named(stream, probes, targets, paths)]
            if not chosen:
                known = ", ".join(f"{one.probe} to {one.target} on {one.path}" for one in there) or "none"
                raise HistoryError(f"{directory} has no such stream; it has: {known}")
            _write(connection, chosen, since, until, every, form, output)
    except BrokenPipeError:  # whoever reads has enough
        raise
    except (HistoryError, OSError) as error:
        click.echo(f"eragent: {error}", err=True)
        sys.exit(CANNOT_READ)


def _check(what: str, every: int | None, form: str, output: Path | None) -> None:
    if form == "parquet" and output is None:
        raise click.UsageError("--format parquet needs --output FILE")
    if every is not None and (form not in {"jsonl", "csv"} or what != "samples"):
        raise click.UsageError("--every is for samples, as jsonl or csv: leave out --what, or change --format")
    if what != "samples" and form == "openmetrics":
        raise click.UsageError("--format openmetrics has the minutes of samples alone: leave out --what, or change it")


def _write_events(
    connection: sqlite3.Connection,
    what: str,
    names: Sequence[Sequence[str]],
    since_ns: int | None,
    until_ns: int | None,
    form: str,
    output: Path | None,
) -> None:
    from agent.history.events import KINDS, events_between
    from agent.history.export import write_rows_as_parquet
    from agent.history.lines import write_csv, write_object

    kind = KINDS[what]
    named = dict(zip(("probe", "target", "path"), names, strict=True))
    found = events_between(connection, kind, since_ns, until_ns, named)
    if form == "parquet":
        assert output is not None, "checked with the options"
        with _pyarrow():
            write_rows_as_parquet(kind.columns, kind.rows(found), output)
        return
    with _opened(output) as to:
        if form == "csv":
            write_csv(tuple(kind.columns), kind.rows(found), to)
            return
        for one in found:
            write_object(one, to)


def _is_named(stream: StoredStream, probes: Sequence[str], targets: Sequence[str], paths: Sequence[str]) -> bool:
    chosen = ((probes, stream.probe), (targets, stream.target), (paths, stream.path))
    return all(not names or name in names for names, name in chosen)


def _configured(config: Path) -> Path:
    from agent.config.load import load_plan
    from agent.config.problems import ConfigError

    try:
        plan = load_plan(config, with_keys=False)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG_USAGE)
    if plan.history is None:
        raise click.UsageError(f"{config} has no section `history`: name the directory with --history")
    return plan.history.directory


def _write(
    connection: sqlite3.Connection,
    streams: Sequence[StoredStream],
    since_ns: int | None,
    until_ns: int | None,
    every: int | None,
    form: str,
    output: Path | None,
) -> None:
    from agent.history import spans
    from agent.history.export import FIELDS, chunks, rows_of, write_parquet
    from agent.history.lines import write_csv, write_jsonl
    from agent.history.openmetrics import write_openmetrics

    samples = chunks(connection, streams, since_ns, until_ns)
    if form == "parquet":
        assert output is not None, "checked with the options"
        with _pyarrow():
            write_parquet(samples, output)
        return
    fields: Sequence[str] = FIELDS
    rows = rows_of(samples)
    if every is not None:
        fields, rows = spans.FIELDS, spans.spans(connection, streams, every, since_ns, until_ns)
    with _opened(output) as to:
        match form:
            case "openmetrics":
                write_openmetrics(connection, streams, since_ns, until_ns, to)
            case "csv":
                write_csv(fields, rows, to)
            case _:
                write_jsonl(fields, rows, to)


@contextmanager
def _pyarrow() -> Iterator[None]:
    try:
        yield
    except ImportError:
        message = "--format parquet needs pyarrow: install it beside eragent (pip install 'eragent[parquet]')"
        raise click.UsageError(message) from None


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8") as file:
        yield file
