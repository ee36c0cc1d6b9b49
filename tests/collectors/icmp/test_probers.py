"""However many probers ask the same far end, each takes its own answers and no other's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from collectors.icmp.wire import echo_request, parse_echo_reply
from tests.collectors.icmp.in_a_network import PACKETS, PROBERS


@pytest.mark.root
@pytest.mark.parametrize("sockets", ["ping", "raw"])
def test_two_hundred_probers_with_one_identifier_each_have_their_own_answers(sockets: str) -> None:
    command = ["unshare", "--net", sys.executable, "-m", "tests.collectors.icmp.in_a_network", sockets]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"whole": PROBERS, "answered": PROBERS * PACKETS}


def test_an_address_translator_may_write_another_identifier() -> None:
    request = echo_request(version=4, identifier=7, sequence=3, token=b"eragent!", size=56)
    reply = b"\0" + request[1:4] + b"\x12\x34" + request[6:]
    assert parse_echo_reply(reply, version=4, token=b"eragent!", with_ip_header=False) == 3
