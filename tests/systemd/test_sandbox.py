"""Everything still works under the unit's hardening: all kinds of probes, iperf3, history, the clock, real time."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tests.systemd.container import Container
from tests.systemd.installed import Installed
from tests.systemd.releases import ROOT

pytestmark = [pytest.mark.root, pytest.mark.systemd]

_UNITS = ("eragent.service", "eragent-clock.service", "eragent-reflector.service")
_HIGHEST_EXPOSURE = 1.5
_CAP_NET_BIND_SERVICE = 10
_EVERYTHING = """
listen: 127.0.0.1:9469
targets: {here: {address: 127.0.0.1}, named: {address: localhost}}
probes:
  - {name: ping, icmp: {}, interval: 50ms, targets: [here, named]}
  - {name: stamp, stamp: {port: 8620}, interval: 50ms, targets: [here]}
  - {name: tcp, tcp: {port: 9469}, interval: 200ms, targets: [here]}
  - {name: web, http: {url: "http://127.0.0.1:9469/-/healthy"}, interval: 1s, targets: [here]}
reflector:
  stamp: {listen: "127.0.0.1:8620"}
  iperf3: {listen: "127.0.0.1:5201"}
history: {keep: 1d}
"""
_REFLECTOR = 'reflector: {stamp: {listen: "[::]:862"}}\n'


@pytest.fixture
def everything(service: Installed) -> Installed:
    service.add_drop_in("iperf3-server.conf")
    service.configure(_EVERYTHING)
    service.restart()
    return service


def _answered(service: Installed, kind: str) -> bool:
    return service.metric("eragent_packets_received_total", f'kind="{kind}"') > 0


def _kept(host: Container) -> set[str]:
    """Return of which kinds the history has samples."""
    lines = host.said("eragent", "export", "--history", "/var/lib/eragent").splitlines()
    return {json.loads(line)["kind"] for line in lines}


@pytest.mark.parametrize("unit", _UNITS)
def test_the_running_systemd_calls_a_unit_safe(installed: Installed, unit: str) -> None:
    said = installed.host.run("systemd-analyze", "security", "--no-pager", unit).stdout
    exposure = float(said.split(f"Overall exposure level for {unit}: ")[1].split()[0])
    assert exposure <= _HIGHEST_EXPOSURE, said


def test_every_kind_of_probe_has_answers_and_every_sample_is_kept(everything: Installed) -> None:
    host = everything.host
    for kind in ("icmp", "stamp", "tcp", "http"):
        host.wait_until(partial(_answered, everything, kind), f"answers to {kind}")
    host.wait_until(lambda: _kept(host) == {"icmp", "stamp", "tcp", "http"}, "all kinds in the history")
    host.wait_until(
        lambda: everything.metric("eragent_packets_received_total", 'target="named"') > 0, "a name's answers"
    )
    assert everything.metric("eragent_history_errors_total") == 0


def test_iperf3_serves_and_tests(everything: Installed) -> None:
    host = everything.host
    host.wait_until(lambda: "iperf3's server listens" in host.journal("eragent"), "iperf3's server")
    tested = host.run("eragent", "throughput", "--target", "127.0.0.1", "--duration", "1s")
    assert "limited by" in tested.stdout


def test_the_agent_runs_in_real_time_and_its_children_do_not(everything: Installed) -> None:
    host, own = everything.host, everything.process()
    reflector = ("pgrep", "--parent", str(own), "--full", "agent reflect")
    host.wait_until(lambda: host.said(*reflector) != "", "the reflector")
    assert "SCHED_FIFO" in host.run("chrt", "--pid", str(own)).stdout
    assert "SCHED_OTHER" in host.run("chrt", "--pid", host.said(*reflector)).stdout


def test_the_agent_gives_up_what_it_is_granted_and_its_configuration_does_not_need(service: Installed) -> None:
    service.add_drop_in("port-862.conf")  # and no reflector
    service.restart()
    service.host.wait_until(service.is_sending, "samples")
    status = service.host.said("cat", f"/proc/{service.process()}/status").splitlines()
    held = [line.split() for line in status if line.startswith(("CapPrm", "CapEff", "CapAmb"))]
    assert [int(mask, 16) >> _CAP_NET_BIND_SERVICE & 1 for _, mask in held] == [0, 0, 0]
    [said] = [line for line in service.logged() if "gave up" in line]  # although it began itself anew for that
    assert said.startswith("keeps ")
    assert "CAP_NET_BIND_SERVICE" in said.split("gave up ")[1]


def test_the_state_of_the_clock_is_known_although_the_service_may_not_ask_for_it(everything: Installed) -> None:
    host = everything.host
    host.wait_until(everything.is_sending, "samples")
    assert json.loads(host.said("cat", "/run/eragent-clock/state"))["synchronised"] in (True, False)
    metrics = host.said(
        "python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9469/metrics').read().decode())"
    )
    assert "\neragent_clock_synchronised{" in metrics
    host.run("systemctl", "stop", "eragent-clock", check=False)
    metrics = host.said(
        "python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9469/metrics').read().decode())"
    )
    assert "\neragent_clock_synchronised{" not in metrics
    host.run("systemctl", "start", "eragent-clock")


def test_a_host_that_only_answers_runs_the_reflector_alone(service: Installed) -> None:
    host = service.host
    host.run("systemctl", "stop", "eragent")
    service.configure(_REFLECTOR)
    host.run("systemctl", "start", "eragent-reflector")
    try:
        probed = host.run("eragent", "probe", "--target", "127.0.0.1", "--type", "stamp", "--count", "3", "--json")
        (stream,) = json.loads(probed.stdout)["streams"]
        assert stream["received"] == 3
        again = host.run("eragent", "reflect", "--config", "/etc/eragent/eragent.yaml", check=False)
        assert again.returncode == 3
        assert "another process listens there" in again.stderr
    finally:
        host.run("systemctl", "stop", "eragent-reflector")


def test_the_shipped_units_are_those_of_the_sources(installed: Installed) -> None:
    for unit in _UNITS:
        shipped = (installed.host.root / "lib/systemd/system" / unit).read_text(encoding="utf-8")
        assert shipped == (ROOT / "systemd" / unit).read_text(encoding="utf-8")
