"""Measures what the text of metrics takes, beside the library's own encoder, and how long it holds the loop at most.

All in CPU time, which is the time that it takes on a core of its own: others on this machine do not change it much.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry, generate_latest

from agent.exposition.scrape import Form, render
from agent.metrics.rendering import Rendering
from agent.metrics.streams import Metrics
from agent.plan import Plan, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from benchmarks.figure import Figure
from collectors.sample import Outcome, Sample, TimestampSource

_RUNS = 20  # Python takes some to find its shortest ways
_SCRAPES = 10
_ASKED_MS = {100: 5, 1000: 50}
_ASKED_HOLD_MS = 2


def run() -> Iterator[Figure]:
    """Measure the best of some runs of both encoders on the same registry, then a loop that only answers scrapes."""
    for kind in ("icmp", "stamp"):
        for count, asked_ms in _ASKED_MS.items():
            yield from _beside_the_library(_registry(kind, count), f"{kind}, {count} streams", asked_ms)
    yield from _turns(_registry("stamp", 1000))


def _beside_the_library(registry: CollectorRegistry, label: str, asked_ms: float) -> Iterator[Figure]:
    ours_s, longest_s, octets, lines = min(_rendered(registry) for _ in range(_RUNS))
    default_s = min(_timed(lambda: generate_latest(registry)) for _ in range(2))
    yield Figure(name=f"{label}: text of metrics", value=ours_s * 1e3, unit="ms", at_most=asked_ms)
    yield Figure(name=f"{label}: the same by prometheus-client", value=default_s * 1e3, unit="ms")
    yield Figure(name=f"{label}: times as fast", value=default_s / ours_s)
    yield Figure(name=f"{label}: a line", value=ours_s * 1e6 / lines, unit="µs")
    yield Figure(name=f"{label}: size", value=octets / 1e6, unit="MB")
    yield Figure(name=f"{label}: longest step", value=longest_s * 1e3, unit="ms", at_most=_ASKED_HOLD_MS)


def _registry(kind: str, count: int) -> CollectorRegistry:
    """Return the metrics of streams that have measured for a while; those of STAMP also each direction and marks."""
    registry, figures = CollectorRegistry(), Figures(recent=1)
    answered = Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.ANSWERED, timestamps=TimestampSource.KERNEL)
    for number in range(count):
        path = ("expressroute", "vpn")[number % 2]
        take = figures.opened(StreamKey(probe=kind, kind=kind, target=f"azure-hub-{number // 2}", path=path))
        if kind == "stamp":
            answered = answered._replace(forward_ns=1, backward_ns=1, forward_tos=0, backward_tos=0)
        rtts_ns = range(9_000_000, 14_000_000, 100_000)
        take([answered._replace(slot=n, sequence=n, rtt_ns=rtt_ns) for n, rtt_ns in enumerate(rtts_ns)])
    Metrics(registry, Plan(agent="paris-dc1", listen=SocketAddress(host="127.0.0.1", port=9469)), figures)
    return registry


def _rendered(registry: CollectorRegistry) -> tuple[float, float, int, int]:
    """Return how long a rendering took, s, its longest step, s, its size in octets and its lines."""
    began = time.thread_time()
    rendering = Rendering(registry.collect(), openmetrics=False)
    before = time.thread_time()
    longest_s = before - began  # others have their turn behind this too
    for _ in rendering.steps():
        now = time.thread_time()
        longest_s, before = max(longest_s, now - before), now
    pieces = list(rendering.pieces())
    took_s = time.thread_time() - began
    return took_s, longest_s, sum(map(len, pieces)), sum(piece.count(b"\n") for piece in pieces)


def _timed(work: Callable[[], Any]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _turns(registry: CollectorRegistry) -> Iterator[Figure]:
    """Tell how long others on the loop wait for their turn while metrics are rendered, and while they are packed."""
    gc.freeze()  # as the service does
    for name, form in {"rendering": Form(), "rendering and packing": Form(packed=True)}.items():
        held_s = sorted(uvloop.run(_held(registry, form)))
        label = f"1000 streams, {name}: the loop is held"
        yield Figure(name=f"{label}, p99", value=held_s[len(held_s) * 99 // 100] * 1e3, unit="ms")
        yield Figure(name=f"{label}, longest", value=held_s[-1] * 1e3, unit="ms", at_most=_ASKED_HOLD_MS)


async def _held(registry: CollectorRegistry, form: Form) -> list[float]:
    """Return the CPU time between each two turns of a task beside scrapes, s."""

    async def scrape() -> None:
        for _ in range(_SCRAPES):
            pieces = [*await render(registry.collect(), form)]
            while pieces:  # as they are sent: to free 30 MB at once takes 3 ms
                pieces.pop()
                await asyncio.sleep(0)

    held_s = []
    scraping = asyncio.create_task(scrape())
    before = time.thread_time()
    while not scraping.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        held_s.append(now - before)
        before = now
    return held_s
