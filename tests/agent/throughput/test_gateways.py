"""Rates that Microsoft publishes, by the names that operators know."""

from __future__ import annotations

import pytest

from agent.throughput.gateways import parse_gateway


@pytest.mark.parametrize(
    ("text", "mbit"),
    [
        ("ErGw1AZ", [1_000]),
        ("ultraperformance", [10_000]),
        ("ErGwScale 4", [4_000]),
        ("VpnGw1AZ", [650]),
        ("VpnGw1 GCMAES256", [650, 650]),
        ("VpnGw2AZ gen1 AES256", [1_000, 650]),
        ("VpnGw2AZ gen2 GCMAES256", [1_250, 1_250]),
        ("vpngw5az 3des", [10_000, 140]),
        ("Basic AES256", [100]),
    ],
)
def test_a_gateway_has_its_rate_and_its_tunnels(text: str, mbit: list[int]) -> None:
    assert [rate.bits_per_second // 10**6 for rate in parse_gateway(text)] == mbit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no gateway's SKU"),
        ("ErGw9AZ", "no gateway's SKU"),
        ("ErGw1AZ gen2", "no gateway's SKU"),
        ("ErGwScale", "needs its scale units"),
        ("ErGwScale 41", "1 to 40"),
        ("VpnGw2AZ", "two generations: write 'VpnGw2AZ gen1' or 'VpnGw2AZ gen2'"),
        ("VpnGw1AZ gen2", "'gen2' says nothing"),
        ("VpnGw1AZ AES256 3DES", "'3DES' says nothing"),
    ],
)
def test_what_is_no_gateway_is_refused_with_a_right_one(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_gateway(text)
