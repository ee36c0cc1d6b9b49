"""One agent and one Prometheus for all tests that ask them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboards.programs import (
    Prometheus,
    agent_command,
    agent_configuration,
    fetch,
    free_port,
    prometheus,
    running,
    wait_until,
)


@pytest.fixture(scope="session")
def agent_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("agent")
    port = free_port()
    configuration = folder / "eragent.yaml"
    configuration.write_text(agent_configuration(port), encoding="utf-8")
    log = folder / "agent.log"
    with running(agent_command(configuration), log=log):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: fetch(f"{url}/-/ready") == "ready\n", "agent that is ready", log)
        yield url


@pytest.fixture(scope="session")
def measured(agent_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has seen the agent for long enough that rates over five seconds exist."""
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(int(agent_url.rpartition(":")[2]), folder) as server:
        scrapes = "min(count_over_time(eragent_rtt_seconds_count[5s]) and rate(eragent_rtt_seconds_count[5s]) > 0)"
        wait_until(lambda: (server.value(scrapes) or 0) >= 4, "rate of packets", folder / "prometheus.log")
        yield server
