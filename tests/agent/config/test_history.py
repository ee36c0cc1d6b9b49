"""What is kept on disk and sent away, as the configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.cli.check import path_loads, summary
from agent.config.document import parse_document
from agent.config.load import plan_of
from agent.config.problems import ConfigError
from agent.plan import HistoryPlan, Plan, RemoteWritePlan
from collectors.http.url import Url

DAY_NS = 86_400_000_000_000


def plan(text: str) -> Plan:
    return plan_of(parse_document(text.encode(), file="/etc/eragent/eragent.yaml"), host_name="dc1").plan


def test_without_a_section_nothing_is_kept() -> None:
    assert plan("agent: {name: dc1}").history is None


def test_a_history_has_defaults() -> None:
    assert plan("history: {}").history == HistoryPlan(
        directory=Path("/var/lib/eragent"), keep_ns=35 * DAY_NS, max_octets=2 << 30
    )


def test_a_relative_directory_lies_beside_the_file() -> None:
    history = plan("history: {directory: history, keep: 7d, max_size: 100MB}").history
    assert history == HistoryPlan(directory=Path("/etc/eragent/history"), keep_ns=7 * DAY_NS, max_octets=100_000_000)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("keep: 1m", "history.keep: must be between 1h and 3650d"),
        ("keep: 35", "history.keep: a duration needs a unit: write 35h, not 35"),
        ("max_size: 1MB", "history.max_size: must be between 16MiB and 1TiB"),
        ("directory: ''", "history.directory: '' names no file"),
        ("size: 1GB", "history.size: unknown key"),
    ],
)
def test_what_is_wrong_is_told_at_its_key(section: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(f"history: {{{section}}}")
    assert message in str(caught.value)


def test_remote_write_has_a_receiver_and_files_beside_the_configuration() -> None:
    text = "history: {}\nremote_write: {url: 'https://prometheus.example.net/api/v1/write', token_file: token}"
    assert plan(text).remote_write == RemoteWritePlan(
        url=Url.parse("https://prometheus.example.net/api/v1/write"),
        token_file=Path("/etc/eragent/token"),
        max_age_ns=DAY_NS,
    )


def test_check_says_what_is_kept_and_sent() -> None:
    found = plan("history: {}\nremote_write: {url: 'http://127.0.0.1:9090/api/v1/write'}")
    assert summary(found, path_loads(found), "eragent.yaml").splitlines()[-2:] == [
        "It keeps every sample in /var/lib/eragent for 35d, 2GiB at most.",
        "It sends the minutes of that to http://127.0.0.1:9090/api/v1/write.",
    ]
