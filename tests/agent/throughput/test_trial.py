"""What a path should carry is known of what was bought and of its gateway, whoever says so."""

from __future__ import annotations

from agent.throughput.gateways import parse_gateway
from agent.throughput.trial import rates_of
from collectors.path import NetworkPath

BOUGHT = NetworkPath(name="expressroute", rate=300_000_000)
GATEWAY = parse_gateway("ErGw1AZ")


def test_a_gateway_stands_beside_what_was_bought() -> None:
    assert [rate.bits_per_second for rate in rates_of(BOUGHT, GATEWAY)] == [300_000_000, 1_000_000_000]


def test_what_was_bought_is_the_path_s_unless_it_is_told_otherwise() -> None:
    [rate] = rates_of(BOUGHT, bought=200_000_000)
    assert (rate.name, rate.bits_per_second) == ("path expressroute", 200_000_000)
    assert rates_of(NetworkPath(name="any")) == ()
