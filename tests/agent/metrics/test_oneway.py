"""What Prometheus sees of one-way delays: all of it from the start, delays only while they are valid."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from agent.metrics.streams import Metrics
from agent.plan import Plan, Probe, SocketAddress
from agent.report.figures import Figures
from agent.sink import StreamKey
from collectors.clock import ClockState
from collectors.icmp.sender import IcmpOptions
from collectors.oneway import Doubt
from collectors.path import NetworkPath, Target
from collectors.peer import ReflectorFacts
from collectors.stamp.options import StampOptions
from collectors.timescale import Timescale
from tests.agent.following import CLAIMS, INTERVAL_NS, KEPT, LEFT_ALONE, own, samples
from tests.collectors.clocks_apart import MS, US, Apart, Change, S

PATH, TARGET = NetworkPath(name="vpn"), Target(name="hub", host="10.1.0.4")
UNEQUAL = Apart(forward_ns=15 * MS, backward_ns=5 * MS, seconds=40, skew_ppm=0.5)


class Scraped:
    """Metrics of one stream over a path with these clocks."""

    def __init__(
        self,
        apart: Apart,
        *,
        ours: ClockState = KEPT,
        theirs: ReflectorFacts = CLAIMS,
        options: StampOptions | IcmpOptions | None = None,
    ) -> None:
        probe = Probe(
            name="p",
            options=options or StampOptions(),
            interval_ns=INTERVAL_NS,
            timeout_ns=S,
            targets=(TARGET,),
            paths=(PATH,),
        )
        plan = Plan(agent="dc1", listen=SocketAddress(host="127.0.0.1", port=9469), probes=(probe,))
        figures = Figures(probes=plan.probes, own=own(ours))
        kind = probe.options.kind
        deliver = figures.opened(StreamKey(probe="p", kind=kind, target="hub", path="vpn"))
        deliver([theirs])
        deliver([sample for sample, _ in samples(apart)])
        self._labels = {"agent": "dc1", "probe": "p", "kind": kind, "target": "hub", "path": "vpn"}
        self.registry = CollectorRegistry()
        Metrics(self.registry, plan, figures)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"eragent_one_way_{name}", self._labels | labels)

    def doubts(self) -> list[str]:
        return [reason for reason in Doubt if self("doubt", reason=reason)]


def test_valid_delays_are_counted_by_direction_beside_what_is_uncertain() -> None:
    scraped = Scraped(UNEQUAL)
    assert scraped("valid") == 1
    assert scraped.doubts() == []
    assert scraped("error_seconds") == pytest.approx(202e-6)
    for direction, least in (("forward", 0.015), ("backward", 0.005)):
        count = scraped("delay_seconds_count", direction=direction)
        assert count == 385
        assert (scraped("delay_seconds_sum", direction=direction) or 0) / count == pytest.approx(least, abs=0.0006)
    low, high = scraped("offset_low_seconds"), scraped("offset_high_seconds")
    assert low is not None
    assert high is not None
    assert -0.016 < low < 0 < high < 0.016
    slow, fast = scraped("skew_low_ratio"), scraped("skew_high_ratio")
    assert slow is not None
    assert fast is not None
    assert -5e-6 < slow < 0.5e-6 < fast < 5e-6


def test_what_is_known_from_the_start_is_there_at_zero() -> None:
    scraped = Scraped(Apart(seconds=0))
    assert scraped("valid") == scraped("clock_steps_total") == 0
    assert scraped.doubts() == [Doubt.TOO_FEW_SAMPLES]
    assert [scraped("timescale", timescale=timescale) for timescale in Timescale] == [0, 0, 0, 0]
    assert [scraped("delay_seconds_count", direction=direction) for direction in ("forward", "backward")] == [0, 0]
    assert [scraped(name) for name in ("error_seconds", "offset_low_seconds", "skew_low_ratio")] == [None] * 3


def test_while_delays_are_not_valid_none_is_counted_and_one_reason_told() -> None:
    scraped = Scraped(UNEQUAL, ours=LEFT_ALONE)
    assert scraped("valid") == 0
    assert scraped.doubts() == [Doubt.NOT_SYNCHRONISED]
    assert scraped("delay_seconds_count", direction="forward") == 0
    assert scraped("delay_seconds_sum", direction="forward") == 0
    assert scraped("error_seconds") is None
    assert scraped("offset_low_seconds") is not None


def test_steps_are_counted_and_other_timescales_named() -> None:
    stepped = Scraped(Apart(seconds=60, changes=(Change(50, sender_ns=3600 * S),)))
    assert stepped("clock_steps_total") == 1
    assert stepped.doubts() == [Doubt.CLOCK_STEPPED]
    ahead = Scraped(Apart(seconds=5, offset_ns=37 * S + 100 * US))
    assert ahead.doubts() == [Doubt.TAI_UTC]
    assert [name for name in Timescale if ahead("timescale", timescale=name)] == [Timescale.REFLECTOR_TAI]


def test_streams_of_other_kinds_have_nothing_of_this() -> None:
    names = {family.name for family in Scraped(UNEQUAL, options=IcmpOptions()).registry.collect() if family.samples}
    assert not [name for name in names if name.startswith("eragent_one_way")]
