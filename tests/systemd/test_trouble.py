"""What operators get wrong and what hosts do to a service: one line with the remedy, an exit code, and it goes on."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.systemd.installed import CONFIGURATION, Installed
from tests.systemd.releases import Release

pytestmark = [pytest.mark.root, pytest.mark.systemd]

_COULD_NOT_START, _WRONG_CONFIGURATION, _NOT_ALLOWED = 3, 2, 4
_KILLS = 50
_PING = "targets: {here: {address: 127.0.0.1}}\nprobes: [{name: ping, icmp: {}, interval: 20ms, targets: [here]}]\n"
_TAKE_PORT = "import socket, time; s = socket.create_server(('127.0.0.1', 9469)); time.sleep(60)"


@contextmanager
def _port_taken(service: Installed) -> Iterator[None]:
    host = service.host
    host.run("systemctl", "stop", "eragent")
    host.run("systemd-run", "--quiet", "--unit=taker", "python3", "-c", _TAKE_PORT)
    host.wait_until(lambda: "9469" in host.said("ss", "--tcp", "--listening", "--numeric"), "the port being taken")
    try:
        yield
    finally:
        host.run("systemctl", "stop", "taker")


def _is_told_between_tries(service: Installed, said: str) -> bool:
    status = service.status()
    return "(auto-restart)" in status and said in status


def test_a_port_in_use_is_named_and_tried_again_until_it_is_free(service: Installed) -> None:
    with _port_taken(service):
        service.restart()
        service.host.wait_until(lambda: _is_told_between_tries(service, "stop what uses the port"), "what is wrong")
        service.host.wait_until(lambda: service.exit_code() == _COULD_NOT_START, "exit code")
    service.host.wait_until(service.is_sending, "samples")


def test_an_address_that_the_host_has_not_is_named(service: Installed) -> None:
    service.configure(f"listen: 10.99.0.1:9469\n{_PING}")
    service.restart()
    service.host.wait_until(lambda: _is_told_between_tries(service, "one of this host's addresses"), "what is wrong")
    service.host.wait_until(lambda: service.exit_code() == _COULD_NOT_START, "exit code")


def test_a_missing_capability_is_named_with_the_remedy_and_not_waited_for(service: Installed) -> None:
    service.configure('reflector: {stamp: {listen: "127.0.0.1:862"}}\n' + _PING)
    service.restart()
    assert service.host.show("eragent", "ActiveState") == "failed"
    assert service.exit_code() == _NOT_ALLOWED
    assert "CAP_NET_BIND_SERVICE" in service.status()
    service.add_drop_in("port-862.conf")
    service.restart()
    service.host.wait_until(service.is_sending, "samples")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mesh: {peers: 3}\n" + _PING, "mesh: unknown key"),  # a later version's
        ("version: 2\n" + _PING, "install the newer one"),
        ('reflector: {stamp: {listen: "127.0.0.1:8620", key_file: /etc/open-key}}\n' + _PING, "chmod 0640"),
    ],
)
def test_a_configuration_that_does_not_serve_is_refused_once(service: Installed, text: str, said: str) -> None:
    key = service.host.root / "etc/open-key"
    key.write_text("k" * 32, encoding="utf-8")
    key.chmod(0o644)
    service.configure(text)
    service.restart()
    assert service.host.show("eragent", "ActiveState") == "failed"
    assert service.exit_code() == _WRONG_CONFIGURATION
    assert said in service.status()


def test_a_configuration_that_the_services_user_may_not_read_is_refused_with_the_remedy(service: Installed) -> None:
    file = service.host.root / CONFIGURATION
    file.chmod(0o600)
    try:
        service.restart()
        assert service.exit_code() == _WRONG_CONFIGURATION
        assert "cannot be read by this user" in service.status()
        assert "chmod 0644" in service.status()
    finally:
        file.chmod(0o644)


def test_another_python_than_the_packages_is_named(service: Installed, release: Release) -> None:
    program = service.host.root / "opt/eragent/bin/eragent"
    text = program.read_text(encoding="utf-8")
    program.write_text(text.replace(f"({release.python.replace('.', ', ')})", "(3, 99)"), encoding="utf-8")
    try:
        said = service.host.run("eragent", "--version", check=False)
        service.restart()
        service.host.wait_until(lambda: _is_told_between_tries(service, "install the package for it"), "what is wrong")
    finally:
        program.write_text(text, encoding="utf-8")
    assert said.returncode == _COULD_NOT_START
    assert "install the package for it" in said.stderr
    service.host.wait_until(service.is_sending, "samples")


def test_a_kernel_that_is_too_old_is_named_and_not_waited_for(service: Installed) -> None:
    run = "/opt/eragent/bin/eragent run --config /etc/eragent/eragent.yaml"
    # It tells programs that it is Linux 2.6; to ask for that takes personality(2).
    old = f"[Service]\nLockPersonality=no\nExecStart=\nExecStart=/usr/bin/setarch --uname-2.6 {run}\n"
    service.add_drop_in("old-kernel.conf", old)
    service.restart()
    assert service.host.show("eragent", "ActiveState") == "failed"
    assert service.exit_code() == _NOT_ALLOWED
    assert "take a kernel from 4.18 on" in service.status()


def test_a_state_directory_of_somebody_else_is_taken_back(service: Installed) -> None:
    service.configure("history: {keep: 1d}\n" + _PING)
    service.restart()
    service.host.wait_until(lambda: service.metric("eragent_history_samples_written_total") > 0, "history")
    service.host.run("systemctl", "stop", "eragent")
    service.host.run("chown", "--recursive", "daemon:daemon", "/var/lib/private/eragent")
    service.restart()
    service.host.wait_until(lambda: service.metric("eragent_history_samples_written_total") > 0, "history")


def test_a_history_where_the_service_may_not_write_is_said_and_probes_go_on(service: Installed) -> None:
    service.host.run("mkdir", "-p", "/srv/history")
    service.configure("history: {directory: /srv/history}\n" + _PING)
    service.restart()
    service.host.wait_until(lambda: "/srv/history" in service.status(), "what is wrong")
    service.host.wait_until(service.is_sending, "samples")
    assert service.metric("eragent_history_up") == 0


def test_a_full_disk_delays_no_probe_and_the_history_goes_on_when_there_is_room(service: Installed) -> None:
    host = service.host
    host.run("systemctl", "stop", "eragent")
    host.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/var/lib/private/eragent")
    try:
        host.run("sh", "-c", "head -c 900k /dev/zero >/var/lib/private/eragent/ballast")
        service.configure("history: {keep: 1d}\n" + _PING)
        service.restart()
        host.wait_until(lambda: service.metric("eragent_history_errors_total") > 0, "an error of the history")
        before = service.metric("eragent_packets_received_total")
        host.wait_until(lambda: service.metric("eragent_packets_received_total") > before + 50, "more samples")
        assert service.metric("eragent_packets_lost_total") == 0
        host.run("mount", "-o", "remount,size=64m", "/var/lib/private/eragent")
        host.wait_until(lambda: service.metric("eragent_history_up") == 1, "history")
    finally:
        host.run("systemctl", "stop", "eragent")
        host.run("umount", "/var/lib/private/eragent")


def test_fifty_kills_at_random_moments_cost_a_second_of_samples_each_at_most(service: Installed) -> None:
    chance, host = random.Random(9), service.host
    service.add_drop_in("soon.conf", "[Service]\nRestartSec=100ms\n")
    service.configure("history: {keep: 1d}\n" + _PING)
    service.restart()
    lives = []
    for _ in range(_KILLS):
        host.wait_until(lambda: host.show("eragent", "ActiveState") == "active" and service.process() > 0, "service")
        begun_ns = time.time_ns()
        time.sleep(chance.uniform(0, 3))  # not to wait for anything: the moment is what is random
        killed = service.process()
        host.run("kill", "-KILL", str(killed), check=False)
        lives.append((begun_ns, time.time_ns()))
        host.wait_until(partial(_has_another_process, service, killed), "new process")
    host.wait_until(service.is_sending, "samples")
    host.run("systemctl", "stop", "eragent")
    lines = host.run("eragent", "export", "--history", "/var/lib/eragent").stdout.splitlines()
    sent_at_ns = sorted(json.loads(line)["sent_at_ns"] for line in lines)
    lost_s = [_lost_s(begun_ns, killed_ns, sent_at_ns) for begun_ns, killed_ns in lives]
    assert max(lost_s) < 1.5  # a second, and what a busy machine takes to write


def _has_another_process(service: Installed, than: int) -> bool:
    return service.process() not in (0, than)


def _lost_s(begun_ns: int, killed_ns: int, sent_at_ns: list[int]) -> float:
    """Return how long before its end a life sent the last sample that was kept: since its begin, where none was."""
    kept = [sent_ns for sent_ns in sent_at_ns if begun_ns < sent_ns <= killed_ns]
    return (killed_ns - max([begun_ns, *kept])) / 1e9
