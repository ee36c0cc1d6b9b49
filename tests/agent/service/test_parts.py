"""What makes a part another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.plan import ComparisonPlan, Plan, Probe, ReflectorPlan, SocketAddress
from agent.service.parts import ingredients
from collectors.icmp.sender import IcmpOptions
from collectors.path import NetworkPath, Target

HERE = SocketAddress(host="127.0.0.1", port=9469)
PROBE = Probe(
    name="ping",
    options=IcmpOptions(),
    interval_ns=1,
    timeout_ns=1,
    targets=(Target(name="hub", host="10.1.0.4"),),
    paths=(NetworkPath(name="er"), NetworkPath(name="vpn")),
)


def test_a_key_that_is_exchanged_in_its_file_makes_another_reflector(tmp_path: Path) -> None:
    key = tmp_path / "key"
    plan = Plan(agent="site", listen=HERE, reflector=ReflectorPlan(listen=HERE, allow=(), key_file=key))
    key.write_text("the first of two keys")
    first = ingredients(plan)["reflector"]
    assert ingredients(replace(plan))["reflector"] == first
    key.write_text("the other of two keys")
    assert ingredients(plan)["reflector"] != first
    assert "keys" not in repr(first)


def test_a_comparison_is_another_one_if_its_probe_is() -> None:
    comparison = ComparisonPlan(baseline="er", candidate="vpn", probe="ping")
    other = replace(PROBE, name="other")
    plan = Plan(agent="site", listen=HERE, probes=(PROBE, other), comparisons=(comparison,))
    found = ingredients(plan)
    assert ingredients(replace(plan, probes=(PROBE,))) == found
    assert ingredients(replace(plan, probes=(replace(PROBE, interval_ns=2), other))) != found


def test_what_a_plan_does_not_have_is_no_part() -> None:
    assert set(ingredients(Plan(agent="site", listen=HERE))) == {"comparisons"}
