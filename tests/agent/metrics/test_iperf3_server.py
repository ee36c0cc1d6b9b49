"""Prometheus learns whether iperf3's server listens, and what it did."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest

from agent.metrics.iperf3_server import Iperf3ServerMetrics


@dataclass
class Server:
    listening: bool = False
    tests: int = 0
    restarts: int = 0
    refused: int = 0


def shown(server: Server) -> list[str]:
    registry = CollectorRegistry()
    Iperf3ServerMetrics(registry, "site", server)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_everything_is_there_at_zero_from_the_start() -> None:
    assert shown(Server()) == [
        'eragent_iperf3_server_up{agent="site"} 0.0',
        'eragent_iperf3_server_tests_total{agent="site"} 0.0',
        'eragent_iperf3_server_restarts_total{agent="site"} 0.0',
        'eragent_iperf3_server_refused_packets_total{agent="site"} 0.0',
    ]


def test_what_the_server_did_is_counted() -> None:
    assert [line.split()[1] for line in shown(Server(True, 7, 2, 31))] == ["1.0", "7.0", "2.0", "31.0"]
