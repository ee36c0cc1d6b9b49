"""The options of a probe's packets become what its sender is told, or a message that says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from agent.cli.packets import PACKET_OPTIONS, options_of_packets, packet_options
from agent.plan import ProbeOptions
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.icmp.sender import IcmpOptions
from collectors.path import PacketMarks
from collectors.stamp.authentication import Key
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions

SECRET = b"0123456789abcdef"


def read(*arguments: str) -> tuple[ProbeOptions | None, str]:
    """Return what a command makes of its arguments, and what it says of them."""
    found: list[ProbeOptions] = []

    @click.command()
    @options_of_packets
    def command(**options: Any) -> None:
        assert set(options) == set(PACKET_OPTIONS)
        found.append(packet_options(**options))

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == (0 if found else 2), result.output
    return (found[0] if found else None), result.stderr


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "stamp.key"
    file.write_bytes(SECRET)
    file.chmod(0o600)
    return file


def test_icmp_with_its_defaults_is_what_is_sent_unless_said_otherwise() -> None:
    assert read() == (IcmpOptions(size=56), "")
    assert read("--type", "stamp") == (StampOptions(port=862, size=44), "")
    assert read("--type", "tcp") == (TcpOptions(port=443), "")


def test_size_and_marks_reach_packets_of_both_kinds() -> None:
    arguments = ("--size", "1400", "--dscp", "ef", "--dont-fragment")
    marks = PacketMarks(dscp=46, dont_fragment=True)
    assert read(*arguments)[0] == IcmpOptions(size=1400, marks=marks)
    assert read("--type", "stamp", *arguments)[0] == StampOptions(size=1400, marks=marks)


def test_all_of_stamp_reaches_the_sender(key_file: Path) -> None:
    arguments = ("--port", "8620", "--key-file", str(key_file), "--ssid", "7", "--timestamps", "ptp")
    found, _ = read("--type", "stamp", *arguments, "--tlvs", "follow_up,class_of_service")
    assert found == StampOptions(
        port=8620, size=112, key=Key(SECRET), ssid=7, ptp=True, tlvs=("follow_up", "class_of_service")
    )


def test_a_port_and_a_dscp_reach_connections() -> None:
    found, _ = read("--type", "tcp", "--port", "8443", "--dscp", "ef")
    assert found == TcpOptions(port=8443, marks=PacketMarks(dscp=46))


def test_no_extensions_are_not_the_automatic_choice() -> None:
    assert read("--type", "stamp", "--tlvs", "none")[0] == StampOptions(tlvs=())


def test_how_far_off_clocks_may_be_is_asked_in_their_own_unit() -> None:
    assert read("--type", "stamp", "--one-way-limit", "250us")[0] == StampOptions(one_way_limit_ns=250_000)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "862"), "--port goes with --type stamp or tcp: ICMP has no ports"),
        (("--type", "tcp", "--size", "0"), "--size goes with --type icmp or stamp: a TCP probe connects"),
        (("--type", "tcp", "--dont-fragment"), "--dont-fragment goes with --type icmp or stamp: TCP finds"),
        (("--type", "tcp", "--ssid", "7"), "--ssid goes with --type stamp: TCP has no session identifiers"),
        (("--type", "tcp", "--timestamps", "ntp"), "--timestamps goes with --type stamp: those of TCP"),
        (("--type", "tcp", "--tlvs", "none"), "--tlvs goes with --type stamp"),
        (("--type", "tcp", "--port", "0"), "0 is not in the range 1<=x<=65535"),
        (("--ssid", "7"), "--ssid goes with --type stamp: ICMP has no session identifiers"),
        (("--timestamps", "ntp"), "--timestamps goes with --type stamp: ICMP echo carries none"),
        (("--tlvs", "none"), "--tlvs goes with --type stamp: ICMP has no extensions"),
        (("--one-way-limit", "1ms"), "--one-way-limit goes with --type stamp: ICMP echo tells no time"),
        (("--type", "tcp", "--one-way-limit", "1ms"), "--one-way-limit goes with --type stamp: connections tell"),
        (("--type", "http", "--one-way-limit", "1ms"), "--one-way-limit goes with --type stamp: HTTP tells"),
        (("--type", "stamp", "--one-way-limit", "2s"), "'2s' is not between 1us and 1s"),
        (("--type", "stamp", "--one-way-limit", "1"), "a duration needs a unit: write 1ms, not 1"),
        (("--size", "5"), "--size is at least 12 for icmp"),
        (("--size", "0"), "--size is at least 12 for icmp"),
        (("--type", "stamp", "--size", "43"), "--size is at least 44 for stamp"),
        (("--type", "stamp", "--ssid", "65536"), "65536 is not in the range 1<=x<=65535"),
        (("--type", "stamp", "--timestamps", "utc"), "'utc' is not one of 'ntp', 'ptp'"),
        (
            ("--type", "stamp", "--tlvs", "follow_up,location"),
            "'location' is no extension: write none, or some of follow_up,class_of_service,direct_measurement",
        ),
        (("--type", "stamp", "--tlvs", ""), "'' is no extension"),
        (("--type", "stamp", "--key-file", "/nonexistent/stamp.key"), "/nonexistent/stamp.key is not there"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(arguments: tuple[str, ...], words: str) -> None:
    _, said = read(*arguments)
    assert words in " ".join(said.split())


def test_a_key_is_for_stamp_and_its_packets_are_longer(key_file: Path) -> None:
    assert "ICMP is not authenticated" in read("--key-file", str(key_file))[1]
    assert "--key-file goes with --type stamp" in read("--type", "tcp", "--key-file", str(key_file))[1]
    said = read("--type", "stamp", "--key-file", str(key_file), "--size", "64")[1]
    assert "--size is at least 112 with a key" in said


def test_a_key_that_does_not_serve_is_not_shown(key_file: Path) -> None:
    key_file.write_bytes(b"too short")
    said = read("--type", "stamp", "--key-file", str(key_file))[1]
    assert "holds no key" in said
    assert "too short" not in said


def test_all_of_http_reaches_the_probe(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    arguments = ("--method", "HEAD", "--expect", "2xx,401", "--follow", "3", "--ca-file", str(file), "--dscp", "ef")
    url = Url.parse("https://portal.example.net:8443/x")
    assert read("--type", "http", "--url", str(url), *arguments)[0] == HttpOptions(
        url=url, method="HEAD", expected=((200, 299), (401, 401)), follow=3, ca_file=file, marks=PacketMarks(dscp=46)
    )
    assert read("--type", "http", "--url", str(url), "--no-verify")[0] == HttpOptions(url=url, verify=False)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--type", "http"), "--type http asks for something: add --url"),
        (("--type", "http", "--url", "portal.example.net"), "no URL of a web server: write for example https://"),
        (("--type", "http", "--url", "https://a.example/", "--port", "8443"), "write it into the URL"),
        (("--type", "http", "--url", "https://a.example/", "--size", "64"), "--size goes with --type icmp or stamp"),
        (("--type", "http", "--url", "https://a.example/", "--expect", "ok"), "no HTTP statuses"),
        (("--url", "https://a.example/"), "--url goes with --type http"),
        (("--type", "tcp", "--follow", "0"), "--follow goes with --type http"),
        (("--type", "stamp", "--no-verify"), "--no-verify goes with --type http"),
    ],
)
def test_what_http_needs_or_does_not_know_is_said(arguments: tuple[str, ...], hint: str) -> None:
    options, message = read(*arguments)
    assert options is None
    assert hint in " ".join(message.split())


def test_authorities_and_no_check_exclude_each_other(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    arguments = ("--type", "http", "--url", "https://a.example/", "--ca-file", str(file), "--no-verify")
    assert "exclude each other" in read(*arguments)[1]
