"""What the continuous comparison found before, as a history kept it: for the agent's start. Needs no numpy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.history.opening import reading
from agent.history.sink import COMPARISON


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedBlock:
    """A block of time of a comparison: candidate - baseline of each figure, and how long blocks are."""

    probe: str
    target: str
    baseline: str
    candidate: str
    block_ns: int
    differences: Mapping[str, float]

    @property
    def data(self) -> Mapping[str, Any]:
        """Return what is kept of it beside its target and the candidate, which are the measurement's own."""
        names = ("probe", "baseline", "block_ns", "differences")
        return {name: getattr(self, name) for name in names}


def judged_blocks(directory: Path, *, since_ns: int, until_ns: int) -> list[JudgedBlock]:
    """Return the blocks that were judged in this time, oldest first; those that cannot be read are left out.

    Raise :class:`agent.history.opening.HistoryError` where there is no history to read.
    """
    sql = "SELECT target, path, data FROM measurements WHERE at_ns BETWEEN ? AND ? AND kind = ? ORDER BY at_ns, id"
    with reading(directory) as connection:
        rows = connection.execute(sql, (since_ns, until_ns, COMPARISON)).fetchall()
    found = (_block(target, path, data) for target, path, data in rows)
    return [block for block in found if block is not None]


def _block(target: str, candidate: str, text: str) -> JudgedBlock | None:
    try:
        data = json.loads(text)
        return JudgedBlock(
            probe=str(data["probe"]),
            target=target,
            baseline=str(data["baseline"]),
            candidate=candidate,
            block_ns=int(data["block_ns"]),
            differences={str(name): float(value) for name, value in data["differences"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
