"""Metrics to the text that Prometheus reads, in small steps. No I/O, no loop.

The library's own encoder takes 6 µs a line, all in one go. Here a few operations on strings make the lines that a
stream has of a family: 0.2 µs a line on the same machine, and others have their turn after every few streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from agent.metrics.lines import Column, column_of, label_text
from agent.metrics.series import Family, Labels, Read, Shown, kind_of

PIECE = 1 << 16
"""Characters of a piece of text, about: writing, encoding or sending one takes well under a millisecond."""

ROWS = 8
"""Rows that are read in a step, at most: one family after the other takes an eighth less than row after row."""

_END = "# EOF\n"
_Reading = tuple[Read[Any], Column]


class Rendering:
    """The text of one moment, in the making: in OpenMetrics or in Prometheus' older format.

    Every stream is read at one moment, so its figures agree with each other; of different streams moments differ. All
    are read before the first line is written: what is kept until then takes a tenth of the memory of the text, and who
    hands on each piece before the next is written never has more of that than the processor's cache has room for.
    """

    def __init__(self, metrics: Iterable[Metric], *, openmetrics: bool) -> None:
        self._metrics = metrics
        self._openmetrics = openmetrics
        self._texts: list[Iterable[str]] = []

    def steps(self) -> Iterator[None]:
        """Read; between one step and the next, each well under a millisecond, others may have their turn."""
        together: list[Shown[Any]] = []
        for metric in self._metrics:
            if together and not (isinstance(metric, Shown) and metric.rows is together[0].rows):
                yield from self._read(together)
                together = []
            if isinstance(metric, Shown):
                together.append(metric)
            else:
                self._texts.append([self._encoded(metric)])
            yield  # to make the rows of 1,000 streams takes half a millisecond
        if together:
            yield from self._read(together)

    def pieces(self) -> Iterator[bytes]:
        """Write the text, once, in pieces of about :data:`PIECE` octets; to be called when all steps are done."""
        gathered: list[str] = []
        size = 0
        for text in chain.from_iterable(self._texts):
            gathered.append(text)
            size += len(text)
            if size >= PIECE:
                yield "".join(gathered).encode()
                gathered, size = [], 0
        if self._openmetrics:
            gathered.append(_END)
        yield "".join(gathered).encode()

    def _read(self, together: Sequence[Shown[Any]]) -> Iterator[None]:
        """Read families that show the same rows, a few rows after the other."""
        names = together[0].label_names
        tables = [_Table(self._head(shown), shown.family) for shown in together]
        self._texts += [table.texts() for table in tables]
        of_kind: dict[str | None, tuple[list[str], list[_Reading]]] = {}
        for kind, rows in groupby(together[0].rows, key=lambda row: kind_of(names, row[0])):
            while few := list(islice(rows, ROWS)):
                if kind not in of_kind:
                    owns = list[str]()
                    begun = [table.column(few[0][0], owns) for table in tables]
                    of_kind[kind] = owns, [reading for reading in begun if reading is not None]
                owns, readings = of_kind[kind]
                owns += [label_text(names, labels) for labels, _ in few]
                things = [thing for _, thing in few]
                for read, column in readings:
                    column.take([read(thing) for thing in things])
                yield

    def _head(self, metric: Shown[Any]) -> str:
        """Return what stands above a family's lines; in OpenMetrics a counter is called without its suffix there."""
        name = metric.name if self._openmetrics else metric.family.sample_name
        text = metric.documentation.replace("\\", r"\\").replace("\n", r"\n")
        unit = f"# UNIT {name} {metric.unit}\n" if self._openmetrics and metric.unit else ""
        return f"# HELP {name} {text}\n# TYPE {name} {metric.type}\n{unit}"

    def _encoded(self, metric: Metric) -> str:
        """Encode a family of the library's own."""
        encode = generate_openmetrics if self._openmetrics else generate_latest
        return str(encode(_Just(metric)).decode()).removesuffix(_END)


class _Just:
    """A registry of one family."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)


class _Table:
    """What was read for a family, until it is written: of the rows of each kind a column."""

    def __init__(self, head: str, family: Family[Any]) -> None:
        self._head = head
        self._family = family
        self._columns: list[tuple[Column, Sequence[str]]] = []

    def column(self, labels: Labels, owns: Sequence[str]) -> _Reading | None:
        """Begin the column of another kind, which ``labels`` are of; return ``None`` where that has no such family."""
        read = self._family.read_for(labels)
        if read is None:
            return None
        column = column_of(self._family)
        self._columns.append((column, owns))
        return read, column

    def texts(self) -> Iterator[str]:
        yield self._head
        for column, owns in self._columns:
            yield from _written(column, owns)


def _written(column: Column, owns: Sequence[str]) -> Iterator[str]:
    """Write the rows whose own labels these are, so many at a time that they should make half a piece."""
    at, few = 0, 1
    while at < len(owns):
        text = column.lines(owns[at : at + few], at)
        yield text
        at += few
        few = max(1, min(2 * few, few * PIECE // (2 * len(text) + 1)))
