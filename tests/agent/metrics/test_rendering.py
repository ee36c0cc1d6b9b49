"""The text of metrics: the same facts as the library's own encoders write, in steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from agent.histogram import Histogram
from agent.metrics.rendering import PIECE, ROWS, Rendering
from agent.metrics.series import (
    STREAM,
    Family,
    counter,
    counters,
    gauge,
    gauges,
    histogram,
    histograms,
    only,
    shown,
    states,
)

MS = 1_000_000


class Weather(StrEnum):
    """What a thing may be in."""

    RAIN = "rain"
    SUN = "sun"


class Thing:
    """Something that is counted, in every form that a family can have."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.by_reason = {"refused": number, '10% \\ "of"\nall': 1}
        self.weather = Weather.SUN if number % 2 else None
        self.sizes = {"none": 0.0, "tiny": 1.5e-9, "odd": 0.1 + 0.2, "vast": 1e21 * number, "beyond": -float("inf")}
        self.by_two = {("a", "b"): 0.5, ("c", "d"): number}
        self.delays = Histogram((MS // 2, MS, 2 * MS, 5 * MS, 20 * MS))
        self.delays.observe(MS)
        self.delays.observe(number * MS)
        self.phases = {"dns": self.delays, "connect": Histogram((MS,))}


FAMILIES: tuple[Family[Thing], ...] = (
    counter("packets", "Packets.", lambda thing: thing.number),
    counters("refusals", "reason", "Refusals.", lambda thing: thing.by_reason),
    gauge("level", "Level\\of\nwater.", lambda thing: thing.number / 3 if thing.number % 2 else None),
    gauges("info", ("one", "two"), "What is known.", lambda thing: thing.by_two),
    gauges("size", "size", "Sizes.", lambda thing: thing.sizes),
    states("weather", "weather", "Weather.", Weather, lambda thing: thing.weather),
    histogram("delay", "Delays.", lambda thing: thing.delays),
    histograms("phase", "phase", "Phases.", lambda thing: thing.phases),
    *only(("tcp",), counter("handshakes", "Handshakes.", lambda thing: thing.number)),
    gauge("up", "Whether it is up.", lambda thing: thing.number > 1),
    gauges("open", "door", "Whether it is open.", lambda thing: {"front": thing.number > 1, "back": thing.number > 2}),
)


def labels(number: int, kind: str = "icmp") -> tuple[str, ...]:
    return ("dc1", "p", kind, f'100% "hub" {number}\\', "vpn")


def metrics() -> list[Metric]:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
    registry = CollectorRegistry()
    Gauge("eragent_build_info", "What runs.", ("version",), registry=registry).labels("1.0").set(1)
    Counter("eragent_restarts", "Restarts.", registry=registry).inc()
    rows = [(labels(1), Thing(1)), (labels(2, "tcp"), Thing(2)), (labels(3), Thing(3))]
    few, *more = registry.collect()
    return [few, *shown(FAMILIES[:3], STREAM, rows), *more, *shown(FAMILIES[3:], STREAM, rows)]


def rendered(shown_metrics: Iterable[Metric], *, openmetrics: bool) -> str:
    rendering = Rendering(shown_metrics, openmetrics=openmetrics)
    for _ in rendering.steps():
        pass
    return b"".join(rendering.pieces()).decode()


def parsed_text(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def parsed_openmetrics(text: str) -> list[Metric]:
    families = openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # so is the library
    return list(families)


def facts(families: Iterable[Metric]) -> list[tuple[object, ...]]:
    return [
        (
            family.name,
            family.type,
            family.documentation,
            sorted((s.name, sorted(s.labels.items()), s.value) for s in family.samples),
        )
        for family in families
    ]


def test_the_older_text_says_what_the_library_would_say() -> None:
    assert facts(parsed_text(rendered(metrics(), openmetrics=False))) == facts(metrics())


def test_openmetrics_says_what_the_library_would_say() -> None:
    text = rendered(metrics(), openmetrics=True)
    assert facts(parsed_openmetrics(text)) == facts(metrics())
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1


def test_openmetrics_names_the_unit_of_durations() -> None:
    units = {family.name: family.unit for family in parsed_openmetrics(rendered(metrics(), openmetrics=True))}
    assert units["eragent_delay_seconds"] == "seconds"
    assert units["eragent_level"] == ""


@pytest.mark.parametrize("openmetrics", [False, True])
def test_all_lines_of_a_family_stand_together_below_its_head(openmetrics: bool) -> None:
    lines = rendered(metrics(), openmetrics=openmetrics).splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads)) == len(FAMILIES) + 2


def test_a_stream_is_read_at_one_moment_whatever_happens_between_the_steps() -> None:
    thing = Thing(1)
    families: tuple[Family[Thing], ...] = (
        counter("sent", "Sent.", lambda thing: thing.number),
        counter("received", "Received.", lambda thing: thing.number),
    )
    rows = [(labels(number), thing) for number in range(2 * ROWS)]
    rendering = Rendering(shown(families, STREAM, rows), openmetrics=False)
    for _ in rendering.steps():
        thing.number += 1
    samples = [sample for family in parsed_text(b"".join(rendering.pieces()).decode()) for sample in family.samples]
    first = 1 + len(families)  # each of which takes a step to be collected
    assert [(sample.name, sample.value) for sample in samples] == [
        *[("eragent_sent_total", first)] * ROWS,
        *[("eragent_sent_total", first + 1)] * ROWS,
        *[("eragent_received_total", first)] * ROWS,
        *[("eragent_received_total", first + 1)] * ROWS,
    ]


def test_what_was_read_stays_as_it_was_until_it_is_written() -> None:
    things = [Thing(number) for number in range(3)]
    rows = [(labels(number), thing) for number, thing in enumerate(things)]
    before = facts(shown(FAMILIES, STREAM, rows))
    rendering = Rendering(shown(FAMILIES, STREAM, rows), openmetrics=False)
    for _ in rendering.steps():
        pass
    for thing in things:
        thing.number += 1
        thing.by_reason["refused"] += 1
        thing.delays.observe(5 * MS)
    assert facts(parsed_text(b"".join(rendering.pieces()).decode())) == before


def test_streams_of_several_kinds_may_come_in_any_order() -> None:
    rows = [(labels(number, ("icmp", "tcp")[number % 2]), Thing(number)) for number in range(3 * ROWS)]
    text = rendered(shown(FAMILIES, STREAM, rows), openmetrics=False)
    assert facts(parsed_text(text)) == facts(shown(FAMILIES, STREAM, rows))


def test_a_histogram_unlike_those_of_the_streams_before_is_not_written_as_one_of_them() -> None:
    families = (histogram("delay", "Delays.", lambda counted: counted),)
    rows = [(labels(1), Histogram((MS, 2 * MS))), (labels(2), Histogram((MS, 3 * MS)))]
    with pytest.raises(ValueError, match="eragent_delay_seconds: streams of one kind differ in their bounds"):
        rendered(shown(families, STREAM, rows), openmetrics=False)
    further = (histograms("phase", "phase", "Phases.", lambda counted: counted),)
    phases = [(labels(1), {"dns": Histogram((MS,))}), (labels(2), {"connect": Histogram((MS,))})]
    with pytest.raises(ValueError, match="eragent_phase_seconds: streams of one kind differ in their further labels"):
        rendered(shown(further, STREAM, phases), openmetrics=False)


def test_a_step_does_the_work_of_a_few_rows() -> None:
    read = list[int]()

    def reading(number: int) -> int:
        read.append(number)
        return number

    families: tuple[Family[int], ...] = (counter("read", "Read.", reading),)
    rows = [(labels(number), number) for number in range(10 * ROWS)]
    after = [len(read) for _ in Rendering(shown(families, STREAM, rows), openmetrics=False).steps()]
    assert after == list(range(0, 11 * ROWS, ROWS))
    assert read == list(range(10 * ROWS))


def test_the_rows_of_streams_are_made_in_a_step_of_their_own() -> None:
    made = list[str]()

    def collected() -> Iterator[Metric]:
        for name in ("first", "second"):
            made.append(name)
            yield from shown((gauge(name, "Which.", len),), STREAM, [(labels(1), name)])

    steps = Rendering(collected(), openmetrics=False).steps()
    next(steps)
    assert made == ["first"]


def test_a_long_text_comes_in_pieces() -> None:
    rows = [(labels(number), Thing(number)) for number in range(500)]
    rendering = Rendering(shown(FAMILIES, STREAM, rows), openmetrics=True)
    for _ in rendering.steps():
        pass
    *most, last = rendering.pieces()
    assert all(PIECE <= len(piece) < 1.6 * PIECE for piece in most)
    assert last.endswith(b"# EOF\n")


def test_labels_that_come_and_go_are_right_however_many_sets_of_them_there_were() -> None:
    families: tuple[Family[int], ...] = (
        counters("marks", "mark", "Marks.", lambda number: {str(mark): mark for mark in range(number % 100)}),
    )
    rows = [(labels(number), number) for number in range(300)]
    text = rendered(shown(families, STREAM, rows), openmetrics=False)
    assert facts(parsed_text(text)) == facts(shown(families, STREAM, rows))
