"""One-way delays of streams in reports: as valid figures with what is uncertain about them, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from agent.oneway import OneWayCounts
from agent.report.cells import Cell, Json, milliseconds
from collectors.oneway import Bounded, Doubt, OneWay
from collectors.statistics import delay_figures
from collectors.timescale import Timescale


def one_way_json(counts: OneWayCounts) -> dict[str, Any]:
    """Return what is known as of the latest packet; times in nanoseconds.

    Delays are null unless they are valid now, and are those of the recent packets that were. ``uncertainty_ns`` is by
    how much that of the latest may be off, one way or the other.
    """
    known = counts.known
    delays = {
        f"{direction}_ns": delay_figures(delays_ns) if known.valid else None
        for direction, delays_ns in counts.delays_ns.items()
    }
    return {
        "valid": known.valid,
        "reason": known.reason,
        **{name: asdict(figures) if figures else None for name, figures in delays.items()},
        "uncertainty_ns": _uncertainty_ns(known),
        "error_ns": known.error_ns,
        "offset_ns": _offset(known.offset),
        "skew_ppm": {"low": known.skew.low_ppm, "high": known.skew.high_ppm} if known.skew else None,
        "steps": known.steps,
        "timescale": known.timescale,
    }


def one_way_rows(streams: list[Json]) -> Iterator[tuple[str, Cell]]:
    """Yield the rows of a table: delays where some are valid, why not where some are not, and what clocks did."""
    followed = [stream["one_way"] for stream in streams if stream["one_way"] and stream["received"]]
    if any(one_way["valid"] for one_way in followed):
        for direction, name in (("forward", "there"), ("backward", "back")):
            yield f"one way {name}, p50", _delay(direction, "p50")
            yield f"one way {name}, p99", _delay(direction, "p99")
    if any(not one_way["valid"] for one_way in followed):
        yield "one-way delays", _why_not
    if any(one_way["steps"] for one_way in followed):
        yield "clocks were set", _steps


_WHY_NOT = {
    Doubt.CLOCK_STEPPED: "a clock was set",
    Doubt.TOO_FEW_SAMPLES: "too few packets",
    Doubt.NOT_SYNCHRONISED: "a clock is not synchronised",
    Doubt.ERROR_UNKNOWN: "a clock's error is not told",
    Doubt.CONTRADICTED: "packets disprove the clocks",
    Doubt.ERROR_TOO_LARGE: "clocks may be off too far",
}
_OTHER_TIMESCALE = {
    Timescale.REFLECTOR_TAI: "the reflector counts TAI",
    Timescale.SENDER_TAI: "this host counts TAI",
    Timescale.REFLECTOR_GPS: "the reflector counts GPS time",
    Timescale.SENDER_GPS: "this host counts GPS time",
}


def _uncertainty_ns(known: OneWay) -> int | None:
    if not known.valid or known.believed is None:
        return None
    return -(-(known.believed.high_ns - known.believed.low_ns) // 2)


def _offset(offset: Bounded | None) -> dict[str, Any] | None:
    if offset is None:
        return None
    return {"low": offset.low_ns, "value": offset.value_ns, "high": offset.high_ns}


def _delay(direction: str, key: str) -> Cell:
    def cell(stream: Json) -> str:
        one_way = stream["one_way"]
        if not one_way or not one_way[f"{direction}_ns"]:
            return "-"
        return f"{milliseconds(one_way[f'{direction}_ns'][key])} ± {one_way['uncertainty_ns'] / 1e6:.3f}"

    return cell


def _why_not(stream: Json) -> str:
    one_way = stream["one_way"]
    if not one_way or not stream["received"]:
        return "-"
    if one_way["valid"]:
        return "valid"
    if one_way["timescale"]:
        return f"none: {_OTHER_TIMESCALE[one_way['timescale']]}"
    error = f" ({milliseconds(one_way['error_ns'])})" if one_way["reason"] == Doubt.ERROR_TOO_LARGE else ""
    return f"none: {_WHY_NOT[one_way['reason']]}{error}"


def _steps(stream: Json) -> str:
    return f"{stream['one_way']['steps']} x" if stream["one_way"] else "-"
