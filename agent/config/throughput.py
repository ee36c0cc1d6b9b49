"""What the keys of a probe of throughput say together, and the plan that they make."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from agent.config.checks import paths_of
from agent.config.document import Document
from agent.config.iperf3_user import authentication_of, authentication_problems
from agent.config.model import Configuration
from agent.config.problems import Key, Problem
from agent.config.quantities import format_duration
from agent.config.sections.probes import ProbeSection
from agent.config.sections.throughput import Iperf3Section
from agent.config.validation import Sections, rows
from agent.throughput.budget import expected, said_octets
from agent.throughput.plan import ThroughputPlan, length_of_a_round, settling_s
from agent.throughput.stages import FLOWS
from agent.throughput.timetable import Timetable
from collectors.iperf3.options import Authentication, Direction, Iperf3Options, Protocol
from collectors.path import NetworkPath, Target

_SECOND_NS = 1_000_000_000
_OF_TESTS = ("every", "jitter", "windows", "timezone", "budget")
_OF_PACKETS = ("interval", "timeout")
_OF_TCP = ("window", "congestion")


def throughput_problems(
    document: Document, sections: Sections, environment: Mapping[str, str], *, with_keys: bool
) -> Iterator[Problem]:
    """Yield what is wrong between the keys of these probes, and what refers to them; with keys, also in their files."""
    yield from _misplaced(document)
    for index, probe in sections.probes.items():
        if probe.iperf3 is not None:
            place: Key = ("probes", index)
            yield from _problems_of(document, place, probe, probe.iperf3, sections)
            yield from authentication_problems(
                document, (*place, "iperf3"), probe.iperf3, environment, with_keys=with_keys
            )
    yield from _comparisons(document, sections)


def throughput_plans(
    configuration: Configuration,
    targets: Mapping[str, Target],
    paths: Mapping[str, NetworkPath],
    folder: Path,
    environment: Mapping[str, str] | None,
) -> tuple[ThroughputPlan, ...]:
    """Return what these probes are to do; without an environment, for who only looks them up, nobody is named as user.

    Names of files are relative to ``folder``; ``environment`` says where systemd put credentials.
    """
    return tuple(
        _plan(
            probe,
            probe.iperf3,
            tuple(targets[name] for name in probe.targets),
            tuple(paths.values()) if probe.paths is None else tuple(paths[name] for name in probe.paths),
            None if environment is None else authentication_of(probe.iperf3, folder, environment),
            _settling_s(configuration.probes),
        )
        for probe in configuration.probes
        if probe.iperf3 is not None
    )


def _plan(
    probe: ProbeSection,
    iperf3: Iperf3Section,
    targets: Sequence[Target],
    paths: Sequence[NetworkPath],
    authentication: Authentication | None,
    settle_s: float,
) -> ThroughputPlan:
    return ThroughputPlan(
        name=probe.name,
        options=replace(_options(iperf3), authentication=authentication),
        flows=_flows(iperf3),
        timetable=_timetable(probe, iperf3, len(targets) * len(paths), settle_s),
        targets=tuple(targets),
        paths=tuple(paths),
        budget=probe.budget,
    )


def _options(iperf3: Iperf3Section) -> Iperf3Options:
    return Iperf3Options(
        port=iperf3.port,
        protocol=Protocol.TCP if iperf3.udp is None else Protocol.UDP,
        direction=Direction(iperf3.direction),
        duration_s=iperf3.duration // _SECOND_NS,
        omit_s=iperf3.omit // _SECOND_NS,
        bits_per_second=iperf3.udp,
        dscp=iperf3.dscp,
        window_bytes=iperf3.window,
        congestion_control=iperf3.congestion,
    )


def _flows(iperf3: Iperf3Section) -> tuple[int, ...]:
    return FLOWS if iperf3.stages else (iperf3.streams or 1,)


def _settling_s(probes: Iterable[ProbeSection]) -> float:
    return settling_s(probe.timeout for probe in probes if probe.iperf3 is None)


def _timetable(probe: ProbeSection, iperf3: Iperf3Section, paths_and_targets: int, settle_s: float) -> Timetable:
    """Return when tests are due; raise :class:`ValueError` where a window is shorter than they take."""
    assert probe.every is not None, "checked: tests of throughput have it"
    length = length_of_a_round(
        _options(iperf3), tests=len(_flows(iperf3)), paths_and_targets=paths_and_targets, settle_s=settle_s
    )
    return Timetable(
        every=_duration(probe.every),
        windows=tuple(probe.windows),
        zone=probe.timezone,
        jitter=_duration(probe.jitter),
        length=length,
    )


def _duration(duration_ns: int) -> timedelta:
    return timedelta(microseconds=duration_ns // 1000)


def _misplaced(document: Document) -> Iterator[Problem]:
    """Find keys of the other sort of probe; in the plain data, where defaults do not stand."""
    for index, probe in rows(document.data, "probes").items():
        if not isinstance(probe, dict):
            continue
        tests = "iperf3" in probe
        for key in _OF_PACKETS if tests else _OF_TESTS:
            if key in probe:
                hint = "tests of throughput have 'every' in its place" if tests else "goes with iperf3 alone: remove it"
                yield document.problem(("probes", index, key), hint, at_key=True)
        if tests and "every" not in probe:
            yield document.problem(("probes", index), "says not how often it tests: add for example 'every: 1h'")


def _problems_of(
    document: Document, place: Key, probe: ProbeSection, iperf3: Iperf3Section, sections: Sections
) -> Iterator[Problem]:
    if iperf3.stages and iperf3.streams is not None:
        message = "'stages' brings its own numbers of flows: remove one of them"
        yield document.problem((*place, "iperf3", "streams"), message, at_key=True)
    if iperf3.udp is not None:
        for key in _OF_TCP:
            if getattr(iperf3, key) is not None:
                message = "is TCP's, and 'udp' asks for UDP: remove one of them"
                yield document.problem((*place, "iperf3", key), message, at_key=True)
    paths = paths_of(probe, sections)
    yield from _unmarkable(document, place, paths, sections)
    if probe.every is not None:
        settle_s = _settling_s(sections.probes.values())
        yield from _times(document, place, probe, iperf3, len(paths) * len(probe.targets), settle_s)
    if probe.budget is not None:
        yield from _budgets(document, place, probe.budget, iperf3, paths, sections)


def _times(
    document: Document,
    place: Key,
    probe: ProbeSection,
    iperf3: Iperf3Section,
    paths_and_targets: int,
    settle_s: float,
) -> Iterator[Problem]:
    assert probe.every is not None, "the caller asked"
    if probe.jitter > probe.every:
        yield document.problem((*place, "jitter"), f"is more than 'every' ({format_duration(probe.every)})")
    try:
        table = _timetable(probe, iperf3, paths_and_targets, settle_s)
    except ValueError as error:
        yield document.problem((*place, "windows"), str(error))
        return
    if table.length > table.every:
        message = f"all its tests together take {table.length.total_seconds():g} s, longer than this: raise it"
        yield document.problem((*place, "every"), message)


def _budgets(
    document: Document,
    place: Key,
    budget: int,
    iperf3: Iperf3Section,
    paths: Collection[str],
    sections: Sections,
) -> Iterator[Problem]:
    for name in paths:
        rate = sections.paths[name].rate if name in sections.paths else None
        test = expected(_options(iperf3), purchased=rate)
        if (rate or iperf3.udp) and test.octets > budget:
            message = (
                f"{said_octets(budget)} a day let no test run over path '{name}': one moves {test}: raise it, or "
                "shorten the tests"
            )
            yield document.problem((*place, "budget"), message)


def _unmarkable(document: Document, place: Key, paths: Collection[str], sections: Sections) -> Iterator[Problem]:
    for name in paths:
        if name in sections.paths and sections.paths[name].fwmark is not None:
            message = (
                f"iperf3 cannot mark its packets, as path '{name}' needs them (fwmark): give that path a source or an "
                "interface in its place, or name other paths"
            )
            key = "paths" if "paths" in _keys_of(document, place) else "iperf3"
            yield document.problem((*place, key), message)


def _keys_of(document: Document, place: Key) -> Collection[str]:
    assert isinstance(place[1], int)
    probe = rows(document.data, "probes")[place[1]]
    return probe.keys() if isinstance(probe, dict) else ()


def _comparisons(document: Document, sections: Sections) -> Iterator[Problem]:
    tests = {probe.name for probe in sections.probes.values() if probe.iperf3 is not None}
    for index, comparison in sections.comparisons.items():
        if comparison.probe in tests:
            message = f"probe '{comparison.probe}' tests throughput: name one that sends packets, for pairs of them"
            yield document.problem(("comparisons", index, "probe"), message)
