"""Makes what a Prometheus keeps of two agents and a month, as far as dashboards read it. Measures nothing.

One pair of paths has all that the front page asks of it, and most of what others do, at the intervals of scrapes and of
the rules. The streams beside it have a sample every half an hour: they are there to choose among.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.histogram import RTT_BOUNDS_NS
from dashboards.recording import groups

AGENTS = ("paris-dc1", "lyon-dc2")
TARGETS = ("azure-hub", "azure-spoke", "azure-west")
PROBE = "stamp"
PATHS = ("vpn", "expressroute")

BLOCK_S = 54 * 3600
"""What a block of Prometheus spans at most, as most of a month's do once they are compacted."""

_SCRAPE_S, _RECORD_S, _SPARSE_S = 15, 30, 1800
_PER_SECOND = 10
_BUCKETS = "stream:eragent_rtt_seconds_bucket:rate_"
_BY_HOUR = "stream:eragent_rtt_seconds:p99_by_hour"
_EVERY = {None: 1, "30s": 1, "1m": 2, "5m": 10}
_RECORDS = {rule.record: _EVERY[group.interval] for group in groups() for rule in group.rules}
"""The records, and how many times longer than :data:`_RECORD_S` lies between two samples of each."""
_COUNTERS = ("sent", "received", "lost", "late", "duplicate", "reordered")
_DIRECTIONS = ("forward", "backward")
_STATES = (
    "build_info",
    "path_info",
    "peer_info",
    "target_resolved",
    "answer_ttl",
    "one_way_valid",
    "comparison_verdict",
)

_Numbers = NDArray[np.float64]


def make(directory: Path, data: Path, promtool: Path, *, begin_s: int, end_s: int) -> None:
    """Have ``promtool`` write the blocks of this time into ``data``; ``directory`` has the text of one at a time."""
    text = directory / "samples"
    edges = [begin_s, *range(begin_s // BLOCK_S * BLOCK_S + BLOCK_S, end_s, BLOCK_S), end_s]
    for begin, end in pairwise(edges):
        with text.open("w", encoding="utf-8") as file:
            file.writelines(samples(begin, end))
            file.write("# EOF\n")
        blocks = ["tsdb", "create-blocks-from", f"--max-block-duration={BLOCK_S // 3600}h", "openmetrics", "--quiet"]
        subprocess.run([promtool, *blocks, text, data], check=True, capture_output=True)
    text.unlink()


def samples(begin_s: int, end_s: int) -> Iterator[str]:
    """Yield the lines of all series from one time up to another, without the end that OpenMetrics asks for."""
    for number, (agent, target, path) in enumerate(product(AGENTS, TARGETS, PATHS)):
        stream = f'agent="{agent}",probe="{PROBE}",kind="{PROBE}",target="{target}",path="{path}"'
        rng = np.random.default_rng((begin_s, number))
        asked = (agent, target) == (AGENTS[0], TARGETS[0])
        recorded = np.arange(begin_s, end_s, _RECORD_S if asked else _SPARSE_S)
        yield from _records(stream, recorded, rng)
        yield from _scraped(stream, np.arange(begin_s, end_s, _SCRAPE_S if asked else _SPARSE_S), rng)
    for agent, record in product(AGENTS, (record for record in _RECORDS if record.startswith("agent:"))):
        yield _lines(f'{record}{{agent="{agent}"}}', recorded, np.zeros(len(recorded)))
    evaluated = np.arange(begin_s, end_s, _RECORD_S)
    yield _lines("eragent:availability:objective", evaluated, np.full(len(evaluated), 0.999))


def _records(stream: str, all_times: NDArray[np.int64], rng: np.random.Generator) -> Iterator[str]:
    """Yield the records of a stream whose delays follow the day, with a tail that never rests."""
    all_base_s = 0.010 + 0.002 * np.sin(all_times / 86400 * 2 * np.pi) ** 2
    all_tail_s = 0.0008 * (1 + rng.exponential(0.5, len(all_times)))
    for record, every in _RECORDS.items():
        times, base_s, tail_s = all_times[::every], all_base_s[::every], all_tail_s[::every]
        if record.startswith(_BUCKETS):
            yield from _buckets(record, stream, times, base_s, tail_s, rng)
        elif record == _BY_HOUR:
            yield from _by_hour(stream, times, base_s + 4.6 * tail_s)
        elif record.startswith("stream:"):
            yield _lines(f"{record}{{{stream}}}", times, _figure(record, base_s, tail_s, rng))
        elif record.startswith("path:"):
            yield _lines(f"{record}{{{stream}}}", times, np.full(len(times), 0.9))


def _figure(record: str, base_s: _Numbers, tail_s: _Numbers, rng: np.random.Generator) -> _Numbers:
    what = record.rpartition(":")[2]
    if what == "bool":
        return (rng.random(len(base_s)) > 0.002).astype(float)
    if what.startswith(("ratio", "kernel_ratio")):
        return rng.binomial(600, 0.0005, len(base_s)) / 600
    if what.startswith("spread"):
        return 3.9 * tail_s
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999, "mean": 0.63}
    quantile: _Numbers = base_s - np.log(1 - shares[what.partition("_")[0]]) * tail_s
    return quantile


def _buckets(
    record: str, stream: str, times: NDArray[np.int64], base_s: _Numbers, tail_s: _Numbers, rng: np.random.Generator
) -> Iterator[str]:
    """Yield the rate of packets up to each bound: of a minute's packets so many as chance has it."""
    packets = 60 * _PER_SECOND
    written = [repr(count / packets * _PER_SECOND) for count in range(packets + 1)]
    below = np.zeros(len(times), dtype=np.int64)
    for bound_ns in (*RTT_BOUNDS_NS, None):
        share = 1.0 if bound_ns is None else -np.expm1(-np.maximum(bound_ns / 1e9 - base_s, 0) / tail_s)
        below = np.maximum(below, rng.binomial(packets, share, len(times)))
        bound = "+Inf" if bound_ns is None else repr(bound_ns / 1e9)
        yield _texts(f'{record}{{{stream},le="{bound}"}}', times, [written[count] for count in below.tolist()])


def _by_hour(stream: str, times: NDArray[np.int64], p99_s: _Numbers) -> Iterator[str]:
    """Yield a series for each hour of the week, that has samples in that hour alone, one a minute."""
    hours = times // 3600
    for hour in np.unique(hours).tolist():
        chosen = np.flatnonzero(hours == hour)
        labels = f'hour="{hour % 24:02d}",weekday="{(hour // 24 + 4) % 7}"'  # the epoch began on a Thursday
        yield _lines(f"{_BY_HOUR}{{{stream},{labels}}}", times[chosen], p99_s[chosen])


def _scraped(stream: str, times: NDArray[np.int64], rng: np.random.Generator) -> Iterator[str]:
    """Yield what dashboards read as it was scraped: counters that grow, and gauges."""
    for counter in _COUNTERS:
        share = 1.0 if counter in ("sent", "received") else 0.0005
        yield _lines(f"eragent_packets_{counter}_total{{{stream}}}", times, _growing(times, share))
    for direction in _DIRECTIONS:
        directed = f'{stream},direction="{direction}"'
        yield _lines(f"eragent_packets_lost_direction_total{{{directed}}}", times, _growing(times, 0.0002))
    for direction in (*_DIRECTIONS, "round_trip"):
        jitter_s = rng.exponential(0.0003, len(times))
        yield _lines(f'eragent_jitter_seconds{{{stream},direction="{direction}"}}', times, jitter_s)
    pair = f'baseline="{PATHS[0]}",candidate="{PATHS[1]}",verdict="better"'
    for state in _STATES:
        labels = f"{stream},{pair}" if state == "comparison_verdict" else stream
        yield _lines(f"eragent_{state}{{{labels}}}", times, np.ones(len(times)))


def _growing(times: NDArray[np.int64], share: float) -> _Numbers:
    grown: _Numbers = np.floor(times * _PER_SECOND * share)
    return grown


def _lines(head: str, times: NDArray[np.int64], values: _Numbers) -> str:
    return _texts(head, times, map(repr, values.tolist()))


def _texts(head: str, times: NDArray[np.int64], values: Iterable[str]) -> str:
    seconds: Sequence[int] = times.tolist()
    return "".join([f"{head} {value} {time}\n" for value, time in zip(values, seconds, strict=True)])
