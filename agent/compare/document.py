"""A comparison as one JSON object, schema ``eragent.compare/1``. No I/O, no numpy."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from agent.compare.comparison import Comparison
from agent.compare.figures import CONFIDENCE, DECIDING, Figure
from agent.compare.minutes import Change
from agent.compare.outages import Outages
from agent.compare.predictability import Predictability

SCHEMA = "eragent.compare/1"

Json = dict[str, Any]
_MOST_OUTAGES = 100
_NS_PER_S = 1e9


def document(comparison: Comparison) -> Json:
    """Return all of it; times in ns, shares of 1, what is not known or not bounded is null."""
    names = comparison.names
    return {
        "schema": SCHEMA,
        "verdict": comparison.verdict.value,
        "sentence": comparison.sentence,
        "probe": names.probe,
        "target": names.target,
        "baseline": names.baseline,
        "candidate": names.candidate,
        "from": _moment(comparison.begins_ns) if comparison.duration_s else None,
        "duration_s": round(comparison.duration_s, 3),
        "pairs": comparison.pairs,
        "excluded": {**asdict(comparison.excluded), "total": comparison.excluded.total},
        "more_s": None if comparison.more_s is None else round(comparison.more_s),
        "confidence": CONFIDENCE,
        "margins": asdict(comparison.margins),
        "figures": [figure_json(figure) for figure in comparison.figures],
        "predictability": _predictability(comparison),
        "notes": list(comparison.notes),
        "changes": [change_json(change) for change in comparison.changes],
    }


def figure_json(figure: Figure) -> Json:
    """Return one figure: nanoseconds are whole."""
    corrected_low, corrected_high = figure.corrected
    amounts = {
        "baseline": figure.baseline,
        "candidate": figure.candidate,
        "difference": figure.difference,
        "low": figure.low,
        "high": figure.high,
        "corrected_low": corrected_low,
        "corrected_high": corrected_high,
        "margin": figure.margin,
    }
    return {
        "name": figure.name,
        "unit": figure.unit,
        **{name: _amount(value, figure.unit) for name, value in amounts.items()},
        "verdict": figure.verdict.value,
        "deciding": figure.name in DECIDING,
    }


def _amount(value: float, unit: str) -> float | int | None:
    if math.isinf(value):
        return None
    return round(value) if unit == "ns" else round(value, 9)


def _predictability(comparison: Comparison) -> Json | None:
    if not comparison.predictability:
        return None
    baseline, candidate = (_of_path(described) for described in comparison.predictability)
    return {"limit_ns": round(comparison.limit_ns), "baseline": baseline, "candidate": candidate}


def _of_path(described: Predictability) -> Json:
    return {
        "minutes": described.minutes,
        "minutes_within": _rounded(described.minutes_within),
        "hours_within": _rounded(described.hours_within),
        "robust_cv": _rounded(described.robust_cv),
        "robust_cv_hour": _rounded(described.robust_cv_hour),
        "hour_of_day_range_ns": _rounded(described.hour_of_day_range_ns, 0),
        "day_range_ns": _rounded(described.day_range_ns, 0),
        "outages": _outages(described.outages),
        "bursts": described.bursts,
        "longest_burst": described.longest_burst,
        "lost_in_bursts": _rounded(described.lost_in_bursts),
    }


def _rounded(value: float | None, digits: int = 6) -> float | int | None:
    return None if value is None else round(value) if digits == 0 else round(value, digits)


def _outages(found: Outages) -> Json:
    lengths = [float(length) for length in found.length_s]
    listed = zip(found.begin_ns[:_MOST_OUTAGES], lengths, strict=False)
    return {
        "count": len(lengths),
        "total_s": round(sum(lengths), 3),
        "longest_s": round(max(lengths, default=0.0), 3),
        "first": [{"from": _moment(int(begin)), "length_s": round(length, 3)} for begin, length in listed],
    }


def change_json(change: Change) -> Json:
    """Return one change of a path."""
    return {
        "at": _moment(change.at_ns),
        "path": change.path,
        "of": change.of,
        "before_ns": round(change.before_ns),
        "after_ns": round(change.after_ns),
        "together": change.together,
    }


def _moment(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / _NS_PER_S, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
