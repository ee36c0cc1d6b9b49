"""A configuration that another process reads: the same plan, the same mistakes, and what else may come of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent import __version__
from agent.config.apart import Reading, ReadingError, encoded, read_apart
from agent.config.load import load_plan
from agent.config.problems import ConfigError

ALL_SORTS = """
agent: {name: dc1}
listen: 127.0.0.1:9469
paths:
  expressroute: {kind: expressroute, source: 127.0.0.1, rate: 1Gbit, gateway: ErGw1AZ, proof: {edge: 192.0.2.0/30}}
  vpn: {kind: vpn, interface: lo, fwmark: 7}
targets: {hub: {address: {expressroute: 10.1.0.4, vpn: 10.2.0.4}}, site: {address: 10.3.0.4}}
probes:
  - {name: stamp, stamp: {key_file: key, tlvs: []}, targets: [hub]}
  - {name: http, http: {url: "https://portal.example.net/", expect: "2xx"}, targets: [site]}
  - name: speed
    iperf3: {}
    every: 1h
    windows: ["01:00-05:00"]
    timezone: Europe/Paris
    targets: [site]
    paths: [expressroute]
reflector: {stamp: {listen: "[::]:862", allow: [10.0.0.0/8], key_file: key}}
history: {directory: history}
comparisons: [{baseline: vpn, candidate: expressroute, probe: stamp, margin: 1ms}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    key = tmp_path / "key"
    key.write_text("correct horse battery")
    key.chmod(0o600)
    file = tmp_path / "eragent.yaml"
    file.write_text(ALL_SORTS)
    return file


def answering(octets: bytes) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; sys.stdout.buffer.write({octets!r})")


def test_a_plan_is_the_same_wherever_it_is_read(file: Path) -> None:
    assert read_apart(file) == load_plan(file)


def test_mistakes_are_the_same_wherever_they_are_found(file: Path) -> None:
    file.write_text(ALL_SORTS.replace("tlvs", "tvls").replace("rate: 1Gbit", "rate: 1"))
    with pytest.raises(ConfigError) as here:
        load_plan(file)
    with pytest.raises(ConfigError) as apart:
        read_apart(file)
    assert len(here.value.problems) == 2
    assert apart.value.problems == here.value.problems


def test_a_file_that_is_not_there_is_the_configuration_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: cannot be read: No such file or directory"):
        read_apart(tmp_path / "nothing.yaml")


def test_a_reader_that_is_killed_says_nothing_of_the_configuration(file: Path) -> None:
    with pytest.raises(ReadingError, match="ended with code -9: what it said stands above; without a word it was kil"):
        Reading(file, program=("sh", "-c", "kill -9 $$")).plan()


def test_a_reader_that_cannot_be_started_is_named(file: Path) -> None:
    with pytest.raises(ReadingError, match=r"cannot start .*, /no/python: No such file or directory"):
        Reading(file, program=("/no/python",))


def test_a_plan_of_another_version_is_not_even_looked_at(file: Path) -> None:
    other = encoded(()).replace(__version__.encode(), b"9.9.9")
    with pytest.raises(ReadingError, match=f"eragent 9.9.9 is installed, and this is {__version__} still: restart"):
        Reading(file, program=answering(other)).plan()
