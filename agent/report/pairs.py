"""What the pairs of two paths say in words: of this run, without the confidence of a verdict. Reads the JSON only."""

from __future__ import annotations

from collections.abc import Iterator

from agent.report.cells import Json, milliseconds


def comparison_lines(report: Json) -> list[str]:
    """Say in words what the pairs of each comparison show."""
    return [line for comparison in report["comparisons"] for line in _comparison(comparison, report["streams"])]


def _comparison(comparison: Json, streams: list[Json]) -> list[str]:
    baseline, candidate = comparison["baseline"], comparison["candidate"]
    title = f"{comparison['probe']} to {comparison['target']}: {candidate} against {baseline}"
    if not comparison["pairs"] and comparison["excluded"]:
        return [f"{title}: this host was stalled in each of {comparison['excluded']} pairs, so nothing is compared"]
    if not comparison["pairs"]:
        return [f"{title}: no slot was answered on both paths, so there is nothing to compare"]
    figures = {
        stream["path"]: stream
        for stream in streams
        if (stream["probe"], stream["target"]) == (comparison["probe"], comparison["target"])
    }
    return [
        f"{title}, {comparison['pairs']} pairs{_excluded(comparison['excluded'])}",
        f"  median difference {_signed(comparison['difference_p50_ns'])};"
        f" 80 % are between {_signed(comparison['difference_p10_ns'])} and {_signed(comparison['difference_p90_ns'])}",
        f"  {candidate} was faster in {comparison['faster_share']:.1%} of pairs",
        *(f"  {line}" for line in _against(figures[candidate], figures[baseline])),
        f"  {_steadier(figures[candidate], figures[baseline])}",
    ]


def _excluded(count: int) -> str:
    return f"; {count} left out because this host was stalled" if count else ""


def _signed(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:+.3f} ms"


def _against(candidate: Json, baseline: Json) -> Iterator[str]:
    for name, group, key in (
        ("RTT p50", "rtt_ns", "p50"),
        ("RTT p99", "rtt_ns", "p99"),
        ("PDV p99", "jitter_ns", "pdv_p99"),
    ):
        yield f"{name} {milliseconds(candidate[group][key])} against {milliseconds(baseline[group][key])}"
    yield f"not delivered {_undelivered(candidate):.2%} against {_undelivered(baseline):.2%}"


def _undelivered(stream: Json) -> float:
    """Return the share of what was lost or failed; what this host overlooked says nothing of the path."""
    return float((stream["lost"] + stream["failed"]) / (stream["sent"] - stream["overlooked"]))


def _steadier(candidate: Json, baseline: Json) -> str:
    """Name the path whose delay varied less; a statement about this run, without the confidence of a verdict."""
    steady, other = sorted((candidate, baseline), key=lambda stream: int(stream["jitter_ns"]["pdv_p99"]))
    return f"in this run the delay of {steady['path']} varied less than that of {other['path']} (PDV p99)"
