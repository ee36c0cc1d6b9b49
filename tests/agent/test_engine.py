"""Probes through the whole engine, over loopback, to a real reflector."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from itertools import chain, repeat

import pytest

from agent.engine import Bound, Engine
from agent.host import Suspensions
from agent.plan import Probe
from agent.reload import probe_changes
from agent.sink import StreamKey
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target
from collectors.sample import Outcome, Sample, TimestampSource
from collectors.session import Deliver, SessionEvent
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions
from tests.collectors.http.servers import answering, response, serving

MS = 1_000_000
TWO_PATHS = (
    NetworkPath(name="expressroute", source=ip_address("127.0.0.1")),
    NetworkPath(name="vpn", source=ip_address("127.0.0.2")),
)
HERE = Target(name="here", host="127.0.0.1")


class Recorder:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.five_on_the_vpn = asyncio.Event()
        self.news = asyncio.Event()
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        self.order: list[tuple[int, str]] = []
        self.closed_keys: list[StreamKey] = []
        self.missed = 0
        self.lags_ns: list[int] = []
        self.suspensions_ns: list[int] = []
        self.addresses: dict[str, str | None] = {}

    def opened(self, key: StreamKey) -> Deliver:
        self.samples[key.path] = []
        return lambda events: self.happened(key, events)

    def happened(self, key: StreamKey, events: Sequence[SessionEvent]) -> None:
        self.samples[key.path] += [event for event in events if isinstance(event, Sample)]
        self.news.set()
        if len(self.samples["vpn"]) >= 5:
            self.five_on_the_vpn.set()

    def closed(self, key: StreamKey) -> None:
        self.closed_keys.append(key)

    def slots_missed(self, probe: str, target: str, count: int) -> None:
        self.missed += count

    def lagged(self, lag_ns: int) -> None:
        self.lags_ns.append(lag_ns)

    def suspended(self, duration_ns: int) -> None:
        self.suspensions_ns.append(duration_ns)

    def resolved(self, key: StreamKey, address: str | None) -> None:
        self.addresses[key.path] = address

    def outcomes(self, path: str) -> Counter[Outcome]:
        return Counter(sample.outcome for sample in self.samples[path])


def stamp_probe(
    port: int, *, paths: tuple[NetworkPath, ...] = TWO_PATHS, target: Target = HERE, interval_ns: int = 5 * MS
) -> Probe:
    return Probe(
        name="stamp",
        options=StampOptions(port=port, size=128),
        interval_ns=interval_ns,
        timeout_ns=500 * MS,
        targets=(target,),
        paths=paths,
    )


async def test_all_paths_are_probed_in_the_same_slots_with_kernel_times(reflector_port: int) -> None:
    sink = Recorder()
    await Engine((stamp_probe(reflector_port),), sink).run(Bound(packets=50))
    for path in ("expressroute", "vpn"):
        assert sink.outcomes(path) == {Outcome.ANSWERED: 50}
        # The kernel begins to stamp what arrives up to a millisecond after it was first asked to.
        assert all(sample.timestamps is TimestampSource.KERNEL for sample in sink.samples[path][1:])
        assert all(sample.residence_ns for sample in sink.samples[path])
    slots = [[sample.slot for sample in sink.samples[path]] for path in ("expressroute", "vpn")]
    assert slots[0] == slots[1]


async def test_the_order_within_a_slot_is_random(reflector_port: int) -> None:
    sink = Recorder()
    await Engine((stamp_probe(reflector_port),), sink, rng=random.Random(1)).run(Bound(packets=40))
    pairs = zip(sink.samples["expressroute"], sink.samples["vpn"], strict=True)
    first = Counter("expressroute" if er.sent_at_ns < vpn.sent_at_ns else "vpn" for er, vpn in pairs)
    assert min(first["expressroute"], first["vpn"]) >= 8  # 20 expected of each; fewer than 8 in 1 of 20,000 seeds


async def test_a_run_is_bounded_by_its_duration(reflector_port: int) -> None:
    sink = Recorder()
    await Engine((stamp_probe(reflector_port),), sink).run(Bound(duration_ns=100 * MS))
    assert len(sink.samples["vpn"]) + sink.missed == 20


@contextmanager
def silence(port: int = 0) -> Iterator[int]:
    """Take packets at 127.0.0.200 and answer none: to a closed port they would fail at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.200", port))
        yield sock.getsockname()[1]


async def test_the_engine_waits_for_what_is_on_its_way(reflector_port: int) -> None:
    sink = Recorder()
    nobody = Target(name="nobody", host="127.0.0.1", hosts={"vpn": "127.0.0.200"})
    with silence(reflector_port):
        await Engine((stamp_probe(reflector_port, target=nobody),), sink).run(Bound(packets=3))
    assert sink.outcomes("expressroute") == {Outcome.ANSWERED: 3}
    assert sink.outcomes("vpn") == {Outcome.LOST: 3}


async def test_one_bad_name_stops_no_other_path(reflector_port: int) -> None:
    sink = Recorder()
    target = Target(name="t", host="127.0.0.1", hosts={"vpn": "no-such-host.invalid"})
    engine = Engine((stamp_probe(reflector_port, target=target),), sink)
    await engine.run(Bound(packets=3))
    assert sink.outcomes("expressroute") == {Outcome.ANSWERED: 3}
    assert sink.outcomes("vpn") == {Outcome.NOT_SENT: 3}
    assert sink.addresses == {"expressroute": "127.0.0.1", "vpn": None}
    assert [key.path for key in engine.troubles] == ["vpn"]
    assert "no-such-host.invalid does not resolve" in str(*engine.troubles.values())


async def test_a_name_is_resolved_for_the_family_of_the_paths_source(reflector_port: int) -> None:
    sink = Recorder()
    target = Target(name="t", host="127.1")  # no literal to Python, but a name that every system resolves
    await Engine((stamp_probe(reflector_port, target=target),), sink).run(Bound(packets=1))
    assert sink.addresses == {"expressroute": "127.0.0.1", "vpn": "127.0.0.1"}


async def test_without_a_bound_the_engine_runs_until_it_is_cancelled(reflector_port: int) -> None:
    sink = Recorder()
    engine = Engine((stamp_probe(reflector_port),), sink)
    running = asyncio.create_task(engine.run())
    await asyncio.wait_for(sink.five_on_the_vpn.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sink.outcomes("vpn").keys() == {Outcome.ANSWERED}


async def test_each_slot_that_was_used_tells_how_late_the_loop_came_to_it(reflector_port: int) -> None:
    sink = Recorder()
    await Engine((stamp_probe(reflector_port),), sink).run(Bound(packets=10))
    assert len(sink.lags_ns) == 10
    assert min(sink.lags_ns) >= 0
    assert sink.suspensions_ns == []


class Stalling(Bound):
    """Takes far too long, once: when the third packet was sent."""

    def reached(self, packets: int, elapsed_ns: int) -> bool:
        if packets == 3:
            time.sleep(0.05)
        return super().reached(packets, elapsed_ns)


async def test_a_stall_of_the_loop_shows_in_its_lag_and_makes_noisy_what_was_on_its_way() -> None:
    sink = Recorder()
    nobody = Target(name="nobody", host="127.0.0.200")
    with silence() as port:
        await Engine((stamp_probe(port, target=nobody),), sink).run(Stalling(packets=5))
    assert max(sink.lags_ns) > 40 * MS
    assert all(sample.noisy for sample in sink.samples["vpn"][:3])


async def test_a_suspension_of_the_host_is_told_once_and_what_was_on_its_way_is_noisy() -> None:
    sink = Recorder()
    minute_ns = 60_000 * MS
    readings = chain([0, 0, 0], repeat(minute_ns))
    nobody = Target(name="nobody", host="127.0.0.200")
    with silence() as port:
        probe = stamp_probe(port, paths=(NetworkPath(name="vpn"),), target=nobody, interval_ns=20 * MS)
        engine = Engine((probe, replace(probe, name="other")), sink, suspensions=Suspensions(lambda: next(readings)))
        await engine.run(Bound(packets=4))
    assert sink.suspensions_ns == [minute_ns]
    assert sum(sample.noisy for sample in sink.samples["vpn"]) >= 2  # the first packet of each probe


async def test_without_probes_there_is_nothing_to_wait_for() -> None:
    await asyncio.wait_for(Engine((), Recorder()).run(Bound(packets=1)), 5)


class Changing:
    """An engine that runs without a bound, and whose probes can be changed."""

    def __init__(self, *probes: Probe, sink: Recorder) -> None:
        self.sink = sink
        self.engine = Engine(probes, sink)
        self._probes = probes
        self._running = asyncio.create_task(self.engine.run())

    async def change(self, *probes: Probe) -> None:
        await self.engine.change(probe_changes(self._probes, probes))
        self._probes = probes

    async def more_on(self, path: str, count: int = 10) -> None:
        """Wait until so many more samples are there."""
        least = len(self.sink.samples[path]) + count
        async with asyncio.timeout(10):
            while len(self.sink.samples[path]) < least:
                self.sink.news.clear()
                await self.sink.news.wait()

    async def ended(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        assert self._running.cancelled()


async def test_a_stream_goes_on_undisturbed_while_others_come_and_go(reflector_port: int) -> None:
    one, both = stamp_probe(reflector_port, paths=TWO_PATHS[:1]), stamp_probe(reflector_port)
    other = replace(both, name="other", paths=(NetworkPath(name="third"),))
    changing = Changing(one, sink=Recorder())
    await changing.more_on("expressroute")
    await changing.change(both, other)
    await changing.more_on("vpn")
    await changing.more_on("third")
    await changing.change(one)
    ended = len(changing.sink.samples["vpn"])
    await changing.more_on("expressroute")
    await changing.ended()
    found = changing.sink.samples["expressroute"]
    assert [sample.sequence for sample in found] == list(range(len(found)))
    assert {sample.outcome for sample in found} == {Outcome.ANSWERED}
    assert len(changing.sink.samples["vpn"]) == ended
    assert sorted(key.path for key in changing.sink.closed_keys) == ["third", "vpn"]


async def test_a_path_that_comes_later_is_probed_in_the_slots_of_those_there_are(reflector_port: int) -> None:
    changing = Changing(stamp_probe(reflector_port, paths=TWO_PATHS[:1]), sink=Recorder())
    await changing.more_on("expressroute")
    await changing.change(stamp_probe(reflector_port))
    await changing.more_on("vpn")
    await changing.more_on("expressroute", 30)  # answers of the two are read at different slots
    await changing.ended()
    slots = [[sample.slot for sample in changing.sink.samples[path]] for path in ("expressroute", "vpn")]
    assert {*slots[1][:10]} <= {*slots[0]}
    assert slots[1][0] >= 10


async def test_a_stream_that_changes_begins_anew(reflector_port: int) -> None:
    changing = Changing(stamp_probe(reflector_port), sink=Recorder())
    await changing.more_on("vpn")
    await changing.change(stamp_probe(reflector_port, interval_ns=10 * MS))
    await changing.more_on("vpn")
    await changing.ended()
    assert sorted(key.path for key in changing.sink.closed_keys) == ["expressroute", "vpn"]
    assert changing.sink.samples["vpn"][0].sequence == 0


async def test_a_stream_may_end_while_its_name_is_looked_up(reflector_port: int) -> None:
    named = stamp_probe(reflector_port, target=Target(name="t", host="127.1"))  # a name to Python, as above
    changing = Changing(stamp_probe(reflector_port), sink=Recorder())
    await changing.more_on("vpn")
    for _ in range(20):  # the address comes from a thread: at some time within these it is about to be told
        await changing.change(named)
        await asyncio.sleep(0.001)
        await changing.change()
        changing.sink.addresses.clear()
        await asyncio.sleep(0.002)
        assert changing.sink.addresses == {}
    await changing.change(named)
    await changing.more_on("vpn")
    await changing.ended()


async def test_an_engine_without_probes_waits_for_some(reflector_port: int) -> None:
    changing = Changing(sink=Recorder())
    await asyncio.sleep(0)
    await changing.change(stamp_probe(reflector_port))
    await changing.more_on("vpn")
    assert changing.engine.stalled() == []
    await changing.ended()


class SetClock:
    """A clock that shows what it was set to."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * MS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns


async def test_slots_that_nobody_uses_any_more_are_noticed() -> None:
    clock = SetClock()
    engine = Engine((stamp_probe(9, interval_ns=3_600_000 * MS),), Recorder(), clock=clock)
    running = asyncio.create_task(engine.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.now_ns += 3 * 3_600_000 * MS
    assert engine.stalled() == []
    clock.now_ns += 2 * 3_600_000 * MS
    assert engine.stalled() == [("stamp", "here")]
    running.cancel()
    await asyncio.wait([running])


class Broken(Recorder):
    """A sink with a bug."""

    def happened(self, key: StreamKey, events: Sequence[SessionEvent]) -> None:
        raise ZeroDivisionError


async def test_a_bug_ends_the_run(reflector_port: int) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(Engine((stamp_probe(reflector_port),), Broken()).run(), 5)
    assert caught.group_contains(ZeroDivisionError)


@pytest.mark.root
async def test_icmp_is_answered_on_both_families() -> None:
    for host in ("127.0.0.1", "::1"):
        sink = Recorder()
        probe = Probe(
            name="ping",
            options=IcmpOptions(),
            interval_ns=5 * MS,
            timeout_ns=500 * MS,
            targets=(Target(name="t", host=host),),
            paths=(NetworkPath(name="p"),),
        )
        await Engine((probe,), sink).run(Bound(packets=10))
        assert sink.outcomes("p") == {Outcome.ANSWERED: 10}


async def test_both_paths_connect_in_the_same_slots() -> None:
    sink = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = Probe(
            name="connect",
            options=TcpOptions(port=server.getsockname()[1]),
            interval_ns=5 * MS,
            timeout_ns=500 * MS,
            targets=(HERE,),
            paths=TWO_PATHS,
        )
        await Engine((probe,), sink).run(Bound(packets=20))
    for path in ("expressroute", "vpn"):
        assert sink.outcomes(path) == {Outcome.ANSWERED: 20}
        assert all(sample.handshake_ns for sample in sink.samples[path])
    slots = [[sample.slot for sample in sink.samples[path]] for path in ("expressroute", "vpn")]
    assert slots[0] == slots[1]


async def test_both_paths_ask_a_web_server_in_the_same_slots_and_a_name_that_goes_stops_no_other() -> None:
    sink = Recorder()
    async with serving(answering(response())) as port:
        probe = Probe(
            name="web",
            options=HttpOptions(url=Url.parse(f"http://portal.example:{port}/")),
            interval_ns=20 * MS,
            timeout_ns=2000 * MS,
            targets=(HERE,),
            paths=TWO_PATHS,
        )
        nowhere = Probe(
            name="nowhere",
            options=HttpOptions(url=Url.parse("http://nowhere.invalid/")),
            interval_ns=20 * MS,
            timeout_ns=2000 * MS,
            targets=(Target(name="nowhere", host="nowhere.invalid"),),
            paths=(NetworkPath(name="to nowhere"),),
        )
        await Engine((probe, nowhere), sink).run(Bound(packets=10))
    for path in ("expressroute", "vpn"):
        assert sink.outcomes(path) == {Outcome.ANSWERED: 10}
        assert all(sample.exchange and sample.exchange.status == 200 for sample in sink.samples[path])
    slots = [sorted(sample.slot for sample in sink.samples[path]) for path in ("expressroute", "vpn")]
    assert slots[0] == slots[1]
    assert {sample.reason for sample in sink.samples["to nowhere"]} == {"unresolved"}
