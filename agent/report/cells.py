"""What the cells of a report's table are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = Mapping[str, Any]

Cell = Callable[[Json], str]
"""Makes a stream's cell of a row out of its part of the report."""


def milliseconds(nanoseconds: float | None) -> str:
    """Write a time in milliseconds, microseconds resolved; a dash for none."""
    return "-" if nanoseconds is None else f"{nanoseconds / 1e6:.3f} ms"
