"""Measures what the text of metrics takes, beside the library's own encoder, and how long it holds the loop at most.

All in CPU time, which is the time that it takes on a core of its own: others on this machine do not change it much.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, cycle
from random import Random
from typing import Any, NamedTuple

import uvloop
from prometheus_client import CollectorRegistry, generate_latest

from agent.exposition.scrape import Form, render
from agent.metrics.rendering import Rendering
from agent.metrics.streams import Metrics
from agent.plan import Plan, SocketAddress
from agent.report.figures import Figures
from agent.service.garbage import left_alone, search_young
from agent.sink import StreamKey
from benchmarks.figure import Figure
from collectors.claim import OwnClaim
from collectors.clock import ClockState, SystemClock
from collectors.peer import ReflectorFacts
from collectors.sample import Outcome, Sample, TimestampSource

_RUNS = 60  # Python takes some to find its shortest ways
_SCRAPES = 20
_ASKED_MS = {100: 5, 1000: 50}
_ASKED_HOLD_MS = 2
_BEFORE, _BETWEEN = 300, 15  # packets of a stream before the first scrape, and from one to the next
_S, _MS, _US = 1_000_000_000, 1_000_000, 1_000
_KEPT = ClockState(synchronised=True, error_ns=0, max_error_ns=101 * _US, tai_offset_s=37)
_KEPT_TOO = ReflectorFacts(synchronised=True, error_ns=101 * _US, stateful=False, clock_source="ntp")


def run() -> Iterator[Figure]:
    """Measure the best of some runs of both encoders on the same registry, then a loop that only answers scrapes."""
    with left_alone():  # as the service does
        for kind in ("icmp", "stamp"):
            for count, asked_ms in _ASKED_MS.items():
                yield from _beside_the_library(_Probing(kind, count), f"{kind}, {count} streams", asked_ms)
        yield from _turns(_Probing("stamp", 1000))


class _Probing:
    """Streams that probe once a second, and the registry that shows what was counted of them."""

    def __init__(self, kind: str, count: int) -> None:
        self.registry = CollectorRegistry()
        self._is_stamp = kind == "stamp"
        self._random = Random(count)
        self._packets = 0
        figures = Figures(recent=1, own=OwnClaim(SystemClock(), clock_state=lambda: _KEPT))
        self._streams = [
            figures.opened(StreamKey(probe=kind, kind=kind, target=f"azure-hub-{number // 2}", path=path))
            for number, path in zip(range(count), cycle(("expressroute", "vpn")), strict=False)
        ]
        Metrics(self.registry, Plan(agent="paris-dc1", listen=SocketAddress(host="127.0.0.1", port=9469)), figures)
        if self._is_stamp:
            for deliver in self._streams:
                deliver([_KEPT_TOO])
        self.go_on(_BEFORE)

    def go_on(self, packets: int = _BETWEEN) -> None:
        """Take so many packets of each stream: nothing is quite as it was in the text before."""
        numbers = range(self._packets, self._packets + packets)
        for deliver in self._streams:
            deliver([self._packet(number) for number in numbers])
        self._packets += packets
        search_young()  # as the service does while packets come

    def _packet(self, number: int) -> Sample:
        """Return an answered packet; those of STAMP tell of both directions, whose clocks agree, and of their marks."""
        forward_ns, backward_ns = 5 * _MS + self._queued_ns(), 4 * _MS + self._queued_ns()
        sample = Sample(
            slot=number,
            sequence=number,
            sent_at_ns=number * _S,
            outcome=Outcome.ANSWERED,
            rtt_ns=forward_ns + backward_ns,
            timestamps=TimestampSource.KERNEL,
            lateness_ns=int(self._random.expovariate(1 / (100 * _US))),
            ttl=57,
        )
        if not self._is_stamp:
            return sample
        return sample._replace(
            forward_ns=forward_ns, backward_ns=backward_ns, forward_tos=0, backward_tos=0, reflector_stamped=True
        )

    def _queued_ns(self) -> int:
        """Return some hundred microseconds; of one packet in fifty, some ten milliseconds."""
        mean_ns = 10 * _MS if self._random.random() < 0.02 else 300 * _US
        return int(self._random.expovariate(1 / mean_ns))


def _beside_the_library(probing: _Probing, label: str, asked_ms: float) -> Iterator[Figure]:
    ours_s, longest_s = min(_rendered(probing) for _ in range(_RUNS))
    default_s = min(_timed(lambda: generate_latest(probing.registry)) for _ in range(2))
    octets, lines = _size(probing.registry)
    yield Figure(name=f"{label}: text of metrics", value=ours_s * 1e3, unit="ms", at_most=asked_ms)
    yield Figure(name=f"{label}: the same by prometheus-client", value=default_s * 1e3, unit="ms")
    yield Figure(name=f"{label}: times as fast", value=default_s / ours_s)
    yield Figure(name=f"{label}: a line", value=ours_s * 1e6 / lines, unit="µs")
    yield Figure(name=f"{label}: size", value=octets / 1e6, unit="MB")
    yield Figure(name=f"{label}: longest step", value=longest_s * 1e3, unit="ms", at_most=_ASKED_HOLD_MS)


def _rendered(probing: _Probing) -> tuple[float, float]:
    """Return how long it took to render what is counted now, and the longest step of it, s."""
    probing.go_on()
    began = before = time.thread_time()
    longest_s = 0.0
    rendering = Rendering(probing.registry.collect(), openmetrics=False)
    for _ in chain(rendering.steps(), rendering.pieces()):  # a piece is packed or sent, and then let go of
        now = time.thread_time()
        longest_s, before = max(longest_s, now - before), now
    return time.thread_time() - began, longest_s


def _size(registry: CollectorRegistry) -> tuple[int, int]:
    """Return the size of a text in octets and in lines."""
    rendering = Rendering(registry.collect(), openmetrics=False)
    sizes = [(len(piece), piece.count(b"\n")) for piece in chain(rendering.steps(), rendering.pieces()) if piece]
    return sum(octets for octets, _ in sizes), sum(lines for _, lines in sizes)


def _timed(work: Callable[[], Any]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _turns(probing: _Probing) -> Iterator[Figure]:
    """Tell how long others on the loop wait for their turn while metrics are rendered, and while they are packed."""
    for name, form in {"rendering": Form(), "rendering and packing": Form(packed=True)}.items():
        held = sorted(uvloop.run(_held(probing, form)))
        searching_s = max(turn.searching_s for turn in held)
        otherwise_s = max(turn.took_s - turn.searching_s for turn in held)
        label = f"1000 streams, {name}: the loop is held"
        yield Figure(name=f"{label}, p99", value=held[len(held) * 99 // 100].took_s * 1e3, unit="ms")
        yield Figure(name=f"{label}, longest", value=held[-1].took_s * 1e3, unit="ms", at_most=_ASKED_HOLD_MS)
        yield Figure(name=f"{label}, longest by the search for garbage", value=searching_s * 1e3, unit="ms")
        yield Figure(name=f"{label}, longest by all else", value=otherwise_s * 1e3, unit="ms")


class _Turn(NamedTuple):
    """How much CPU time a turn took, and of it Python's search for garbage."""

    took_s: float
    searching_s: float


class _Search:
    """The CPU time of all searches for garbage so far."""

    def __init__(self) -> None:
        self.total_s = 0.0

    def __call__(self, phase: str, _: Mapping[str, int]) -> None:
        self.total_s += time.thread_time() * (1 if phase == "stop" else -1)


async def _held(probing: _Probing, form: Form) -> list[_Turn]:
    """Return the turns of others between each two of a task beside scrapes."""

    async def scrape() -> None:
        pieces = [*await render(probing.registry.collect(), form)]
        while pieces:  # as they are sent: to free 30 MB at once takes 3 ms
            pieces.pop()
            await asyncio.sleep(0)

    turns, search = [], _Search()
    gc.callbacks.append(search)
    for _ in range(_SCRAPES):
        probing.go_on()
        scraping = asyncio.create_task(scrape())
        before_s, searched_s = time.thread_time(), search.total_s
        while not scraping.done():
            await asyncio.sleep(0)
            now_s = time.thread_time()
            turns.append(_Turn(now_s - before_s, search.total_s - searched_s))
            before_s, searched_s = now_s, search.total_s
    gc.callbacks.remove(search)
    return turns
