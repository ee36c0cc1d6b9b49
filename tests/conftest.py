"""Every asynchronous test runs on both event loops; tests that need root run as root, and only there."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Generator, Mapping

import pytest
import uvloop
from hypothesis import HealthCheck, settings

# A busy machine is no finding.
settings.register_profile("eragent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eragent")

# A shell's background job ignores SIGINT, and so would all programs that tests start from it.
signal.signal(signal.SIGINT, signal.default_int_handler)

_IS_ROOT = os.geteuid() == 0


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not _IS_ROOT:
        for item in items:
            if item.get_closest_marker("root"):
                item.add_marker(pytest.mark.skip(reason="needs root: network namespaces or raw sockets"))


class _RootTests:
    """Notices tests that need root and were skipped although they had it: such a run has not tested what it says."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.skipped and item.get_closest_marker("root"):
            self.skipped.append(item.nodeid)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name in self.skipped:
            terminalreporter.write_line(f"FAILED {name}: it needs root, has it, and was skipped", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if _IS_ROOT:
        config.pluginmanager.register(_RootTests())
