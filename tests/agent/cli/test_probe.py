"""``eragent probe`` as a person and a program run it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent.conftest import ERAGENT

FAST = ("--interval", "5ms", "--timeout", "300ms")
CONFIGURATIONS = Path(__file__).parents[2] / "data" / "config"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ERAGENT, "probe", *arguments], capture_output=True, text=True, check=False)


def stamp(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("--target", "127.0.0.1", "--type", "stamp", "--port", str(port), *FAST, *arguments)


def tcp(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("--target", "127.0.0.1", "--type", "tcp", "--port", str(port), *FAST, *arguments)


def report(found: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    parsed = json.loads(found.stdout)
    assert isinstance(parsed, dict)
    return parsed


def closed_port() -> int:
    return 9  # discard: nobody serves it


def test_the_summary_is_on_stdout_and_nothing_else(reflector_port: int) -> None:
    found = stamp(reflector_port, "--count", "5")
    assert (found.returncode, found.stderr) == (0, "")
    assert re.search(r"received / sent +5 / 5", found.stdout)
    assert re.search(r"timestamps +(kernel|user \(1 of 5\))", found.stdout)


def test_json_is_one_object_with_every_sample(reflector_port: int) -> None:
    found = report(stamp(reflector_port, "--count", "5", "--json", "--samples"))
    [stream] = found["streams"]
    assert found["schema"] == "eragent.probe/1"
    assert (stream["sent"], stream["received"], stream["address"], stream["path"]) == (5, 5, "127.0.0.1", "default")
    assert [sample["slot"] for sample in stream["samples"]] == sorted({sample["slot"] for sample in stream["samples"]})
    assert all(sample["rtt_ns"] > 0 for sample in stream["samples"])


def test_samples_are_left_out_unless_asked_for(reflector_port: int) -> None:
    assert "samples" not in report(stamp(reflector_port, "--count", "2", "--json"))["streams"][0]


def test_one_way_delays_are_there_only_if_this_host_says_that_something_keeps_its_clock(reflector_port: int) -> None:
    found = report(stamp(reflector_port, "--count", "20", "--one-way-limit", "1s", "--json"))
    [stream] = found["streams"]
    one_way, clock = stream["one_way"], found["host"]["clock"]
    if clock is None or not clock["synchronised"]:
        assert one_way["reason"] == "not_synchronised"
    delays = (one_way["forward_ns"], one_way["backward_ns"], one_way["uncertainty_ns"])
    assert [delay is None for delay in delays] == [not one_way["valid"]] * 3
    assert one_way["offset_ns"]["low"] <= 0 <= one_way["offset_ns"]["high"]  # both ends have one clock


def test_a_duration_bounds_the_run(reflector_port: int) -> None:
    [stream] = report(stamp(reflector_port, "--duration", "100ms", "--json"))["streams"]
    assert stream["sent"] + stream["slots_missed"] == 20


@pytest.mark.root
def test_icmp_is_the_default_and_ten_packets_are_sent() -> None:
    [stream] = report(run("--target", "::1", "--interval", "5ms", "--json"))["streams"]
    assert (stream["probe"], stream["sent"], stream["received"]) == ("icmp", 10, 10)


def test_a_target_that_does_not_answer_is_exit_code_1() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = stamp(silent.getsockname()[1], "--count", "3", "--timeout", "100ms")
    assert found.returncode == 1
    assert "3 (100.00%)" in found.stdout


def test_a_target_without_a_reflector_is_exit_code_1_and_says_so() -> None:
    found = stamp(closed_port(), "--count", "3")
    assert found.returncode == 1
    assert "3 (port_unreachable)" in found.stdout
    assert "3 x port unreachable from 127.0.0.1" in found.stdout


def test_connections_are_counted_with_the_programs_time_and_the_kernels() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = tcp(server.getsockname()[1], "--count", "5", "--json", "--samples")
    [stream] = report(found)["streams"]
    assert (found.returncode, stream["kind"], stream["received"], stream["failed"]) == (0, "tcp", 5, 0)
    assert stream["timestamps"] == "user"
    assert stream["handshake_ns"]["max"] <= stream["rtt_ns"]["max"]
    assert all(0 < sample["handshake_ns"] <= sample["rtt_ns"] for sample in stream["samples"])


def test_a_port_that_nobody_listens_on_is_no_loss_but_no_answer_either() -> None:
    found = tcp(closed_port(), "--count", "3")
    assert found.returncode == 1
    assert re.search(r"lost +0 \(0\.00%\)", found.stdout)
    assert re.search(r"failed +3 \(refused\)", found.stdout)


def test_a_web_server_is_asked_and_its_phases_are_told() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(CONFIGURATIONS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        started = re.search(r"port (\d+)", server.stdout.readline())
        assert started is not None
        url = f"http://127.0.0.1:{started[1]}/valid-example.yaml"
        found = run("--type", "http", "--url", url, "--count", "3", "--interval", "100ms", "--json", "--samples")
        missing = run("--type", "http", "--url", f"{url}.gone", "--count", "1")
        server.terminate()
    [stream] = report(found)["streams"]
    assert (found.returncode, stream["kind"], stream["target"], stream["received"]) == (0, "http", "127.0.0.1", 3)
    assert stream["http"]["responses"] == {"200": 3}
    assert stream["http"]["received_bytes"] == 3 * (CONFIGURATIONS / "valid-example.yaml").stat().st_size
    assert all(sample["rtt_ns"] == sum(sample["http"]["phases_ns"].values()) for sample in stream["samples"])
    assert missing.returncode == 1
    assert re.search(r"failed +1 \(status\)", missing.stdout)
    assert "the server answers with status 404" in missing.stdout


def test_limits_decide_the_exit_code(reflector_port: int) -> None:
    assert stamp(reflector_port, "--count", "5", "--max-p99", "500ms", "--max-loss", "0").returncode == 0
    assert stamp(reflector_port, "--count", "5", "--max-p99", "1ns").returncode == 1
    assert stamp(closed_port(), "--count", "3", "--max-loss", "100").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--type", "http"), "add --url, for example https://"),
        (("--interval", "20"), "a duration needs a unit: write 20ms, not 20"),
        (("--interval", "10us"), "--interval is at least 1ms"),
        (("--port", "862"), "--port goes with --type stamp or tcp"),
        (("--count", "3", "--duration", "1s"), "--count and --duration exclude each other"),
        (("--path", "vpn"), "add --config FILE"),
        (("--size", "5"), "--size is at least 12 for icmp"),
        (("--type", "stamp", "--size", "20"), "--size is at least 44 for stamp"),
        (("--source", "10.20.0"), "'10.20.0' is not an IP address: write for example 10.20.0.10"),
        (("--source", "0.0.0.0"), "packets cannot be sent from 0.0.0.0: write an address of this host"),
        (("--fwmark", "vpn"), "'vpn' is no mark: write a number such as 201 or 0xc9"),
        (("--fwmark", "-1"), "-1 is no mark: write a number from 1 to 4294967295"),
        (("--fwmark", "0x100000000"), "0x100000000 is no mark: write a number from 1 to 4294967295"),
        (("--target", "127.0.0.1:862"), "'127.0.0.1:862' is neither an IP address nor a host name: write for example"),
        (("--target", "[::1]"), "'[::1]': write an IPv6 address without brackets here"),
        (("--timeout", "0s"), "--timeout is between 1ms and 60s"),
        (("--timeout", "2m"), "--timeout is between 1ms and 60s"),
        (("--path", "vpn", "--source", "10.1.1.1"), "--path brings its own source"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(arguments: tuple[str, ...], words: str) -> None:
    found = run("--target", "127.0.0.1", *arguments)
    assert found.returncode == 2
    assert words in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "no-such-host.invalid"), "no-such-host.invalid does not resolve"),
        (("--target", "127.0.0.1", "--source", "192.0.2.77"), "cannot send from 192.0.2.77"),
        (("--target", "127.0.0.1", "--interface", "nosuch0"), "cannot use interface nosuch0"),
    ],
)
def test_what_cannot_be_measured_is_exit_code_3_and_says_why(arguments: tuple[str, ...], words: str) -> None:
    found = run(*arguments, "--type", "stamp", "--count", "2", *FAST)
    assert found.returncode == 3
    assert words in found.stderr


CONFIGURATION = """
agent: {{name: here}}
paths:
  expressroute: {{kind: expressroute, source: 127.0.0.1}}
  vpn: {{kind: vpn, source: 127.0.0.2}}
targets:
  hub: {{address: {{expressroute: 127.0.0.1, vpn: 127.0.0.1}}}}
probes:
  - {{name: stamp, stamp: {{port: {port}}}, interval: 1s, targets: [hub], paths: [expressroute, vpn]}}
"""


@pytest.fixture
def configuration(tmp_path: Path, reflector_port: int) -> str:
    file = tmp_path / "eragent.yaml"
    file.write_text(CONFIGURATION.format(port=reflector_port))
    return str(file)


def test_paths_of_a_configuration_are_probed_in_pairs_and_compared(reflector_port: int, configuration: str) -> None:
    both = ("--config", configuration, "--path", "vpn", "--path", "expressroute")
    arguments = ("--target", "hub", "--type", "stamp", "--port", str(reflector_port), "--count", "20", *FAST, *both)
    found = report(run(*arguments, "--json"))
    assert [(stream["path"], stream["target"]) for stream in found["streams"]] == [
        ("vpn", "hub"),
        ("expressroute", "hub"),
    ]
    [comparison] = found["comparisons"]
    assert (comparison["baseline"], comparison["candidate"]) == ("vpn", "expressroute")
    assert comparison["pairs"] + comparison["excluded"] == 20  # a busy host disturbs some, and these are left out
    assert re.search(r"expressroute against vpn(, \d+ pairs|: this host was stalled)", run(*arguments).stdout)


def test_the_ssids_of_all_paths_are_numbers_of_16_bits(configuration: str) -> None:
    both = ("--config", configuration, "--path", "vpn", "--path", "expressroute")
    found = run("--target", "hub", "--type", "stamp", "--ssid", "65535", *both)
    assert found.returncode == 2
    assert "--ssid is the first of 2 paths: begin at 65534 or below" in found.stderr


def test_paths_can_be_looked_up_by_those_who_cannot_read_the_keys(
    tmp_path: Path, reflector_port: int, configuration: str
) -> None:
    file = tmp_path / "with-a-key.yaml"
    text = Path(configuration).read_text()
    file.write_text(f"{text}reflector: {{stamp: {{key_file: /nonexistent/stamp.key}}}}\n")
    found = stamp(reflector_port, "--count", "2", "--config", str(file), "--path", "vpn", "--json")
    assert [stream["path"] for stream in report(found)["streams"]] == ["vpn"]


def test_an_unknown_path_names_the_ones_there_are(configuration: str) -> None:
    found = run("--target", "hub", "--config", configuration, "--path", "vnp")
    assert found.returncode == 2
    assert "--path vnp" in found.stderr
    assert "expressroute, vpn" in found.stderr


def test_a_broken_configuration_is_exit_code_2_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "eragent.yaml"
    file.write_text("agent: {name: x}\nnonsense: 1\n")
    found = run("--target", "hub", "--config", str(file), "--path", "vpn")
    assert found.returncode == 2
    assert f"{file}:2:1: nonsense" in found.stderr


def test_an_interrupted_run_reports_what_it_saw(reflector_port: int) -> None:
    command = [*ERAGENT, "probe", "--target", "127.0.0.1", "--type", "stamp", "--port", str(reflector_port)]
    with subprocess.Popen(
        [*command, "--interval", "5ms", "--count", "100000", "--json"], stdout=subprocess.PIPE
    ) as process:
        time.sleep(1.5)  # it is stopped in the middle, wherever that is
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)
    [stream] = json.loads(output)["streams"]
    assert 0 < stream["received"] < 100_000
    assert process.returncode == 0


def test_a_long_report_arrives_whole_however_slowly_it_is_read(reflector_port: int) -> None:
    command = [*ERAGENT, "probe", "--target", "127.0.0.1", "--type", "stamp", "--port", str(reflector_port)]
    with subprocess.Popen(
        [*command, "--interval", "1ms", "--count", "1000", "--json", "--samples"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        time.sleep(3)  # more than it takes: the pipe is full, and the writer waits
        assert process.stdout is not None
        [stream] = json.loads(process.stdout.read())["streams"]
    assert len(stream["samples"]) == 1000
