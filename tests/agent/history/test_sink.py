"""What a history's sink makes of streams that come and go."""

from __future__ import annotations

from dataclasses import replace

from agent.history.counts import HistoryCounts
from agent.history.sink import HOPS, HistorySink, Measured, OpenedStream
from agent.plan import Probe
from agent.sink import StreamKey
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target
from collectors.sample import Outcome, Sample

S = 1_000_000_000
PROBE = Probe(
    name="ping",
    options=IcmpOptions(),
    interval_ns=S,
    timeout_ns=S,
    targets=(Target(name="hub", host="10.1.0.4"),),
    paths=(NetworkPath(name="expressroute"), NetworkPath(name="vpn")),
)


class History:
    """A sink, and the streams of what it queues."""

    def __init__(self) -> None:
        self.sink = HistorySink(HistoryCounts(), [PROBE])

    def stream(self, path: str) -> OpenedStream:
        """Open a stream, have it settle a packet, and return what was queued with that."""
        take = self.sink.opened(key(path))
        take([Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.LOST)])
        queued = self.sink.queue[-1]
        assert isinstance(queued, tuple)
        return queued[0]


def key(path: str) -> StreamKey:
    return StreamKey(probe="ping", kind="icmp", target="hub", path=path)


def test_a_path_that_comes_later_shares_the_slots_of_those_that_go_on() -> None:
    history = History()
    slots = history.stream("expressroute").slots
    assert history.stream("vpn").slots is slots
    history.sink.closed(key("vpn"))
    assert history.stream("vpn").slots is slots


def test_slots_begin_anew_when_all_paths_do() -> None:
    history = History()
    before = [history.stream(path).slots for path in ("expressroute", "vpn")]
    for path in ("expressroute", "vpn"):
        history.sink.closed(key(path))
    after = [history.stream(path).slots for path in ("vpn", "expressroute")]
    assert before[0] is before[1]
    assert after[0] is after[1]
    assert before[0] is not after[0]


def test_an_interval_that_changes_is_learned() -> None:
    history = History()
    history.sink.planned([replace(PROBE, interval_ns=S // 10)])
    assert history.stream("vpn").interval_ns == S // 10


def test_a_ttl_of_answers_that_stays_is_told_with_the_one_before() -> None:
    history = History()
    take = history.sink.opened(key("vpn"))
    for slot in range(30):
        ttl = None if slot < 5 else 62 if slot < 15 else 61
        take([Sample(slot=slot, sequence=slot, sent_at_ns=slot * S, outcome=Outcome.ANSWERED, ttl=ttl)])
    told = [
        (found.at_ns, found.kind, found.path, found.data) for found in history.sink.queue if isinstance(found, Measured)
    ]
    assert told == [
        (5 * S, HOPS, "vpn", {"probe": "ping", "kind": "icmp", "answer_ttl": 62, "before": None}),
        (15 * S, HOPS, "vpn", {"probe": "ping", "kind": "icmp", "answer_ttl": 61, "before": 62}),
    ]
