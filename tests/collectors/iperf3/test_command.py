"""Options become arguments of iperf3, as far as its version can do what is asked."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from collectors.iperf3.command import arguments
from collectors.iperf3.failing import Iperf3Error, Iperf3Failure
from collectors.iperf3.options import Authentication, Direction, Iperf3Options, Protocol
from collectors.path import NetworkPath

PLAIN = NetworkPath(name="default")
LEAST = "--client 10.1.0.4 --port 5201 --json --time 10 --interval 1 --connect-timeout 5000"


def command(options: Iperf3Options, path: NetworkPath = PLAIN, version: tuple[int, int] = (3, 12)) -> str:
    return " ".join(arguments(options, "10.1.0.4", path, version))


def failure(options: Iperf3Options, path: NetworkPath = PLAIN, version: tuple[int, int] = (3, 12)) -> tuple[str, str]:
    with pytest.raises(Iperf3Error) as refused:
        command(options, path, version)
    return refused.value.failure, str(refused.value)


def test_defaults_are_left_to_iperf3() -> None:
    assert command(Iperf3Options()) == LEAST


def test_every_option_has_its_argument() -> None:
    options = Iperf3Options(
        protocol=Protocol.UDP,
        direction=Direction.DOWN,
        streams=4,
        omit_s=2,
        bits_per_second=100_000_000,
        dscp=46,
        congestion_control="cubic",
        window_bytes=1 << 20,
        mss_bytes=1360,
        payload_bytes=1200,
        client_port=40000,
    )
    path = NetworkPath(name="er", source=ip_address("10.1.1.10"), interface="eth1")
    assert command(options, path) == (
        f"{LEAST} --reverse --udp --udp-counters-64bit --parallel 4 --omit 2 --bitrate 25000000 --dscp 46 "
        "--congestion cubic --window 1048576 --set-mss 1360 --length 1200 --cport 40000 --bind 10.1.1.10 "
        "--bind-dev eth1"
    )


def test_both_directions_at_once() -> None:
    assert command(Iperf3Options(direction=Direction.BOTH)).endswith("--bidir")


def test_no_password_is_among_the_arguments() -> None:
    credentials = Authentication(user="eragent", password_file=Path("/p"), public_key_file=Path("/k.pem"))
    asked = f"{LEAST} --username eragent --rsa-public-key-path /k.pem"
    assert command(Iperf3Options(authentication=credentials), version=(3, 17)) == asked
    padded = Iperf3Options(authentication=replace(credentials, pkcs1_padding=True))
    assert command(padded, version=(3, 17)) == f"{asked} --use-pkcs1-padding"
    assert command(padded, version=(3, 16)) == asked


def test_a_mark_is_refused_since_the_test_would_take_another_path() -> None:
    reason, message = failure(Iperf3Options(), NetworkPath(name="vpn", source=ip_address("10.1.1.10"), fwmark=7))
    assert reason == Iperf3Failure.UNSUPPORTED
    assert message.startswith("path vpn: iperf3 cannot mark its packets (fwmark 0x7)")


def test_datagrams_need_a_rate() -> None:
    assert failure(Iperf3Options(protocol=Protocol.UDP))[0] == Iperf3Failure.UNSUPPORTED


@pytest.mark.parametrize(
    ("options", "path", "version", "message"),
    [
        (Iperf3Options(), PLAIN, (3, 7), "iperf3 3.7 is installed, and from 3.9 on it can be read by eragent"),
        (
            Iperf3Options(),
            NetworkPath(name="er", interface="eth1"),
            (3, 10),
            "iperf3 3.10 is installed, and from 3.11 on it can be bound to an interface (path er: eth1)",
        ),
        (
            Iperf3Options(direction=Direction.BOTH, client_port=4000),
            PLAIN,
            (3, 11),
            "iperf3 3.11 is installed, and from 3.12 on it can test both directions from a client port",
        ),
    ],
)
def test_what_the_version_cannot_do_is_refused(
    options: Iperf3Options, path: NetworkPath, version: tuple[int, int], message: str
) -> None:
    assert failure(options, path, version) == (Iperf3Failure.TOO_OLD, f"{message}: upgrade it")
