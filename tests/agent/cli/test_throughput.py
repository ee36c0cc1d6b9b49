"""``eragent throughput`` against a real iperf3 server, in network namespaces that the test made."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.iperf3_server.test_supervise import make_keys
from tests.agent.throughput.network import FAR, SECOND_SITE, SITE, Network, delayed, routed
from tests.collectors.iperf3.servers import fake

ERAGENT = (sys.executable, "-m", "agent", "throughput")
SHORT = ("--duration", "1s", "--idle", "1s", "--probe-timeout", "200ms")
QUICK = ("--target", FAR, *SHORT)


def run(*arguments: str, within: Network | None = None) -> subprocess.CompletedProcess[str]:
    command = [*ERAGENT, *arguments]
    command = command if within is None else within.inside("site", *command)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with routed(shaped="200mbit") as made, made.server():
        yield made


def reported(found: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    assert report["schema"] == "eragent.throughput/1"
    tests: list[dict[str, Any]] = report["tests"]
    return tests


@pytest.mark.root
def test_nobody_listening_is_exit_code_3_and_says_what_to_start(network: Network) -> None:
    found = run(*QUICK, "--port", "5999", within=network)
    assert found.returncode == 3
    assert "iperf3 -s" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stages", "--streams", "4"), "leave out --streams"),
        (("--duration", "1500ms"), "whole number of seconds"),
        (("--udp", "10Mbit", "--window", "64KiB"), "TCP's"),
        (("--path", "vpn"), "add --config FILE"),
        (("--gateway", "VpnGw2"), "two generations"),
        (("--rate", "0Mbit"), "--rate of 0 says nothing"),
        (("--udp", "0Mbit"), "--udp of 0 says nothing"),
        (("--user", "site"), "go together"),
        (("--user", "site", "--password-file", "/none", "--public-key-file", "/none"), "/none is not there"),
    ],
)
def test_options_that_contradict_each_other_say_so(arguments: tuple[str, ...], message: str) -> None:
    found = run("--target", "127.0.0.1", *arguments)
    assert found.returncode == 2
    assert message in found.stderr


@pytest.mark.root
def test_udp_above_the_rate_finds_the_shaper_and_on_a_host_without_time_no_policer(network: Network) -> None:
    [test] = reported(run(*QUICK, "--duration", "3s", "--udp", "260Mbit", "--json", within=network))
    [up] = test["directions"]
    right = {"shaper"} if test["cpu"]["host_busy"] < 0.9 else {"shaper", "cpu", "unknown"}
    assert up["limited_by"]["limit"] in right, up["limited_by"]
    assert up["lost_packets"] > 1000


@pytest.mark.root
def test_paths_are_tested_in_turn_and_the_one_that_shares_the_shaper_feels_it(network: Network, tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        f"paths:\n  one: {{source: {SITE}, rate: 200Mbit}}\n  two: {{source: {SECOND_SITE}}}\n"
        f"targets: {{far: {{address: {FAR}}}}}\n"
        "probes: [{name: ping, icmp: {}, targets: [far]}]\n"
    )
    paths = ("--config", str(file), "--path", "one", "--path", "two", "--congestion", "cubic", "--streams", "2")
    closely = ("--duration", "2s", "--probe-interval", "10ms")  # for enough round trips, also on a busy host
    found = run("--target", "far", *SHORT, *closely, *paths, "--gateway", "ErGw1AZ", "--json", within=network)
    first, second = reported(found)
    [up] = first["directions"]
    assert 170e6 < up["bits_per_second"] < 200e6
    assert up["limited_by"]["limit"] == "shaper"
    assert "path one with 200 Mbit/s" in up["limited_by"]["because"]  # and a gateway that is named leaves that standing
    assert "known: gateway ErGw1AZ with 1 Gbit/s" in up["limited_by"]["evidence"]
    assert up["limited_by"]["figures"]["transfer_time_ratio"] == pytest.approx(1, abs=0.1)
    assert (first["path"], second["path"], first["streams"]) == ("one", "two", 2)
    assert [leak["path"] for leak in first["leaks"]] == ["two"]
    # A host without time disturbs its own probes, which then tell nothing of a path: too few may be left.
    right = {True} if first["cpu"]["host_busy"] < 0.9 else {True, None}
    assert first["leaks"][0]["leaked"] in right, first["leaks"]
    assert "1 s for latency without load" in found.stderr


@pytest.mark.root
def test_stages_go_through_all_numbers_of_flows_and_say_of_each_why_it_failed(network: Network) -> None:
    quickly = ("--target", FAR, "--port", "5999", "--duration", "1s", "--idle", "0s", "--probe-timeout", "50ms")
    found = run(*quickly, "--stages", "--json", within=network)
    assert found.returncode == 3
    tests = json.loads(found.stdout)["tests"]
    assert [(test["stage"], test["streams"], test["reason"]) for test in tests] == [
        ("1 flow", 1, "refused"),
        ("6 flows", 6, "refused"),
        ("16 flows", 16, "refused"),
        ("32 flows", 32, "refused"),
    ]


@pytest.mark.root
def test_what_was_found_until_the_server_went_away_is_told() -> None:
    with routed() as network, network.server("--interval", "0.1") as server:
        command = network.inside("site", *ERAGENT, *QUICK, "--duration", "30s")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert server.stdout is not None
            assert process.stdout is not None
            for _ in range(12):  # lines of a tenth of a second each, so that a whole second was moved
                while "bits/sec" not in server.stdout.readline():
                    pass
            server.kill()
            printed = process.stdout.read()
    assert process.returncode == 1, printed
    assert re.search(r"^1 flow up +[0-9,.]+ +incomplete ", printed, re.MULTILINE), printed
    assert "1 flow: partial (ended_early): " in printed


@pytest.mark.root
def test_what_was_found_until_ctrl_c_is_reported() -> None:
    with routed() as network, network.server() as server:
        command = network.inside("site", *ERAGENT, *QUICK, "--duration", "30s", "--json")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert server.stdout is not None
            assert process.stdout is not None
            while "bits/sec" not in server.stdout.readline():  # so that something was moved
                pass
            process.send_signal(signal.SIGINT)
            [test] = json.loads(process.stdout.read())["tests"]
    assert (test["outcome"], test["reason"], process.returncode) == ("partial", "cancelled", 1)
    assert test["moved_octets"] > 1_000_000


@pytest.mark.root
def test_a_busy_server_is_asked_again_until_it_is_free() -> None:
    with routed() as network, network.server() as server:
        assert server.stdout is not None
        other = network.inside("site", "iperf3", "--client", FAR, "--time", "60", "--bitrate", "1M", "--json")
        ours = network.inside("site", *ERAGENT, *QUICK, "--json")
        with subprocess.Popen(other, stdout=subprocess.DEVNULL) as busy:
            while "Accepted" not in server.stdout.readline():
                pass
            with subprocess.Popen(ours, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                assert process.stderr is not None
                while "the server, which runs another test" not in process.stderr.readline():
                    assert process.poll() is None
                busy.terminate()
                printed, _ = process.communicate(timeout=60)
    [test] = json.loads(printed)["tests"]
    assert test["outcome"] == "complete"


@pytest.mark.root
def test_a_small_window_over_a_long_way_is_what_limits() -> None:
    with delayed(10_000_000) as network, network.server():
        [test] = reported(run(*QUICK, "--window", "64KiB", "--json", within=network))
    [up] = test["directions"]
    assert up["limited_by"]["limit"] == "window"
    assert 20e6 < up["bits_per_second"] < 40e6
    assert 19_000_000 < test["latency"][0]["idle"]["p50_ns"] < 30_000_000


@pytest.mark.root
def test_a_server_that_asks_who_tests_is_told_and_no_argument_holds_the_password(tmp_path: Path) -> None:
    private, public, users = tmp_path / "private.pem", tmp_path / "public.pem", tmp_path / "users.csv"
    make_keys(private, public)
    users.write_text(f"site,{hashlib.sha256(b'{site}sesame').hexdigest()}\n")
    for name, password in (("right", "sesame"), ("wrong", "abracadabra")):
        (tmp_path / name).write_text(f"{password}\n")
        (tmp_path / name).chmod(0o600)
    asked = ("--rsa-private-key-path", str(private), "--authorized-users-path", str(users))
    who = ("--user", "site", "--public-key-file", str(public), "--password-file")
    with routed() as network, network.server(*asked):
        [test] = reported(run(*QUICK, *who, str(tmp_path / "right"), "--json", within=network))
        assert test["outcome"] == "complete"
        for others in ((*who, str(tmp_path / "wrong")), ()):
            found = run(*QUICK, *others, "--json", within=network)
            assert found.returncode == 3
            assert json.loads(found.stdout)["tests"][0]["reason"] == "authentication"


@pytest.mark.root
def test_an_iperf3_that_is_too_old_says_from_which_version_on_it_serves(tmp_path: Path) -> None:
    fake(tmp_path, "print('iperf 3.1.3')")
    quickly = ("--target", "127.0.0.1", "--idle", "0s")
    found = subprocess.run(
        [*ERAGENT, *quickly], capture_output=True, text=True, timeout=60, check=False, env={"PATH": str(tmp_path)}
    )
    assert found.returncode == 3
    assert "failed (too_old): iperf3 3.1 is installed, and from 3.9 on it can be read by eragent" in found.stdout


def test_without_iperf3_it_says_how_to_install_it(tmp_path: Path) -> None:
    found = subprocess.run(
        [*ERAGENT, "--target", "127.0.0.1"], capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)}
    )
    assert found.returncode == 3
    assert "apt install iperf3" in found.stderr
