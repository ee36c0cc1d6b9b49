"""Metrics to the text that Prometheus reads, in small steps. No I/O, no loop.

The library's own encoder takes 7 µs a line, all in one go. Here a few operations on strings make the lines that a
stream has of a family: 0.2 µs a line on the same machine, and others have their turn after every few streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from agent.metrics.lines import Write, label_text, write_of
from agent.metrics.series import Rows, Shown, kind_of

PIECE = 1 << 16
"""Characters of a piece of text, about: encoding or sending one takes well under a millisecond."""

ROWS = 8
"""Rows of a step, at most: one family after the other takes an eighth less than one row after the other."""

_SHORT = PIECE >> 4
_END = "# EOF\n"


class Rendering:
    """The text of one moment, in the making: in OpenMetrics or in Prometheus' older format.

    Every stream is read at one moment, so its figures agree with each other; of different streams moments differ.
    """

    def __init__(self, metrics: Iterable[Metric], *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._families = [(metric, list[str]()) for metric in metrics]

    def steps(self) -> Iterator[None]:
        """Do the work; between one step and the next, each well under a millisecond, others may have their turn."""
        rows: Rows[Any] | None = None
        together: list[tuple[Shown[Any], list[str]]] = []
        for metric, lines in self._families:
            if isinstance(metric, Shown) and metric.rows is rows:
                together.append((metric, lines))
                continue
            yield from _fill(together)
            together = []
            if isinstance(metric, Shown):
                rows, together = metric.rows, [(metric, lines)]
            else:
                rows = None
                lines.append(self._encoded(metric))
                yield
        yield from _fill(together)

    def pieces(self) -> Iterator[bytes]:
        """Yield the text, once, in pieces of about :data:`PIECE` octets; to be called when all steps are done."""
        gathered: list[str] = []
        size = 0
        for text in self._texts():
            gathered.append(text)
            size += len(text)
            if size >= PIECE:
                yield "".join(gathered).encode()
                gathered, size = [], 0
        yield "".join(gathered).encode()

    def _texts(self) -> Iterator[str]:
        for metric, lines in self._families:
            if isinstance(metric, Shown):
                yield self._head(metric)
            yield from _joined(lines)
            lines.clear()
        if self._openmetrics:
            yield _END

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


def _joined(texts: list[str]) -> Iterator[str]:
    """Join short texts: to handle a hundred of them one by one takes as long as to write a histogram."""
    together = max(1, _SHORT * len(texts) // max(1, sum(map(len, texts))))
    return ("".join(texts[at : at + together]) for at in range(0, len(texts), together))


def _fill(together: list[tuple[Shown[Any], list[str]]]) -> Iterator[None]:
    """Write the lines of families that show the same rows, a few rows after the other."""
    if not together:
        return
    names = together[0][0].label_names
    writes = [(shown.family, write_of(shown.family), lines.extend) for shown, lines in together]
    of_kind: dict[str | None, list[tuple[Callable[[Any], Any], Write, Callable[[list[str]], None]]]] = {}
    for kind, rows in groupby(together[0][0].rows, key=lambda row: kind_of(names, row[0])):
        while few := list(islice(rows, ROWS)):
            if kind not in of_kind:
                reads = ((family.read_for(few[0][0]), write, extend) for family, write, extend in writes)
                of_kind[kind] = [(read, write, extend) for read, write, extend in reads if read is not None]
            named = [(label_text(names, labels), thing) for labels, thing in few]
            for read, write, extend in of_kind[kind]:
                extend([write(own, read(thing)) for own, thing in named])
            yield
