"""The life of an installed service under a real systemd: installed, killed, misconfigured, upgraded, removed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.systemd.container import Container
from tests.systemd.installed import CONFIGURATION, Installed, install

pytestmark = [pytest.mark.root, pytest.mark.systemd]

_FAR = "10.123.0.2"


@pytest.fixture
def host(system: Container, package: Path) -> Container:
    """The system with the package newly installed, its service as it starts by itself."""
    install(system, package)
    return system


def _metric(host: Container, name: str) -> float:
    return Installed(host).metric(name)


def _is_sending(host: Container) -> bool:
    return Installed(host).is_sending()


def _process(host: Container) -> int:
    return Installed(host).process()


def _configure(host: Container, text: str) -> None:
    Installed(host).configure(text)


def test_a_fresh_system_measures_as_soon_as_the_package_is_there(host: Container) -> None:
    assert host.show("eragent", "ActiveState") == "active"
    assert host.show("eragent", "UnitFileState") == "enabled"
    assert host.said("grep", "eragent", "/etc/passwd") == ""  # its user exists only while it runs
    assert "probing 1 streams" in host.journal("eragent")


def test_the_command_line_its_manual_and_its_completions_are_there(host: Container) -> None:
    assert "eragent, version" in host.run("eragent", "--version").stdout
    for file in ("man/man1/eragent-probe.1.gz", "bash-completion/completions/eragent", "doc/eragent/copyright"):
        assert (host.root / "usr/share" / file).stat().st_size > 0
    probed = host.run("eragent", "probe", "--target", "127.0.0.1", "--count", "3", "--interval", "20ms")
    assert "127.0.0.1" in probed.stdout


def test_a_killed_service_is_back_and_measures_again(host: Container) -> None:
    for _ in range(3):
        killed = _process(host)
        host.run("kill", "-KILL", str(killed))
        host.wait_until(partial(_has_another_process, host, killed), "new process")
        host.wait_until(lambda: _is_sending(host), "samples")


def _has_another_process(host: Container, than: int) -> bool:
    return _process(host) not in (0, than)


def test_it_measures_another_host_over_a_path_with_an_interface_of_its_own(host: Container, far_host: str) -> None:
    _configure(
        host,
        f"listen: 127.0.0.1:9469\npaths: {{wire: {{kind: other, interface: wire}}}}\n"
        f"targets: {{far: {{address: {far_host}}}}}\n"
        "probes: [{name: ping, icmp: {}, interval: 50ms, targets: [far], paths: [wire]}]\n",
    )
    host.run("systemctl", "restart", "eragent")
    host.wait_until(lambda: _metric(host, "eragent_packets_received_total") > 20, "answers from the other host")
    assert _metric(host, "eragent_packets_lost_total") == 0


@pytest.fixture
def far_host(host: Container) -> Iterator[str]:
    """Another host: a network namespace behind a wire of its own."""
    name = f"far-{host.leader}"
    for command in (
        f"ip netns add {name}",
        f"ip link add wire netns {host.leader} type veth peer name wire netns {name}",
        f"ip -n {name} address add {_FAR}/24 dev wire",
        f"ip -n {name} link set wire up",
    ):
        subprocess.run(command.split(), check=True)
    host.run("ip", "address", "add", "10.123.0.1/24", "dev", "wire")
    host.run("ip", "link", "set", "wire", "up")
    yield _FAR
    subprocess.run(["ip", "netns", "delete", name], check=True)


def test_a_wrong_configuration_is_said_where_operators_look_and_not_tried_again(host: Container) -> None:
    _configure(host, "targets: {here: {adress: 127.0.0.1}}\n")
    host.run("systemctl", "restart", "eragent", check=False)
    assert host.show("eragent", "ActiveState") == "failed"
    assert host.show("eragent", "ExecMainStatus") == "2"
    status = host.said("systemctl", "status", "--no-pager", "eragent")
    assert "eragent.yaml:1" in status
    assert "adress" in status


@pytest.fixture
def older(package: Path, tmp_path: Path) -> Path:
    """The package as a version before this one, which shipped another configuration and had a file more."""
    unpacked, older = tmp_path / "older", tmp_path / "older.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, unpacked], check=True)
    control = unpacked / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*", "Version: 0.0.1", control.read_text(), flags=re.MULTILINE))
    with (unpacked / CONFIGURATION).open("a", encoding="utf-8") as shipped:
        shipped.write("# shipped before\n")
    (next((unpacked / "opt/eragent/lib").glob("python*/site-packages/agent")) / "gone.py").touch()
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", unpacked, older], check=True)
    return older


@pytest.mark.parametrize("ours", ["", "# ours\n"])
def test_an_upgrade_goes_on_with_the_operators_configuration_and_the_new_program(
    system: Container, package: Path, older: Path, ours: str
) -> None:
    install(system, older)
    shipped = (system.root / CONFIGURATION).read_text(encoding="utf-8")
    _configure(system, shipped + ours)
    before = _process(system)
    (system.root / "root/eragent.deb").write_bytes(package.read_bytes())
    system.run("dpkg", "--force-confold", "--install", "/root/eragent.deb")
    system.wait_until(lambda: _is_sending(system), "samples")
    assert _process(system) not in (0, before)
    assert system.said("dpkg-query", "--show", "--showformat=${Version}", "eragent").startswith("0.1")
    assert not list(system.root.glob("opt/eragent/lib/python*/site-packages/agent/gone.py"))
    now = (system.root / CONFIGURATION).read_text(encoding="utf-8")
    assert now == (shipped + ours if ours else shipped.removesuffix("# shipped before\n"))


def test_what_was_stopped_stays_stopped_through_an_upgrade(host: Container) -> None:
    host.run("systemctl", "stop", "eragent")
    host.run("dpkg", "--install", "/root/eragent.deb")
    assert host.show("eragent", "ActiveState") == "inactive"


def test_removing_keeps_the_configuration_and_purging_leaves_nothing(host: Container) -> None:
    host.run("dpkg", "--remove", "eragent")
    assert host.show("eragent", "ActiveState") == "inactive"
    assert (host.root / CONFIGURATION).exists()
    assert not (host.root / "opt/eragent").exists()
    host.run("dpkg", "--purge", "eragent")
    left = host.said("find", "/etc/eragent", "/opt/eragent", "/var/lib/eragent", "/var/lib/private/eragent")
    assert left == ""
    assert host.said("find", "/etc/systemd", "/run/eragent.installing", "-name", "eragent*", "-not", "-type", "d") == ""


@pytest.mark.parametrize(("wish", "state"), [("enable", "active"), ("disable", "inactive")])
def test_a_package_that_was_removed_and_is_installed_again_starts_what_was_enabled(
    host: Container, wish: str, state: str
) -> None:
    host.run("systemctl", wish, "--now", "eragent")
    host.run("dpkg", "--remove", "eragent")
    host.run("dpkg", "--install", "/root/eragent.deb")
    assert host.show("eragent", "ActiveState") == state
    assert host.show("eragent", "UnitFileState") == f"{wish}d"


def test_installing_takes_less_than_a_minute_to_the_first_sample(system: Container, package: Path) -> None:
    # No speed of the program: what an operator was promised, with a margin of five on a busy machine.
    assert install(system, package) < 60
