"""Samples of a history as other programs read them: as rows, or in Parquet. Opens no files but Parquet's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.columns import OUTCOMES, UNKNOWN, Columns
from agent.history.opening import let_go
from agent.history.reading import StoredStream, span_in, with_reasons_in
from agent.history.store import MINUTE_NS

STREAM_FIELDS = ("probe", "kind", "target", "path")
FIELDS = (
    *STREAM_FIELDS,
    *("slot", "sent_at_ns", "outcome", "rtt_ns", "forward_ns", "backward_ns", "noisy", "reason"),
)
"""The columns of every format, in this order; a time that is not known is null, or empty in CSV."""

_TIMES = ("rtt_ns", "forward_ns", "backward_ns")
_AT_ONCE = 720  # minutes: 432,000 samples at ten a second, 20 MB of arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some of a stream's samples."""

    stream: StoredStream
    columns: Columns
    reasons: list[str | None]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the samples, each as the values of :data:`FIELDS`."""
        columns, names = self.columns, tuple(getattr(self.stream, name) for name in STREAM_FIELDS)
        outcomes = [str(OUTCOMES[number]) for number in columns.outcome.tolist()]
        times = ([None if time == UNKNOWN else time for time in getattr(columns, name).tolist()] for name in _TIMES)
        of_samples = (columns.slot.tolist(), columns.sent_at_ns.tolist(), outcomes, *times, columns.noisy.tolist())
        for row in zip(*of_samples, self.reasons, strict=True):
            yield (*names, *row)


def chunks(
    connection: sqlite3.Connection, streams: Iterable[StoredStream], since_ns: int | None, until_ns: int | None
) -> Iterator[Chunk]:
    """Yield the samples of streams from ``since_ns`` on and before ``until_ns``, stream by stream, in order of time."""
    for stream in streams:
        span = span_in(connection, stream)
        if span is None:
            continue
        begin, last = span
        while begin <= last:
            from_ns = max(begin * MINUTE_NS, since_ns or 0)
            to_ns = min((begin + _AT_ONCE) * MINUTE_NS, until_ns or (1 << 63) - 1)
            if from_ns < to_ns:
                columns, reasons = with_reasons_in(connection, stream, from_ns, to_ns)
                let_go(connection)
                yield Chunk(stream=stream, columns=columns, reasons=reasons)
            begin += _AT_ONCE


def rows_of(samples: Iterable[Chunk]) -> Iterator[tuple[Any, ...]]:
    """Yield the samples, each as the values of :data:`FIELDS`."""
    for chunk in samples:
        yield from chunk.rows()


def write_parquet(samples: Iterable[Chunk], to: Path) -> None:
    """Write a Parquet file, names as dictionaries, compressed with zstd; raise ``ImportError`` without pyarrow."""
    import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs
    from pyarrow import parquet

    columns: dict[str, type] = {
        **dict.fromkeys((*STREAM_FIELDS, "outcome", "reason"), str),
        **dict.fromkeys(("slot", "sent_at_ns", *_TIMES), int),
        "noisy": bool,
    }
    schema = _schema(pa, {field: columns[field] for field in FIELDS})
    with parquet.ParquetWriter(to, schema, compression="zstd") as writer:
        for chunk in samples:
            if len(chunk.columns):
                writer.write_table(_table(pa, chunk, schema))


def write_rows_as_parquet(columns: Mapping[str, type], rows: Iterable[Sequence[Any]], to: Path) -> None:
    """Write the rows of any table as :func:`write_parquet` does samples; ``None`` is null."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema(pa, columns)
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    parquet.write_table(pa.Table.from_pylist(objects, schema=schema), to, compression="zstd")


def _schema(pa: Any, columns: Mapping[str, type]) -> Any:
    types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.dictionary(pa.int16(), pa.string())}
    return pa.schema([(name, types[column]) for name, column in columns.items()])


def _table(pa: Any, chunk: Chunk, schema: Any) -> Any:
    columns, count = chunk.columns, len(chunk.columns)
    arrays = {name: pa.array([getattr(chunk.stream, name)] * count) for name in STREAM_FIELDS}
    arrays |= {name: pa.array(getattr(columns, name)) for name in ("slot", "sent_at_ns", "noisy")}
    arrays |= {name: pa.array(getattr(columns, name), mask=getattr(columns, name) == UNKNOWN) for name in _TIMES}
    names = [str(outcome) for outcome in OUTCOMES]
    arrays["outcome"] = pa.DictionaryArray.from_arrays(pa.array(columns.outcome), names)
    arrays["reason"] = pa.array(chunk.reasons, type=pa.string())
    return pa.table([arrays[name].cast(schema.field(name).type) for name in FIELDS], schema=schema)
