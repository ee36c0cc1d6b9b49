from __future__ import annotations

from agent.report.figures import Figures
from agent.sink import FanOut, StreamKey
from collectors.sample import Outcome, Sample

KEY = StreamKey(probe="ping", kind="icmp", target="hub", path="vpn")


def test_all_sinks_learn_of_everything() -> None:
    sinks = (Figures(), Figures())
    together = FanOut(*sinks)
    together.opened(KEY)([Sample(slot=0, sequence=0, sent_at_ns=0, outcome=Outcome.LOST)])
    together.slots_missed("ping", "hub", 3)
    together.lagged(7)
    together.suspended(9)
    together.resolved(KEY, "10.1.0.4")
    for sink in sinks:
        assert sink.streams[KEY].counts.lost == 1
        assert sink.streams[KEY].address == "10.1.0.4"
        assert sink.missed["ping", "hub"] == 3
        assert (sink.host.longest_lag_ns, sink.host.suspended_ns) == (7, 9)
