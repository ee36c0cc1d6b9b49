"""Where nothing was answered, what to look at depends on what was sent and what came back."""

from __future__ import annotations

from typing import Any

import pytest

from agent.plan import ProbeOptions
from agent.report.advice import advice
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.icmp.sender import IcmpOptions
from collectors.stamp.sender import StampOptions
from collectors.tcp.options import TcpOptions

HTTP = HttpOptions(url=Url.parse("http://10.1.0.4/"))


def report(*reasons: str, sent: int = 3, received: int = 0) -> dict[str, Any]:
    stream = {"target": "hub", "address": "10.1.0.4", "sent": sent, "received": received}
    return {"streams": [stream | {"path": path, "failed_reasons": dict.fromkeys(reasons, 3)} for path in ("a", "b")]}


@pytest.mark.parametrize(
    ("options", "reasons", "said"),
    [
        (StampOptions(), ("port_unreachable",), "nobody listens on UDP port 862 of 10.1.0.4: start `eragent reflect`"),
        (
            StampOptions(port=8862),
            (),
            "no answer from 10.1.0.4: see that its reflector allows this host, and that UDP port 8862",
        ),
        (
            TcpOptions(port=443),
            ("refused",),
            "nobody listens on TCP port 443 of 10.1.0.4: start the server, or correct --port",
        ),
        (TcpOptions(port=443), (), "no answer from 10.1.0.4: see that TCP port 443 is let through"),
        (IcmpOptions(), (), "10.1.0.4 answers no pings: try --type tcp, or stamp with a reflector there"),
    ],
)
def test_silence_is_told_once_with_what_to_look_at(options: ProbeOptions, reasons: tuple[str, ...], said: str) -> None:
    [line] = advice(report(*reasons), options)
    assert line.startswith(said)


@pytest.mark.parametrize("options", [StampOptions(), TcpOptions(port=443), IcmpOptions(), HTTP])
def test_who_answers_or_says_why_not_needs_no_advice(options: ProbeOptions) -> None:
    assert advice(report(received=1), options) == []
    assert advice(report(sent=0), options) == []
    assert advice(report("host_unreachable"), options) == []
