"""Measures what the authenticated mode adds to the CPU time of a packet, at the reflector and at the sender."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile

from benchmarks.figure import Figure, NotRun
from benchmarks.processes import ERAGENT, cores, cpu_seconds, hogs, pinned, printed_by, running
from benchmarks.servers import HOST, Server, ask, reflector

ROUNDS = 3
SECONDS = 2
REPLIES_PER_SECOND = 20_000
PROBE_ROUNDS = 4
PROBE_SECONDS = 5
_INTERVAL_MS = 1
_BURST = 8  # in larger ones a batch would spread the cost of waking up over many packets
_SETTLE_S = 2
_LEAST_ANSWERED = 0.9  # with fewer, the host was busy with something else
_AT_MOST_US = 10


def run() -> Iterator[Figure]:
    """Compare with and without a key: the reflector in turn at the same load, two probes at the same time."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "key"
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32), encoding="ascii")
        key = ("--key-file", str(file))
        with reflector() as plain, reflector(*key) as authenticated:
            yield from _reflector(plain, authenticated, key)
            yield from _sender(plain, authenticated, key)


def _reflector(plain: Server, authenticated: Server, key: Sequence[str]) -> Iterator[Figure]:
    without, with_key = [], []
    for _ in range(ROUNDS):
        without.append(_answered(plain, "stamp"))
        with_key.append(_answered(authenticated, "authenticated", key))
    yield from _figures("reflector", "a reply", without, with_key)


def _answered(server: Server, protocol: str, options: Sequence[str] = ()) -> float:
    """Return the server's CPU time of a reply, µs, at a load that it can easily take."""
    burst = ["--burst", str(_BURST)]
    answered = ask(server, protocol, seconds=SECONDS, rate=REPLIES_PER_SECOND, options=[*burst, *options])
    if answered.load.replies < _LEAST_ANSWERED * answered.load.sent:
        raise NotRun(f"{answered.load.replies} of {answered.load.sent} requests were answered ({protocol})")
    return answered.cpu_us


def _sender(plain: Server, authenticated: Server, key: Sequence[str]) -> Iterator[Figure]:
    """Probe both reflectors at once from the same core, so that what disturbs the one disturbs the other.

    The first of two that are started finds the processor colder; so they take turns.
    """
    costs: tuple[list[float], list[float]] = ([], [])
    probes = (_probe(plain), [*_probe(authenticated), *key])
    with hogs(seconds=PROBE_ROUNDS * (PROBE_SECONDS + 10), yielding=True):
        for number in range(PROBE_ROUNDS):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            for which, cost_us in zip(order, _costs([probes[which] for which in order]), strict=True):
                costs[which].append(cost_us)
    yield from _figures("sender", "a packet", *costs)


def _costs(commands: Sequence[Sequence[str]]) -> list[float]:
    """Return the CPU time of a packet, µs, of probes that run at the same time, without their start."""
    with ExitStack() as started:
        probes = []
        for command in commands:
            printed = started.enter_context(TemporaryFile())
            probes.append((started.enter_context(running(pinned(cores()[0], command), stdout=printed)), printed))
        time.sleep(_SETTLE_S)
        began, before = time.monotonic(), [cpu_seconds(process.pid) for process, _ in probes]
        time.sleep(PROBE_SECONDS)
        share = (time.monotonic() - began) / (PROBE_SECONDS + 2 * _SETTLE_S)
        spent = [cpu_seconds(process.pid) - cpu_s for (process, _), cpu_s in zip(probes, before, strict=True)]
        streams = [json.loads(printed_by(process, printed, seconds=30))["streams"][0] for process, printed in probes]
    if any(stream["received"] < _LEAST_ANSWERED * max(stream["sent"], 1) for stream in streams):
        raise NotRun("a probe lost packets over the loopback: the cost of lost ones is another")
    return [cpu_s * 1e6 / (stream["sent"] * share) for cpu_s, stream in zip(spent, streams, strict=True)]


def _probe(server: Server) -> list[str]:
    far = ["--target", HOST, "--type", "stamp", "--port", str(server.port)]
    bound = ["--interval", f"{_INTERVAL_MS}ms", "--duration", f"{PROBE_SECONDS + 2 * _SETTLE_S}s", "--json"]
    return [ERAGENT, "probe", *far, *bound]


def _figures(label: str, unit: str, without: Sequence[float], with_key: Sequence[float]) -> Iterator[Figure]:
    """Show both costs, µs, and the median of the differences within each round."""
    added = median(keyed - plain for plain, keyed in zip(without, with_key, strict=True))
    yield Figure(name=f"{label}: CPU of {unit}", value=median(without), unit="µs")
    yield Figure(name=f"{label}, authenticated: CPU of {unit}", value=median(with_key), unit="µs")
    yield Figure(name=f"{label}, authenticated: CPU of {unit} more", value=added, unit="µs", at_most=_AT_MOST_US)
