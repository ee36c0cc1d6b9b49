"""The reflector's counters as Prometheus reads them: each reason at zero from the start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from agent.reflector_counts import ReflectorCounts
from agent.reflector_metrics import ReflectorMetrics
from collectors.errors import REASONS
from collectors.stamp.refusal import Refusal


class Known:
    """A reflector of which everything is known already."""

    def __init__(self, counts: ReflectorCounts, *, answering: bool = False, restarts: int = 0) -> None:
        self.answering = answering
        self.restarts = restarts
        self._counts = counts

    def counts(self) -> ReflectorCounts:
        return self._counts


def samples(reflector: Known) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    ReflectorMetrics(registry, "dc1", reflector)
    found = [sample for family in registry.collect() for sample in family.samples]
    assert all(sample.labels["agent"] == "dc1" for sample in found)
    prefix = "eragent_reflector_"
    return {(sample.name.removeprefix(prefix), sample.labels.get("reason", "")): sample.value for sample in found}


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
