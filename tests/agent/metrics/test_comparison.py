"""The metrics of the continuous comparison, and the sink that feeds it."""

from __future__ import annotations

from ipaddress import ip_address

from prometheus_client import CollectorRegistry

from agent.compare.continuous import ContinuousComparison
from agent.comparing import Comparisons
from agent.metrics.comparison import ComparisonMetrics
from agent.plan import ComparisonPlan, Probe
from agent.sink import StreamKey
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target
from tests.agent.compare.streams import S
from tests.agent.compare.test_continuous import sample

PATHS = tuple(NetworkPath(name=name, source=ip_address("192.0.2.1")) for name in ("vpn", "expressroute", "internet"))
PROBE = Probe(
    name="icmp",
    options=IcmpOptions(),
    interval_ns=S,
    timeout_ns=S,
    targets=(Target(name="hub", host="192.0.2.9"), Target(name="spoke", host="192.0.2.8")),
    paths=PATHS,
)
PLAN = ComparisonPlan(baseline="vpn", candidate="expressroute", probe="icmp", margin_ns=500_000)


def key(path: str, target: str = "hub") -> StreamKey:
    return StreamKey(probe="icmp", kind="icmp", target=target, path=path)


def value(registry: CollectorRegistry, name: str, **further: str) -> float | None:
    labels = {"agent": "a", "probe": "icmp", "target": "hub", "baseline": "vpn", "candidate": "expressroute"}
    return registry.get_sample_value(f"eragent_comparison_{name}", labels | further)


def test_each_target_of_the_probe_has_its_comparison_at_zero_from_the_start() -> None:
    registry = CollectorRegistry()
    ComparisonMetrics(registry, "a", Comparisons([PLAN], [PROBE]))
    assert value(registry, "verdict", verdict="insufficient") == 1
    assert value(registry, "verdict", verdict="worse") == 0
    assert value(registry, "pairs_total") == 0
    assert value(registry, "pairs_total", target="spoke") == 0
    assert value(registry, "excluded_pairs_total", reason="noisy") == 0
    assert value(registry, "difference_seconds", figure="rtt_p99") is None


def test_packets_of_both_paths_reach_their_comparison_and_others_none() -> None:
    registry = CollectorRegistry()
    comparisons = Comparisons([PLAN], [PROBE])
    ComparisonMetrics(registry, "a", comparisons)
    takers = {path.name: comparisons.opened(key(path.name)) for path in PATHS}
    for slot in range(1300):
        for path, taker in takers.items():
            taker([sample(slot, {"vpn": 5.0, "expressroute": 3.0, "internet": 90.0}[path])])
    assert value(registry, "pairs_total") == 1300
    assert value(registry, "pairs_total", target="spoke") == 0
    assert value(registry, "blocks") == 2
    difference = value(registry, "difference_seconds", figure="rtt_p99")
    assert difference is not None
    assert abs(difference + 0.002) < 0.0001
    assert value(registry, "loss_difference_ratio") == 0


def test_a_comparison_of_what_is_no_probe_of_packets_is_left_to_others() -> None:
    other = ComparisonPlan(baseline="vpn", candidate="expressroute", probe="iperf3")
    assert Comparisons([other], [PROBE]).running == {}


def test_the_verdict_of_the_metrics_is_the_comparisons() -> None:
    comparisons = Comparisons([PLAN], [PROBE])
    running = comparisons.running["icmp", "hub", "vpn", "expressroute"]
    assert isinstance(running, ContinuousComparison)
    for judge in running.judges.values():
        for _ in range(30):
            judge.take(10_000_000.0)
    registry = CollectorRegistry()
    ComparisonMetrics(registry, "a", comparisons)
    assert value(registry, "verdict", verdict="worse") == 1
    assert value(registry, "verdict", verdict="insufficient") == 0
