"""What a history's sink makes of streams that come and go."""

from __future__ import annotations

from dataclasses import replace

from agent.history.counts import HistoryCounts
from agent.history.sink import HistorySink
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
    """A sink, and where the slots of what it queues begin."""

    def __init__(self) -> None:
        self.now_s = 1000
        self.sink = HistorySink(HistoryCounts(), [PROBE], wall_ns=lambda: self.now_s * S)

    def first_slot(self, path: str) -> int:
        """Open a stream, have it settle a packet, and return the slot that its slots count from."""
        take = self.sink.opened(key(path))
        take([Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.LOST)])
        queued = self.sink.queue[-1]
        assert isinstance(queued, tuple)
        return queued[0].first_slot


def key(path: str) -> StreamKey:
    return StreamKey(probe="ping", kind="icmp", target="hub", path=path)


def test_a_path_that_comes_later_shares_the_slots_of_those_that_go_on() -> None:
    history = History()
    assert history.first_slot("expressroute") == 1000
    history.now_s = 2000
    assert history.first_slot("vpn") == 1000
    history.sink.closed(key("vpn"))
    history.now_s = 3000
    assert history.first_slot("vpn") == 1000


def test_slots_begin_anew_when_all_paths_do() -> None:
    history = History()
    for path in ("expressroute", "vpn"):
        history.first_slot(path)
    for path in ("expressroute", "vpn"):
        history.sink.closed(key(path))
    history.now_s = 2000
    assert [history.first_slot(path) for path in ("vpn", "expressroute")] == [2000, 2000]


def test_an_interval_that_changes_is_learned() -> None:
    history = History()
    history.sink.planned([replace(PROBE, interval_ns=S // 10)])
    assert history.first_slot("vpn") == 10_000
