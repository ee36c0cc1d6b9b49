"""Metrics to the text that Prometheus reads, in small steps. No I/O, no loop.

The library's own encoder takes 7 µs a line, all in one go. Here a few operations on strings fill the lines that a
stream has of a family: 0.3 µs a line on the same machine, and others have their turn after every stream.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

from agent.histogram import Histogram
from agent.metrics.series import Family, Labels, Rows, Shown, bounds_of, kind_of, sum_of

PIECE = 1 << 16
"""Characters of a piece of text, about: encoding or sending one takes well under a millisecond."""

_OWN, _ALL = "\0", "\1"  # where a template has the labels of the stream, and a histogram's count; no label has these
_MOST_TEMPLATES = 64  # of a family: labels that come and go, such as marks, have many sets of values
_END = "# EOF\n"

_Write = Callable[[str, Any], str]
"""Makes the lines of a row from the text of its labels and what was read of it."""


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
            yield from lines
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


def _fill(together: list[tuple[Shown[Any], list[str]]]) -> Iterator[None]:
    """Write the lines of families that show the same rows, one row after the other."""
    if not together:
        return
    first, _ = together[0]
    writes = [(shown.family, _write_of(shown.family), lines.append) for shown, lines in together]
    of_kind: dict[str | None, list[tuple[Callable[[Any], Any], _Write, Callable[[str], None]]]] = {}
    for labels, thing in first.rows:
        kind = kind_of(first.label_names, labels)
        if kind not in of_kind:
            reads = ((family.read_for(labels), write, append) for family, write, append in writes)
            of_kind[kind] = [(read, write, append) for read, write, append in reads if read is not None]
        own = _label_text(first.label_names, labels)
        for read, write, append in of_kind[kind]:
            append(write(own, read(thing)))
        yield


def _write_of(family: Family[Any]) -> _Write:
    if family.type == "histogram":
        return _write_histograms(family) if family.further else _write_histogram(family)
    return _write_numbers(family) if family.further else _write_number(family)


def _write_number(family: Family[Any]) -> _Write:
    head = family.sample_name + "{"
    return lambda own, value: "" if value is None else f"{head}{own}}} {_number(value)}\n"


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:d}"
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped


def _write_numbers(family: Family[Any]) -> _Write:
    templates: dict[tuple[Any, ...], tuple[str, str]] = {}
    counts = family.type == "counter"

    def write(own: str, values: Mapping[Any, float]) -> str:
        keys = tuple(values)
        found = templates.get(keys)
        if found is None:
            if len(templates) >= _MOST_TEMPLATES:
                templates.clear()
            heads = [f"{family.sample_name}{{{_OWN}{_further(family, key)}}}" for key in keys]
            filled = "".join([f"{head.replace('%', '%%')} %s\n" for head in heads])
            found = templates[keys] = (filled, "".join([f"{head} 0\n" for head in heads]))
        figures = values.values()
        template, none = found
        if not counts:
            return (template % tuple(map(_number, figures))).replace(_OWN, own)
        # Counts are no booleans, so they print themselves; and of what can go wrong most never did.
        return (template % tuple(figures) if any(figures) else none).replace(_OWN, own)

    return write


def _write_histogram(family: Family[Any]) -> _Write:
    return _HistogramTemplate(family.name, "").filled


def _write_histograms(family: Family[Any]) -> _Write:
    templates: dict[Any, _HistogramTemplate] = {}

    def write(own: str, values: Mapping[Any, Histogram]) -> str:
        for key in values.keys() - templates.keys():
            templates[key] = _HistogramTemplate(family.name, _further(family, key))
        return "".join([templates[key].filled(own, counted) for key, counted in values.items()])

    return write


class _HistogramTemplate:
    """The lines of a histogram, for as long as its buckets are the same.

    Below its smallest value every bucket has none, above its largest every one has all: of a path's fifty buckets forty
    are such, and cut from texts that are there. Only those between are formatted, at 0.1 µs each.
    """

    def __init__(self, name: str, further: str) -> None:
        self._name = name
        self._labels = f"{_OWN}{further}"
        self._bounds_ns: object = None

    def filled(self, own: str, counted: Histogram) -> str:
        if counted.bounds_ns is not self._bounds_ns:
            self._make(counted)
        counts = counted.cumulative()
        count = counts[-1]
        first, full = bisect_right(counts, 0), bisect_left(counts, count)
        some = zip(self._heads[first:full], counts[first:full], strict=True)
        below = self._none[: self._none_ends[first - 1]] if first else ""
        between = "".join([f"{head}{number}\n" for head, number in some])
        above = self._all[self._all_begins[max(first, full)] :].replace(_ALL, str(count))
        return f"{below}{between}{above}{sum_of(counted)!r}\n".replace(_OWN, own)

    def _make(self, counted: Histogram) -> None:
        self._bounds_ns = counted.bounds_ns
        self._heads = [f'{self._name}_bucket{{{self._labels},le="{bound}"}} ' for bound in bounds_of(counted)]
        tail = f"{self._name}_count{{{self._labels}}} {_ALL}\n{self._name}_sum{{{self._labels}}} "
        none, everything = [f"{head}0\n" for head in self._heads], [f"{head}{_ALL}\n" for head in self._heads]
        self._none, self._all = "".join(none), "".join([*everything, tail])
        self._none_ends = list(accumulate(map(len, none)))
        self._all_begins = list(accumulate(map(len, everything), initial=0))


def _further(family: Family[Any], key: str | Labels) -> str:
    """Return the text of further labels behind a stream's own."""
    return "," + _label_text(family.further, (key,) if isinstance(key, str) else key)


def _label_text(names: Labels, values: Labels) -> str:
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)])


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value
