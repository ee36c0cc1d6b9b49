"""`eragent check` says what a file will send, or every mistake in it; programs get one JSON object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.check import command, path_loads, summary
from agent.config.load import load_plan

DATA = Path(__file__).parents[2] / "data" / "config"


def check(file: Path, *options: str) -> Result:
    return CliRunner().invoke(command, ["--config", str(file), *options])


def test_a_valid_file_is_summed_up() -> None:
    result = check(DATA / "valid-example.yaml", "--offline")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        f"{DATA}/valid-example.yaml is valid. Agent paris-dc1 serves metrics on 127.0.0.1:9469 and sends 4 streams.",
        "  expressroute  2 streams, 11 packets/s, 13.2 kbit/s each way",
        "  vpn           2 streams, 11 packets/s, 13.2 kbit/s each way",
        "It answers STAMP on [::]:862 for 10.1.0.0/16, 10.20.0.0/16.",
        "It compares expressroute with vpn by probe stamp.",
    ]


def test_a_valid_file_is_one_json_object() -> None:
    result = check(DATA / "valid-example.yaml", "--json", "--offline")
    assert result.exit_code == 0
    # 10 packets/s of 20 + 8 + 128 octets and 1 packet/s of 20 + 8 + 56, in bits.
    load = {"streams": 2, "packets_per_second": 11.0, "bits_per_second": 13152.0}
    assert json.loads(result.stdout) == {
        "schema": "eragent.check/1",
        "ok": True,
        "errors": [],
        "warnings": [],
        "paths": [{"path": "expressroute", **load}, {"path": "vpn", **load}],
        "throughput": [],
    }


def test_every_mistake_is_talk_with_exit_code_2() -> None:
    file = DATA / "invalid-many-at-once.yaml"
    result = check(file)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        line.replace("# expect: ", f"{file}:")
        for line in file.read_text().splitlines()
        if line.startswith("# expect: ")
    ]


def test_every_mistake_is_in_the_json_object() -> None:
    file = DATA / "invalid-stamp-port.yaml"
    result = check(file, "--json")
    assert result.exit_code == 2
    assert result.stderr == ""
    problem = {
        "file": str(file),
        "line": 7,
        "column": 19,
        "key": "probes.0.stamp.port",
        "message": "must be between 1 and 65535",
    }
    nothing: dict[str, list[object]] = {"warnings": [], "paths": [], "throughput": []}
    assert json.loads(result.stdout) == {"schema": "eragent.check/1", "ok": False, "errors": [problem], **nothing}


def test_a_file_that_is_not_there_has_no_line(tmp_path: Path) -> None:
    result = check(tmp_path / "eragent.yaml", "--json")
    (error,) = json.loads(result.stdout)["errors"]
    assert (result.exit_code, error["line"], error["column"]) == (2, None, None)


LACKING = """
listen: 192.0.2.9:9469
paths:
  expressroute: {source: 192.0.2.10}
  vpn: {interface: nosuch0}
  here: {source: 127.0.0.1}
targets: {hub: {address: 127.0.0.3}}
probes: [{name: ping, icmp: {}, targets: [hub]}]
reflector: {stamp: {listen: "192.0.2.11:8862"}, twamp: {}}
"""


def test_what_this_host_lacks_is_told_beside_and_is_no_mistake_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(LACKING)
    told, as_json = check(file), check(file, "--json")
    assert (told.exit_code, as_json.exit_code) == (0, 0)
    assert told.stderr.splitlines() == [
        f"warning: {file}:{place}: this host has no {what}"
        for place, what in (
            ("4:26: paths.expressroute.source", "address 192.0.2.10 now (`ip addr`): nothing is sent on this path"),
            ("5:20: paths.vpn.interface", "interface nosuch0 now (`ip link`): nothing is sent on this path"),
            ("2:9: listen", "address 192.0.2.9 now (`ip addr`): nobody is answered there"),
            ("9:29: reflector.stamp.listen", "address 192.0.2.11 now (`ip addr`): nobody is answered there"),
        )
    ]
    keys = [warning["key"] for warning in json.loads(as_json.stdout)["warnings"]]
    assert keys == ["paths.expressroute.source", "paths.vpn.interface", "listen", "reflector.stamp.listen"]
    assert check(file, "--offline").stderr == ""


def test_names_are_not_looked_up_offline() -> None:
    assert check(DATA / "valid-minimal.yaml", "--offline").exit_code == 0


def test_ipv6_packets_are_twenty_octets_longer(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    text = "targets: {hub: {address: ADDRESS}}\nprobes: [{name: ping, icmp: {size: 100}, targets: [hub]}]\n"
    rates = []
    for address in ("10.1.0.4", "'fd00::4'"):
        file.write_text(text.replace("ADDRESS", address))
        (load,) = path_loads(load_plan(file))
        rates.append(load.bits_per_second)
    assert rates == [128 * 8, 148 * 8]


def test_a_connection_is_three_packets_from_here(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    for address, octets in (("10.1.0.4", 60 + 52 + 52), ("'fd00::4'", 80 + 72 + 72)):
        file.write_text(
            f"targets: {{hub: {{address: {address}}}}}\n"
            "probes: [{name: connect, tcp: {}, interval: 100ms, targets: [hub]}]\n"
        )
        (load,) = path_loads(load_plan(file))
        assert (load.packets_per_second, load.bits_per_second) == (30, octets * 8 * 10)


@pytest.mark.parametrize(("url", "packets"), [("http://portal.example.net/", 5), ("https://portal.example.net/", 9)])
def test_a_request_counts_with_the_packets_that_it_takes(tmp_path: Path, url: str, packets: int) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "targets: {web: {address: 192.0.2.1}}\n"
        f"probes: [{{name: web, http: {{url: '{url}'}}, interval: 1s, targets: [web]}}]\n"
    )
    (load,) = path_loads(load_plan(file))
    assert load.packets_per_second == packets
    assert packets * 52 * 8 < load.bits_per_second < packets * 250 * 8


@pytest.mark.parametrize(("interval", "rate"), [("1ms", "1.02 Mbit/s"), ("1s", "1.02 kbit/s"), ("10s", "102 bit/s")])
def test_rates_are_written_in_a_unit_that_suits_them(tmp_path: Path, interval: str, rate: str) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "targets: {hub: {address: 10.1.0.4}}\n"
        f"probes: [{{name: ping, icmp: {{size: 100}}, interval: {interval}, targets: [hub]}}]\n"
    )
    plan = load_plan(file)
    assert (
        f"default  1 stream, {1 / {'1ms': 1e-3, '1s': 1, '10s': 10}[interval]:g} packets/s, {rate} each way"
        in summary(plan, path_loads(plan), str(file))
    )


def test_an_agent_without_probes_says_so(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text("agent: {name: idle}\nreflector: {stamp: {}}\n")
    assert check(file).stdout.splitlines() == [
        f"{file} is valid. Agent idle serves metrics on 127.0.0.1:9469 and sends 0 streams.",
        "It answers STAMP on [::]:862 for 127.0.0.0/8, ::1/128.",
    ]


def test_what_a_reflector_asks_of_its_peers_is_summed_up(tmp_path: Path) -> None:
    key = tmp_path / "stamp.key"
    key.write_text("0123456789abcdef")
    key.chmod(0o600)
    file = tmp_path / "eragent.yaml"
    file.write_text(
        "agent: {name: idle}\n"
        "reflector:\n"
        "  stamp: {allow: [10.1.0.0/16], key_file: stamp.key, ssids: [7, 8]}\n"
        "  twamp: {max_sessions: 8}\n"
    )
    assert check(file).stdout.splitlines()[1:] == [
        f"It answers STAMP on [::]:862 for 10.1.0.0/16, with SSID 7, 8 alone, if authenticated by the key in {key}.",
        "It sets up 8 TWAMP sessions at most, asked for on [::]:862 (TCP).",
    ]


def test_a_key_that_does_not_serve_is_a_mistake_of_the_file_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "stamp.key").write_text("too short")
    (tmp_path / "stamp.key").chmod(0o600)
    file = tmp_path / "eragent.yaml"
    file.write_text("reflector: {stamp: {key_file: stamp.key}}\n")
    result = check(file)
    assert result.exit_code == 2
    assert f"{file}:1:31: reflector.stamp.key_file: {tmp_path}/stamp.key holds no key: " in result.stderr
    assert "too short" not in result.stderr
