"""Rows of any table as lines of JSON or CSV. Reads no history and opens no files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from typing import IO, Any


def write_jsonl(fields: Sequence[str], rows: Iterable[Sequence[Any]], to: IO[str]) -> None:
    """Write an object a line, without what is not known of a row (``None``)."""
    for row in rows:
        write_object({name: value for name, value in zip(fields, row, strict=True) if value is not None}, to)


def write_object(found: dict[str, Any], to: IO[str]) -> None:
    """Write one object as a line."""
    to.write(json.dumps(found, separators=(",", ":")) + "\n")


def write_csv(fields: Sequence[str], rows: Iterable[Sequence[Any]], to: IO[str]) -> None:
    """Write a line of names, and a line for each row; truth is ``1`` or ``0``, what is not known is empty."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([int(value) if isinstance(value, bool) else value for value in row] for row in rows)
