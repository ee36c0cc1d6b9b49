"""Measures what the wrapper of iperf3 costs beside bare iperf3, how soon it ends a test, and what it leaves behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.figure import Figure, NotRun
from benchmarks.processes import ERAGENT, output_of, running
from benchmarks.wire import Wire, routed, veth

ROUNDS = 5
SECONDS = 2
CANCELLED = 20
SHORT = 200
_PORT, _GUARDED_PORT = 15201, 15202
_LEAST_SHARE = 0.98
_CANCELLED_MS = 100
_LATENESS_MS = 2
_SHAPED = (("1 Gbit/s", "1gbit", "256k"), ("300 Mbit/s", "300mbit", "128k"))


def run() -> Iterator[Figure]:
    """Test in turns, so that the host's moods hit all alike; on a wire that nothing limits, then on shaped ones."""
    with veth() as wire, _servers(wire):
        yield from _beside(wire, "unshaped")
        yield from _guarded(wire)
        yield from _ended(wire)
    for name, rate, burst in _SHAPED:
        with routed() as wire, _servers(wire):
            _shape(wire, rate, burst)
            yield from _beside(wire, name)
            yield from _lateness(wire, name)


@contextmanager
def _servers(wire: Wire) -> Iterator[None]:
    """Have a bare server and one that hears allowed peers alone at the far end."""
    bare = [*wire.far, "iperf3", "--server", "--port", str(_PORT), "--forceflush"]
    allow = [word for source in wire.sources for word in ("--allow", source)]
    reflect = ["reflect", "--listen", f"{wire.target}:8862", *allow, "--iperf3", f"{wire.target}:{_GUARDED_PORT}"]
    with running(bare), running([*wire.far, ERAGENT, *reflect], ready="iperf3's server listens"):
        yield


def _shape(wire: Wire, rate: str, burst: str) -> None:
    """Put a shaper into the router: on the sender's own interface it would queue nothing (TCP small queues)."""
    assert wire.router is not None
    shaper = ["tc", "qdisc", "add", "dev", "far1", "root", "tbf", "rate", rate, "burst", burst, "latency", "50ms"]
    said = output_of([*wire.router, "sh", "-c", f"{' '.join(shaper)} 2>&1 && echo done"], seconds=5)
    if said != b"done\n":
        raise NotRun(f"{' '.join(shaper)}: {said.decode(errors='replace')}")


def _beside(wire: Wire, name: str) -> Iterator[Figure]:
    pairs = [(_wrapped(wire, _PORT), _bare(wire, _PORT)) for _ in range(ROUNDS)]
    yield from _shares(pairs, f"{name}: eragent, times bare iperf3", at_least=_LEAST_SHARE)
    yield Figure(name=f"{name}: bare iperf3", value=median(bare for _, bare in pairs) / 1e6, unit="Mbit/s")


def _guarded(wire: Wire) -> Iterator[Figure]:
    pairs = [(_bare(wire, _GUARDED_PORT), _bare(wire, _PORT)) for _ in range(ROUNDS)]
    yield from _shares(pairs, "unshaped: server for allowed peers, times a bare one", at_least=None)


def _shares(pairs: Sequence[tuple[float, float]], name: str, *, at_least: float | None) -> Iterator[Figure]:
    """Compare round by round: what else runs on the host changes from one to the next."""
    yield Figure(name=name, value=median(one / other for one, other in pairs), at_least=at_least)


def _wrapped(wire: Wire, port: int) -> float:
    found = _client(wire, "test", port, SECONDS)
    if found["trouble"] is not None:
        raise NotRun(found["trouble"])
    return float(found["bits_per_second"])


def _bare(wire: Wire, port: int) -> float:
    command = ["iperf3", "--client", wire.target, "--port", str(port), "--json", "--time", str(SECONDS)]
    found = json.loads(output_of([*wire.near, *command], seconds=SECONDS + 20))
    if "error" in found:
        raise NotRun(f"iperf3: {found['error']}")
    return float(found["end"]["sum_received"]["bits_per_second"])


def _ended(wire: Wire) -> Iterator[Figure]:
    slowest_s = max(_client(wire, "cancel", _PORT, CANCELLED)["seconds"])
    yield Figure(name=f"slowest of {CANCELLED} cancelled", value=slowest_s * 1e3, unit="ms", at_most=_CANCELLED_MS)
    left = _client(wire, "many", _PORT, SHORT)
    for what in ("descriptors", "processes"):
        yield Figure(name=f"{what} left behind by {SHORT} tests", value=left[what], at_most=0)


def _lateness(wire: Wire, name: str) -> Iterator[Figure]:
    """Probe while a test fills the wire, both ends of it on this host's processors, and without one."""
    without_ms = _send_lateness_ms(wire)
    filling = [*wire.near, "iperf3", "--client", wire.target, "--port", str(_PORT), "--time", str(SECONDS + 10)]
    with running(filling):
        with_ms = _send_lateness_ms(wire)
    figure = f"{name}: send lateness of a probe, p99"
    yield Figure(name=f"{figure}, during a test", value=with_ms, unit="ms", at_most=_LATENESS_MS)
    yield Figure(name=f"{figure}, without", value=without_ms, unit="ms")


def _send_lateness_ms(wire: Wire) -> float:
    probe = ["probe", "--target", wire.target, "--type", "icmp", "--interval", "10ms", "--duration", f"{SECONDS}s"]
    (stream,) = json.loads(output_of([*wire.near, ERAGENT, *probe, "--json"], seconds=SECONDS + 20))["streams"]
    return float(stream["send_lateness_ns"]["p99"]) / 1e6


def _client(wire: Wire, what: str, port: int, number: int) -> dict[str, Any]:
    client = [sys.executable, "-m", "benchmarks.throughput_client", what, wire.target, str(port), str(number)]
    return dict(json.loads(output_of([*wire.near, *client], seconds=60)))
