"""Reports have one-way delays with their uncertainty where they are valid, elsewhere a reason and no value."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from agent.plan import Probe
from agent.report.figures import Figures
from agent.report.summary import summary
from agent.report.text import streams_table
from agent.sink import StreamKey
from collectors.clock import ClockState
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target
from collectors.peer import ReflectorFacts
from collectors.stamp.options import StampOptions
from tests.agent.following import CLAIMS, INTERVAL_NS, KEPT, LEFT_ALONE, own, samples
from tests.collectors.clocks_apart import MS, US, Apart, Change, S

UNEQUAL = Apart(forward_ns=15 * MS, backward_ns=5 * MS, seconds=10)


def probe(options: StampOptions | IcmpOptions) -> Probe:
    return Probe(
        name="p",
        options=options,
        interval_ns=INTERVAL_NS,
        timeout_ns=S,
        targets=(Target(name="hub", host="10.1.0.4"),),
        paths=(NetworkPath(name="vpn"),),
    )


def report(
    *streams: Apart,
    ours: ClockState = KEPT,
    theirs: ReflectorFacts = CLAIMS,
    options: StampOptions | IcmpOptions | None = None,
) -> dict[str, Any]:
    """Report on streams over these paths."""
    asked = probe(options or StampOptions())
    figures = Figures(probes=(asked,), own=own(ours))
    for number, apart in enumerate(streams):
        key = StreamKey(probe="p", kind=asked.options.kind, target="hub", path=f"path{number}")
        deliver = figures.opened(key)
        deliver([theirs])
        deliver([sample for sample, _ in samples(apart)])
    return summary(figures, started_at=datetime(2026, 1, 15, 12, tzinfo=UTC))


def one_way(*streams: Apart, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = report(*streams, **how)["streams"][0]["one_way"]
    return found


def rows(found: dict[str, Any]) -> dict[str, list[str]]:
    """Return the cells of a table's rows by the name of each."""
    console = Console(width=160, file=StringIO(), record=True)
    console.print(streams_table(found))
    lines = (
        [cell.strip() for cell in line.split("   ") if cell.strip()] for line in console.export_text().splitlines()
    )
    return {name.strip(): [*map(str.strip, cells)] for name, *cells in filter(None, lines)}


def test_valid_delays_are_told_like_other_delays_with_their_uncertainty() -> None:
    found = one_way(UNEQUAL)
    assert (found["valid"], found["reason"], found["timescale"], found["steps"]) == (True, None, None, 0)
    assert found["error_ns"] == 202 * US
    assert found["uncertainty_ns"] == 202 * US
    assert found["forward_ns"].keys() == {"min", "mean", "p50", "p90", "p95", "p99", "p999", "max", "stddev"}
    assert found["forward_ns"]["p50"] == pytest.approx(15 * MS + 200 * US, abs=250 * US)
    assert found["backward_ns"]["p50"] == pytest.approx(5 * MS + 200 * US, abs=250 * US)
    assert found["offset_ns"]["low"] < 0 < found["offset_ns"]["high"]
    assert found["skew_ppm"] is None


def test_skew_is_told_once_it_is_known() -> None:
    found = one_way(Apart(seconds=60, skew_ppm=2))
    assert found["skew_ppm"]["low"] < 2 < found["skew_ppm"]["high"]


def test_without_synchronised_clocks_there_are_a_reason_and_bounds_of_the_offset_but_no_delay_not_even_0() -> None:
    found = one_way(UNEQUAL, ours=LEFT_ALONE)
    assert (found["valid"], found["reason"]) == (False, "not_synchronised")
    assert [found[key] for key in ("forward_ns", "backward_ns", "uncertainty_ns", "error_ns")] == [None] * 4
    assert found["offset_ns"]["low"] < 0 < found["offset_ns"]["high"]


def test_delays_that_were_valid_are_not_told_once_they_are_not() -> None:
    found = one_way(Apart(seconds=60, changes=(Change(50, reflector_ns=-100 * MS),)))
    assert (found["valid"], found["reason"], found["steps"]) == (False, "clock_stepped", 1)
    assert found["forward_ns"] is None


def test_the_limit_is_the_probes() -> None:
    assert one_way(UNEQUAL, options=StampOptions(one_way_limit_ns=200 * US))["reason"] == "error_too_large"
    assert one_way(UNEQUAL, options=StampOptions(one_way_limit_ns=203 * US))["valid"]


def test_kinds_of_probes_whose_far_end_gives_no_times_have_none() -> None:
    assert one_way(UNEQUAL, options=IcmpOptions()) is None


def test_the_table_has_valid_delays_with_their_uncertainty() -> None:
    found = report(UNEQUAL, UNEQUAL)
    table = rows(found)
    assert "one-way delays" not in table
    for way, key in (("there", "forward_ns"), ("back", "backward_ns")):
        for name in ("p50", "p99"):
            delay_ms = found["streams"][0]["one_way"][key][name] / 1e6
            assert table[f"one way {way}, {name}"] == [f"{delay_ms:.3f} ms ± 0.202"] * 2


@pytest.mark.parametrize(
    ("apart", "ours", "theirs", "words"),
    [
        (UNEQUAL, LEFT_ALONE, CLAIMS, "none: a clock is not synchronised"),
        (UNEQUAL, KEPT, ReflectorFacts(synchronised=True), "none: a clock's error is not told"),
        (
            UNEQUAL,
            KEPT,
            ReflectorFacts(synchronised=True, error_ns=5 * MS),
            "none: clocks may be off too far (5.101 ms)",
        ),
        (Apart(seconds=5, offset_ns=37 * S), KEPT, CLAIMS, "none: the reflector counts TAI"),
        (Apart(seconds=5, offset_ns=-37 * S), KEPT, CLAIMS, "none: this host counts TAI"),
        (Apart(seconds=5, offset_ns=18 * S), KEPT, CLAIMS, "none: the reflector counts GPS time"),
        (Apart(seconds=5, offset_ns=-100 * MS), KEPT, CLAIMS, "none: packets disprove the clocks"),
        (Apart(seconds=1), KEPT, CLAIMS, "none: too few packets"),
    ],
)
def test_the_table_says_why_there_are_none(apart: Apart, ours: ClockState, theirs: ReflectorFacts, words: str) -> None:
    table = rows(report(apart, ours=ours, theirs=theirs))
    assert table["one-way delays"] == [words]
    assert "one way there, p50" not in table


def test_the_table_says_that_a_clock_was_set() -> None:
    table = rows(report(Apart(seconds=60, changes=(Change(50, sender_ns=-3600 * S),))))
    assert table["one-way delays"] == ["none: a clock was set"]
    assert table["clocks were set"] == ["1 x"]


def test_a_stream_without_answers_has_no_such_row() -> None:
    table = rows(report(Apart(seconds=0)))
    assert "one-way delays" not in table
