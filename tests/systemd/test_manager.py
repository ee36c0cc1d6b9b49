"""What systemd and the running service say to each other: reloads and the watchdog."""

from __future__ import annotations

import pytest

from tests.systemd.installed import Installed

pytestmark = [pytest.mark.root, pytest.mark.systemd]

_PING = "probes: [{name: ping, icmp: {}, interval: 50ms, targets: [here]}]\n"
_ONE = "targets: {here: {address: 127.0.0.1}}\n" + _PING
_TWO = "targets: {here: {address: 127.0.0.1}, there: {address: 127.0.0.2}}\n" + _PING.replace("[here]", "[here, there]")


def _received(service: Installed, target: str) -> float:
    return service.metric("eragent_packets_received_total", f'target="{target}"')


@pytest.fixture
def probing(service: Installed) -> Installed:
    service.configure(_ONE)
    service.restart()
    service.host.wait_until(lambda: _received(service, "here") > 20, "samples")
    return service


def test_a_reload_adds_what_is_new_and_counts_on_what_was_there(probing: Installed) -> None:
    process, before = probing.process(), _received(probing, "here")
    probing.configure(_TWO)
    probing.host.run("systemctl", "reload", "eragent")
    probing.host.wait_until(lambda: _received(probing, "there") > 5, "samples of the new target")
    assert probing.process() == process
    assert _received(probing, "here") > before
    assert probing.metric("eragent_packets_lost_total") == 0


def test_a_refused_reload_changes_nothing_and_says_why(probing: Installed) -> None:
    process, before = probing.process(), _received(probing, "here")
    probing.configure(_ONE + "mesh: {}\n")
    probing.host.run("systemctl", "reload", "eragent", check=False)
    probing.host.wait_until(lambda: "mesh" in probing.status(), "the reason")
    probing.host.wait_until(lambda: _received(probing, "here") > before + 20, "more samples")
    assert probing.process() == process


def test_a_process_that_stands_still_is_ended_and_started_again(probing: Installed) -> None:
    probing.add_drop_in("soon.conf", "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\n")
    probing.restart()
    probing.host.wait_until(probing.is_sending, "samples")
    stopped = probing.process()
    probing.host.run("kill", "-STOP", str(stopped))
    probing.host.wait_until(lambda: probing.process() not in (0, stopped), "new process")
    probing.host.wait_until(probing.is_sending, "samples")
    assert "Watchdog timeout" in probing.host.journal("eragent")


def test_the_service_lives_on_while_its_watchdog_is_fed(probing: Installed) -> None:
    probing.add_drop_in("soon.conf", "[Service]\nWatchdogSec=2s\n")
    probing.restart()
    probing.host.wait_until(probing.is_sending, "samples")
    process, before = probing.process(), _received(probing, "here")
    probing.host.wait_until(lambda: _received(probing, "here") > before + 100, "five seconds of samples")
    assert probing.process() == process
