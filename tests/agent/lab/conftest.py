"""A lab for tests: quick, without loss or jitter, so that what a test sees is what it did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.lab.lab import Lab
from agent.lab.scenario import Scenario, parse_scenario
from tests.agent.lab.traces import Host, own_host

QUIET = """
links:
  er-primary: {delay: 2ms, rate: 1Gbit}
  er-secondary: {delay: 3ms, rate: 1Gbit}
  internet: {delay: 4ms, rate: 650Mbit}
"""


@pytest.fixture(scope="session")
def quiet() -> Scenario:
    return parse_scenario(QUIET, "quiet")


@pytest.fixture(scope="session")
def lab(quiet: Scenario) -> Iterator[Lab]:
    with Lab(quiet) as lab:
        yield lab


@pytest.fixture
def host() -> Iterator[Host]:
    with own_host() as host:
        yield host
