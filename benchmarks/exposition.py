"""Measures how long the text of metrics takes, beside the library's own encoder, and how late slots are meanwhile."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry, generate_latest

from agent.metrics import Metrics
from agent.plan import Plan, SocketAddress
from agent.rendering import Rendering
from agent.report.figures import Figures
from agent.schedule import Slots, Tick, Ticker
from agent.scrape import Form, render
from agent.sink import StreamKey
from benchmarks.figure import Figure
from collectors.sample import Outcome, Sample, TimestampSource

_RUNS = 5
_SLOT_NS = 5_000_000
_SECONDS = 3
_ASKED_MS = {100: 5, 1000: 50}
_ASKED_LATENESS_MS = 2


def run() -> Iterator[Figure]:
    """Measure the best of some runs of both encoders on the same registry, then a schedule beside ceaseless scrapes."""
    for kind in ("icmp", "stamp"):
        for count, asked_ms in _ASKED_MS.items():
            yield from _beside_the_library(_registry(kind, count), f"{kind}, {count} streams", asked_ms)
    yield from _lateness(_registry("stamp", 1000))


def _beside_the_library(registry: CollectorRegistry, label: str, asked_ms: float) -> Iterator[Figure]:
    ours_s, longest_s, octets, lines = min(_rendered(registry) for _ in range(_RUNS))
    default_s = min(_timed(lambda: generate_latest(registry)) for _ in range(2))
    yield Figure(name=f"{label}: text of metrics", value=ours_s * 1e3, unit="ms", at_most=asked_ms)
    yield Figure(name=f"{label}: the same by prometheus-client", value=default_s * 1e3, unit="ms")
    yield Figure(name=f"{label}: times as fast", value=default_s / ours_s)
    yield Figure(name=f"{label}: a line", value=ours_s * 1e6 / lines, unit="µs")
    yield Figure(name=f"{label}: size", value=octets / 1e6, unit="MB")
    yield Figure(name=f"{label}: longest step", value=longest_s * 1e3, unit="ms", at_most=_ASKED_LATENESS_MS)


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
    began = before = time.perf_counter()
    rendering = Rendering(registry.collect(), openmetrics=False)
    longest_s = 0.0
    for _ in rendering.steps():
        now = time.perf_counter()
        longest_s, before = max(longest_s, now - before), now
    pieces = list(rendering.pieces())
    took_s = time.perf_counter() - began
    return took_s, longest_s, sum(map(len, pieces)), sum(piece.count(b"\n") for piece in pieces)


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _lateness(registry: CollectorRegistry) -> Iterator[Figure]:
    """Compare how late slots are on a loop that only waits, one that renders all the time, and one that packs too."""
    loads: dict[str, Form | None] = {
        "idle": None,
        "beside scrapes of 1000 streams": Form(),
        "beside packed scrapes of 1000 streams": Form(packed=True),
    }
    for name, form in loads.items():
        late_ns = sorted(uvloop.run(_late(registry, form)))
        yield Figure(name=f"slot late at p99, {name}", value=late_ns[len(late_ns) * 99 // 100] / 1e6, unit="ms")
        yield Figure(name=f"slot late at most, {name}", value=late_ns[-1] / 1e6, unit="ms", at_most=_ASKED_LATENESS_MS)


async def _late(registry: CollectorRegistry, form: Form | None) -> list[int]:
    late_ns: list[int] = []
    gc.freeze()  # as the service does

    def on_tick(tick: Tick) -> None:
        late_ns.append(tick.lag_ns)

    ticker = Ticker(
        asyncio.get_running_loop(), Slots(start_ns=time.monotonic_ns() + _SLOT_NS, interval_ns=_SLOT_NS), on_tick
    )
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        if form is None:
            await asyncio.sleep(_SECONDS)
        else:
            await render(registry.collect(), form)
    ticker.close()
    return late_ns
