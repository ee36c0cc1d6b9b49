"""How metrics are declared: a family's name and meaning, and what is read of each stream. Knows no text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from prometheus_client.core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from agent.counts import StreamCounts
from agent.histogram import Histogram

STREAM = ("agent", "probe", "kind", "target", "path")
"""The labels that all series of a stream have."""

T = TypeVar("T")
Labels = tuple[str, ...]
Read = Callable[[T], Any]
Rows = Sequence[tuple[Labels, T]]
"""What is shown: the values of the labels that all its series have, and the thing that families are read of."""

_KIND = STREAM.index("kind")
_NS_PER_S = 1e9
_UNITS = ("seconds", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(Generic[T]):
    """A family of metrics as declared.

    ``read`` returns a number (``None``: there is no series) where the family has no further labels; where it has one, a
    mapping from its values; where it has several, from tuples of their values. Those of a histogram are
    :class:`agent.histogram.Histogram`, shown in seconds: all streams of a kind have the same further labels and bounds.
    Where there are ``states``, it returns the one that applies, or ``None``. Where only streams of some kinds of probes
    have the family, it maps each kind to such a function.
    """

    name: str
    type: Literal["counter", "gauge", "histogram"]
    text: str
    read: Read[T] | Mapping[str, Read[T]]
    further: Labels = ()
    states: Labels = ()

    @property
    def sample_name(self) -> str:
        """The name of the samples: a counter's has a suffix that the family's own lacks."""
        return f"{self.name}_total" if self.type == "counter" else self.name

    @property
    def unit(self) -> str:
        """The unit that the name ends with, where it does."""
        last = self.name.rpartition("_")[2]
        return last if last in _UNITS else ""

    def read_for(self, labels: Labels) -> Read[T] | None:
        """Return what reads the thing in the row of these labels; ``None`` where that has none of the family."""
        return self.read.get(labels[_KIND]) if isinstance(self.read, Mapping) else self.read

    def values(self, labels: Labels, thing: T) -> Mapping[Labels, Any]:
        """Return what there is to show of a row, by the values of the further labels."""
        read = self.read_for(labels)
        if read is None:
            return {}
        found = read(thing)
        if self.states:
            return {(state,): int(state == found) for state in self.states}
        if found is None:
            return {}
        if not self.further:
            return {(): found}
        return {(key,) if isinstance(key, str) else key: value for key, value in found.items()}


StreamFamily = Family[StreamCounts]
OneOrMore = str | Labels
"""A further label, or several."""


def counter(name: str, text: str, read: Callable[[T], float]) -> Family[T]:
    """Declare a counter; ``name`` is without ``eragent_`` and ``_total``."""
    return Family(name=f"eragent_{name}", type="counter", text=text, read=read)


def counters(name: str, labels: OneOrMore, text: str, read: Callable[[T], Mapping[Any, float]]) -> Family[T]:
    """Declare a counter with further labels."""
    return Family(name=f"eragent_{name}", type="counter", text=text, read=read, further=_tuple(labels))


def gauge(name: str, text: str, read: Callable[[T], float | None]) -> Family[T]:
    """Declare a gauge; ``name`` is without ``eragent_``."""
    return Family(name=f"eragent_{name}", type="gauge", text=text, read=read)


def gauges(name: str, labels: OneOrMore, text: str, read: Callable[[T], Mapping[Any, float]]) -> Family[T]:
    """Declare a gauge with further labels."""
    return Family(name=f"eragent_{name}", type="gauge", text=text, read=read, further=_tuple(labels))


def states(name: str, label: str, text: str, among: type[StrEnum], read: Callable[[T], str | None]) -> Family[T]:
    """Declare a gauge with a further label: 1 for the one of these states that applies, 0 for all others."""
    return Family(
        name=f"eragent_{name}", type="gauge", text=text, read=read, further=(label,), states=tuple(map(str, among))
    )


def histogram(name: str, text: str, read: Callable[[T], Histogram]) -> Family[T]:
    """Declare a histogram of durations; ``name`` is without ``eragent_`` and ``_seconds``."""
    return Family(name=f"eragent_{name}_seconds", type="histogram", text=text, read=read)


def histograms(name: str, labels: OneOrMore, text: str, read: Callable[[T], Mapping[Any, Histogram]]) -> Family[T]:
    """Declare a histogram of durations with further labels."""
    further = _tuple(labels)
    return Family(name=f"eragent_{name}_seconds", type="histogram", text=text, read=read, further=further)


def only(kinds: Iterable[str], *families: Family[T]) -> tuple[Family[T], ...]:
    """Return families that only streams of these kinds of probes have."""
    return tuple(replace(family, read=dict.fromkeys(kinds, _read_of_all(family))) for family in families)


def bound_texts(bounds_ns: Sequence[int]) -> Sequence[str]:
    """Return the upper bounds of a histogram's buckets as their label ``le`` has them."""
    return _bounds(tuple(bounds_ns))


def kind_of(label_names: Labels, labels: Labels) -> str | None:
    """Return the kind of the probe in a row of streams; ``None`` in rows of other things."""
    return labels[_KIND] if label_names == STREAM else None


class Shown(Metric, Generic[T]):
    """A family with its rows, as a registry wants it; its samples are made only when somebody asks for them."""

    def __init__(self, family: Family[T], label_names: Labels, rows: Rows[T]) -> None:
        super().__init__(family.name, family.text, family.type, family.unit)
        self.family = family
        self.label_names = label_names
        self.rows = rows

    @property
    def samples(self) -> list[Sample]:
        """Every sample of the family."""
        return [sample for labels, thing in self.rows for sample in self._samples(labels, thing)]

    @samples.setter
    def samples(self, none_yet: list[Sample]) -> None:
        """Take the empty list that the library begins with."""

    def _samples(self, labels: Labels, thing: T) -> Iterator[Sample]:
        names = (*self.label_names, *self.family.further)
        for further, value in self.family.values(labels, thing).items():
            named = dict(zip(names, (*labels, *further), strict=True))
            if isinstance(value, Histogram):
                yield from _histogram_samples(self.name, named, value)
            else:
                yield Sample(self.family.sample_name, named, float(value))


def shown(families: Iterable[Family[T]], label_names: Labels, rows: Rows[T]) -> Iterator[Metric]:
    """Yield families with the series of these rows."""
    return (Shown(family, label_names, rows) for family in families)


def _histogram_samples(name: str, labels: dict[str, str], counted: Histogram) -> Iterator[Sample]:
    counts = counted.cumulative()
    for bound, count in zip(bound_texts(counted.bounds_ns), counts, strict=True):
        yield Sample(f"{name}_bucket", labels | {"le": bound}, count)
    yield Sample(f"{name}_count", labels, counts[-1])
    yield Sample(f"{name}_sum", labels, counted.sum_ns / _NS_PER_S)


@cache
def _bounds(bounds_ns: tuple[int, ...]) -> Sequence[str]:
    return (*map(floatToGoString, (bound_ns / _NS_PER_S for bound_ns in bounds_ns)), "+Inf")


def _read_of_all(family: Family[T]) -> Read[T]:
    assert not isinstance(family.read, Mapping), f"{family.name} is one of some kinds of probes already"
    return family.read


def _tuple(labels: str | Labels) -> Labels:
    return (labels,) if isinstance(labels, str) else labels
