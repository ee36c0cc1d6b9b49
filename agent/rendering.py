"""Metrics to the text that Prometheus reads, in small steps. No I/O, no loop.

The library's own encoder takes 2 µs a line, all in one go. Here a family's lines are a template of text, filled by one
operation on strings for each stream: 0.15 µs a line, and others have their turn after every stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

from agent.counts import Histogram
from agent.series import Family, Labels, Rows, Shown, bounds_of, kind_of, sum_of

PIECE = 1 << 16
"""Characters of a piece of text, about: encoding or sending one takes well under a millisecond."""

_OWN = "\0"  # where a template has the labels of the stream; no label has this character
_MOST_TEMPLATES = 64  # of a family: labels that come and go, such as marks, have many sets of values
_END = "# EOF\n"

_Write = Callable[[str, Any], str]
"""Makes the lines of a row from the text of its labels, its percent signs doubled, and what was read of it."""


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
        own = _label_text(first.label_names, labels).replace("%", "%%")
        for read, write, append in of_kind[kind]:
            append(write(own, read(thing)))
        yield


def _write_of(family: Family[Any]) -> _Write:
    if family.type == "histogram":
        return _write_histograms(family) if family.further else _write_histogram(family)
    return _write_numbers(family) if family.further else _write_number(family)


def _write_number(family: Family[Any]) -> _Write:
    head = family.sample_name + "{"
    return lambda own, value: "" if value is None else f"{head}{own}}} %s\n" % _number(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:d}"
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped


def _write_numbers(family: Family[Any]) -> _Write:
    templates: dict[tuple[Any, ...], str] = {}
    counts = family.type == "counter"

    def write(own: str, values: Mapping[Any, float]) -> str:
        keys = tuple(values)
        template = templates.get(keys)
        if template is None:
            if len(templates) >= _MOST_TEMPLATES:
                templates.clear()
            template = "".join(f"{family.sample_name}{{{_OWN}{_further(family, key)}}} %s\n" for key in keys)
            templates[keys] = template
        figures = values.values()  # of counters they are no booleans, and print themselves
        return template.replace(_OWN, own) % tuple(figures if counts else map(_number, figures))

    return write


def _write_histogram(family: Family[Any]) -> _Write:
    template = _HistogramTemplate(family.name, "")
    return template.filled


def _write_histograms(family: Family[Any]) -> _Write:
    templates: dict[Any, _HistogramTemplate] = {}

    def write(own: str, values: Mapping[Any, Histogram]) -> str:
        for key in values.keys() - templates.keys():
            templates[key] = _HistogramTemplate(family.name, _further(family, key))
        return "".join([templates[key].filled(own, counted) for key, counted in values.items()])

    return write


class _HistogramTemplate:
    """The lines of a histogram: its buckets' as long as these are the same, its count's and its sum's."""

    def __init__(self, name: str, further: str) -> None:
        self._name = name
        self._further = further
        self._bounds_ns: object = None
        self._template = ""

    def filled(self, own: str, counted: Histogram) -> str:
        if counted.bounds_ns is not self._bounds_ns:
            self._bounds_ns, self._template = counted.bounds_ns, self._made(counted)
        counts = counted.cumulative()
        return self._template.replace(_OWN, own) % (*counts, counts[-1], sum_of(counted))

    def _made(self, counted: Histogram) -> str:
        labels = f"{_OWN}{self._further}"
        buckets = [f'{self._name}_bucket{{{labels},le="{bound}"}} %d\n' for bound in bounds_of(counted)]
        return "".join([*buckets, f"{self._name}_count{{{labels}}} %d\n{self._name}_sum{{{labels}}} %r\n"])


def _further(family: Family[Any], key: str | Labels) -> str:
    """Return the text of further labels, as part of a template."""
    values = (key,) if isinstance(key, str) else key
    return f",{_label_text(family.further, values)}".replace("%", "%%")


def _label_text(names: Labels, values: Labels) -> str:
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)])


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value
