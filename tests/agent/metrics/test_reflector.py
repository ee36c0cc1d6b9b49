"""The reflector's counters as Prometheus reads them: each reason at zero from the start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from agent.metrics.reflector import ReflectorMetrics
from agent.reflector.counts import ReflectorCounts, TwampCounts
from collectors.errors import REASONS
from collectors.stamp.control.admission import ConnectionRefusal
from collectors.stamp.control.sessions import SessionRefusal
from collectors.stamp.refusal import Refusal


class Known:
    """A reflector of which everything is known already."""

    def __init__(
        self, counts: ReflectorCounts, *, answering: bool = False, serves_twamp: bool = False, restarts: int = 0
    ) -> None:
        self.answering = answering
        self.serves_twamp = serves_twamp
        self.restarts = restarts
        self._counts = counts

    def counts(self) -> ReflectorCounts:
        return self._counts


def samples(reflector: Known, prefix: str = "eragent_reflector_") -> dict[tuple[str, str], float]:
    """Return what is shown under names that begin so, by the rest of the name and the reason."""
    registry = CollectorRegistry()
    ReflectorMetrics(registry, "dc1", reflector)
    found = [sample for family in registry.collect() for sample in family.samples]
    assert all(sample.labels["agent"] == "dc1" for sample in found)
    return {
        (sample.name.removeprefix(prefix), sample.labels.get("reason", "")): sample.value
        for sample in found
        if sample.name.startswith(prefix)
    }


def test_every_series_is_there_at_zero_before_the_reflector_answers() -> None:
    found = samples(Known(ReflectorCounts()))
    assert set(found) == {
        *(("refused_total", reason) for reason in Refusal),
        *(("not_sent_total", reason) for reason in REASONS),
        *((name, "") for name in ("replies_total", "dropped_total", "sessions", "up", "restarts_total")),
    }
    assert set(found.values()) == {0}


def test_what_was_counted_is_shown_by_reason() -> None:
    counts = ReflectorCounts(
        replies=100,
        sessions=2,
        dropped=3,
        refused=dict.fromkeys(Refusal, 0) | {Refusal.LOOP: 5},
        not_sent=dict.fromkeys(REASONS, 0) | {"permission": 7},
    )
    found = samples(Known(counts, answering=True, restarts=1))
    assert {series: value for series, value in found.items() if value} == {
        ("replies_total", ""): 100,
        ("sessions", ""): 2,
        ("dropped_total", ""): 3,
        ("refused_total", "loop"): 5,
        ("not_sent_total", "permission"): 7,
        ("up", ""): 1,
        ("restarts_total", ""): 1,
    }


def test_where_twamp_is_not_served_nothing_of_it_is_shown() -> None:
    assert samples(Known(ReflectorCounts()), "eragent_twamp_") == {}


def test_every_series_of_twamp_is_there_at_zero_where_it_is_served() -> None:
    found = samples(Known(ReflectorCounts(), serves_twamp=True), "eragent_twamp_")
    assert set(found) == {
        *((name, "") for name in ("connections_open", "connections_total", "sessions_total")),
        *(("connections_refused_total", reason) for reason in ConnectionRefusal),
        *(("sessions_refused_total", reason) for reason in SessionRefusal),
    }
    assert set(found.values()) == {0}


def test_what_twamp_counted_is_shown_by_reason() -> None:
    twamp = TwampCounts(
        connections_open=1,
        connections=2,
        sessions=3,
        connections_refused=dict.fromkeys(ConnectionRefusal, 0) | {ConnectionRefusal.RATE: 4},
        sessions_refused=dict.fromkeys(SessionRefusal, 0) | {SessionRefusal.NO_ROOM: 5},
    )
    found = samples(Known(ReflectorCounts(twamp=twamp), serves_twamp=True), "eragent_twamp_")
    assert {series: value for series, value in found.items() if value} == {
        ("connections_open", ""): 1,
        ("connections_total", ""): 2,
        ("sessions_total", ""): 3,
        ("connections_refused_total", "rate"): 4,
        ("sessions_refused_total", "no_room"): 5,
    }


def test_no_name_is_used_twice_though_openmetrics_takes_the_suffix_off_a_counters() -> None:
    registry = CollectorRegistry()
    ReflectorMetrics(registry, "dc1", Known(ReflectorCounts(), serves_twamp=True))
    names = [family.name for family in registry.collect()]
    assert len(set(names)) == len(names) == 12
