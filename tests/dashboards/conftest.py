"""Two agents and one Prometheus, with the rules, for all tests that ask them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from dashboards.generate import RULES
from tests.dashboards.programs import (
    AGENT,
    UNANSWERED,
    WITH_ONE_PATH,
    Prometheus,
    agent_command,
    agent_configuration,
    fetch,
    free_port,
    one_path_configuration,
    prometheus,
    running,
    unanswered_configuration,
    wait_until,
)


def _is_ready(url: str) -> bool:
    return fetch(f"{url}/-/ready") == "ready\n"


@pytest.fixture(scope="session")
def agent_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """An agent with two paths that are answered and compared, one whose only path never is, one with an only path."""
    folder = tmp_path_factory.mktemp("agents")
    history = folder / "history"
    history.mkdir(mode=0o700)
    ports = (free_port(), free_port(), free_port())
    texts = (
        agent_configuration(ports[0], history),
        unanswered_configuration(ports[1]),
        one_path_configuration(ports[2]),
    )
    urls = tuple(f"http://127.0.0.1:{port}" for port in ports)
    with ExitStack() as stack:
        for name, text, url in zip((AGENT, UNANSWERED, WITH_ONE_PATH), texts, urls, strict=True):
            configuration, log = folder / f"{name}.yaml", folder / f"{name}.log"
            configuration.write_text(text, encoding="utf-8")
            stack.enter_context(running(agent_command(configuration), log=log))
            wait_until(partial(_is_ready, url), "agent that is ready", log)
        yield urls


@pytest.fixture(scope="session")
def agent_url(agent_urls: tuple[str, ...]) -> str:
    return agent_urls[0]


@pytest.fixture(scope="session")
def measured(agent_urls: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has seen the agents for long enough that rates over five seconds exist, and records of them."""
    folder = tmp_path_factory.mktemp("prometheus")
    ports = [int(url.rpartition(":")[2]) for url in agent_urls]
    with prometheus(ports, RULES.glob("*.yml"), folder) as server:
        log = folder / "prometheus.log"
        scrapes = "min(count_over_time(eragent_rtt_seconds_count[5s]))"
        wait_until(lambda: (server.value(scrapes) or 0) >= 4, "rate of packets", log)
        spread = "stream:eragent_minute_unpredictable:ratio_1h"  # the last of a chain of four records
        wait_until(lambda: (server.value(f"count({spread})") or 0) >= 4, "record", log)
        yield server
