"""What a history has beside samples: tests of throughput, judged blocks, changes of paths, gaps. Reads an open history.

Each kind is found as objects, which have everything, and can be laid out as rows of a table.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.history.sink import COMPARISON, HOPS, THROUGHPUT

_log = logging.getLogger(__name__)

Found = dict[str, Any]
_EVER_NS = (1 << 63) - 1


def _one_row(found: Found) -> Iterator[Found]:
    yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What there is beside samples: its columns with the type of each, and how it is found between two moments."""

    columns: Mapping[str, type]
    between: Callable[[sqlite3.Connection, int, int], Iterator[Found]]
    rows_of: Callable[[Found], Iterator[Found]] = _one_row

    def rows(self, found: Iterable[Found]) -> Iterator[tuple[Any, ...]]:
        """Yield the values of the columns, ``None`` for what is not known."""
        for one in found:
            for row in self.rows_of(one):
                yield tuple(row.get(column) for column in self.columns)


def events_between(
    connection: sqlite3.Connection,
    kind: Kind,
    since_ns: int | None,
    until_ns: int | None,
    named: Mapping[str, Sequence[str]],
) -> Iterator[Found]:
    """Yield what there is of a kind from ``since_ns`` on and before ``until_ns``, oldest first.

    ``named`` has the probes, targets and paths that are chosen, none for all. Gaps have none of these: they are of the
    agent, and so of all its streams.
    """
    begin_ns = 0 if since_ns is None else max(since_ns, 0)
    end_ns = _EVER_NS if until_ns is None else min(until_ns, _EVER_NS)
    for found in kind.between(connection, begin_ns, end_ns):
        if all(_is_chosen(found, field, names) for field, names in named.items()):
            yield found


def _is_chosen(found: Found, field: str, names: Sequence[str]) -> bool:
    fields = ("path", "baseline", "candidate") if field == "path" else (field,)
    there = {found[name] for name in fields if name in found}
    return not names or not there or not there.isdisjoint(names)


def _throughput(connection: sqlite3.Connection, begin_ns: int, end_ns: int) -> Iterator[Found]:
    """Yield each test as ``eragent throughput --json`` has it, with ``at_ns``: when it was known."""
    for at_ns, _, _, data in _measured(connection, THROUGHPUT, begin_ns, end_ns):
        yield {"at_ns": at_ns, **data}


def _directions(test: Found) -> Iterator[Found]:
    """Yield a row for each direction of a test; one without, where it failed before anything was measured."""
    for direction in test.get("directions") or [{}]:
        verdict = direction.get("limited_by") or {}
        which = direction.get("direction", test.get("direction"))
        yield {**direction, **test, "direction": which, "limited_by": verdict.get("limit")}


def _comparisons(connection: sqlite3.Connection, begin_ns: int, end_ns: int) -> Iterator[Found]:
    for at_ns, target, candidate, data in _measured(connection, COMPARISON, begin_ns, end_ns):
        yield {"at_ns": at_ns, "target": target, "candidate": candidate, **data}


def _differences(block: Found) -> Iterator[Found]:
    for figure, difference in block.get("differences", {}).items():
        yield {**block, "figure": figure, "difference": difference}


def _changes(connection: sqlite3.Connection, begin_ns: int, end_ns: int) -> Iterator[Found]:
    """Yield since when a stream is sent to an address, and since when its answers have a TTL."""
    sql = (
        "SELECT since_ns, probe, kind, target, path, address FROM addresses JOIN streams ON streams.id = stream"
        " WHERE since_ns >= ? AND since_ns < ? ORDER BY since_ns, addresses.id"
    )
    names = ("at_ns", "probe", "kind", "target", "path", "address")
    resolved = [dict(zip(names, row, strict=True)) for row in connection.execute(sql, (begin_ns, end_ns))]
    hops = [
        {"at_ns": at_ns, "target": target, "path": path}
        | {name: value for name, value in data.items() if value is not None}
        for at_ns, target, path, data in _measured(connection, HOPS, begin_ns, end_ns)
    ]
    yield from sorted([*resolved, *hops], key=lambda change: int(change["at_ns"]))


def _gaps(connection: sqlite3.Connection, begin_ns: int, end_ns: int) -> Iterator[Found]:
    """Yield the times without samples of which some lies between two moments, and why there are none."""
    sql = "SELECT from_ns, until_ns, reason, samples FROM gaps WHERE until_ns > ? AND from_ns < ? ORDER BY from_ns, id"
    for row in connection.execute(sql, (begin_ns, end_ns)).fetchall():
        yield dict(zip(("from_ns", "until_ns", "reason", "samples"), row, strict=True))


def _measured(
    connection: sqlite3.Connection, kind: str, begin_ns: int, end_ns: int
) -> Iterator[tuple[int, str, str, Found]]:
    sql = (
        "SELECT at_ns, target, path, data FROM measurements WHERE kind = ? AND at_ns >= ? AND at_ns < ?"
        " ORDER BY at_ns, id"
    )
    for at_ns, target, path, text in connection.execute(sql, (kind, begin_ns, end_ns)).fetchall():
        try:
            data = dict(json.loads(text))
        except (ValueError, TypeError):
            _log.warning("a measurement of %s at %d ns is damaged, and left out", kind, at_ns)
            continue
        yield at_ns, target, path, data


KINDS: Mapping[str, Kind] = {
    "throughput": Kind(
        columns={
            "at_ns": int,
            **dict.fromkeys(("probe", "target", "path", "stage", "protocol", "outcome", "reason", "direction"), str),
            **dict.fromkeys(("streams", "moved_octets"), int),
            **dict.fromkeys(("duration_s", "bits_per_second"), float),
            **dict.fromkeys(("retransmits", "packets", "lost_packets", "jitter_ns"), int),
            "limited_by": str,
        },
        between=_throughput,
        rows_of=_directions,
    ),
    "comparisons": Kind(
        columns={
            "at_ns": int,
            **dict.fromkeys(("probe", "target", "baseline", "candidate"), str),
            "block_ns": int,
            "figure": str,
            "difference": float,
        },
        between=_comparisons,
        rows_of=_differences,
    ),
    "paths": Kind(
        columns={
            "at_ns": int,
            **dict.fromkeys(("probe", "kind", "target", "path", "address"), str),
            **dict.fromkeys(("answer_ttl", "before"), int),
        },
        between=_changes,
    ),
    "gaps": Kind(columns={"from_ns": int, "until_ns": int, "reason": str, "samples": int}, between=_gaps),
}
"""By the name that ``eragent export --what`` knows it by."""
