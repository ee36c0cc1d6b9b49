"""Tests of throughput: what iperf3 is told, and when it is."""

from __future__ import annotations

import re
from datetime import tzinfo
from pathlib import Path
from typing import Annotated

from pydantic import Field, WithJsonSchema

from agent.config.quantities import parse_size
from agent.config.sections.section import Section
from agent.config.shapes import (
    duration,
    duration_schema,
    integer,
    integer_schema,
    quantity,
    seconds,
    string_schema,
    text,
    word,
)
from agent.config.values import Credential, Dscp, Port, Rate, Switch, file_name
from agent.throughput.budget import parse_budget
from agent.throughput.timetable import Window, parse_zone
from agent.throughput.user import parse_user
from collectors.iperf3.options import DEFAULT_PORT, MAX_STREAMS, Direction


def _congestion_control(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]{1,15}", text):  # TCP_CA_NAME_MAX of the kernel, less the final zero
        raise ValueError(f"{text!r} is no congestion control: write for example cubic")
    return text


TestDuration = Annotated[int, seconds(1, 3600, "between 1s and 1h"), duration_schema("10s", "30s")]
WarmUp = Annotated[int, seconds(0, 60, "between 0s and 60s"), duration_schema("1s", "2s")]
TestDirection = Annotated[str, word([*Direction]), WithJsonSchema({"enum": [str(each) for each in Direction]})]
FlowCount = Annotated[int, integer(1, MAX_STREAMS), integer_schema(1, MAX_STREAMS)]
WindowSize = Annotated[
    int,
    quantity(parse_size, least=1 << 10, most=1 << 30, bounds="between 1KiB and 1GiB"),
    string_schema("64KiB", "4MiB"),
]
CongestionControl = Annotated[str, text(_congestion_control), string_schema("cubic", "bbr")]
Iperf3User = Annotated[str, text(parse_user), string_schema("site")]
PasswordFile = Annotated[Path, text(file_name), string_schema("/etc/eragent/iperf3.password")]
PublicKeyFile = Annotated[Path, text(file_name), string_schema("/etc/eragent/iperf3-server.pem")]
Every = Annotated[int, duration("1m", "30d"), duration_schema("1h", "24h")]
Jitter = Annotated[int, duration("0s", "1d"), duration_schema("5m")]
WindowOfDay = Annotated[Window, text(Window.parse), string_schema("01:00-05:00", "Sat,Sun 22:00-04:00")]
TimeZone = Annotated[tzinfo, text(parse_zone), string_schema("Europe/Paris", "UTC")]
Budget = Annotated[int, text(parse_budget), string_schema("50GiB/day")]


class Iperf3Section(Section):
    """Tests of throughput by the iperf3 program, against any server of it. See docs/throughput.md."""

    port: Port = Field(DEFAULT_PORT, description="Port of the server.")
    duration: TestDuration = Field(
        "10s", validate_default=True, description="Of each test, whole seconds from 1s to 1h."
    )
    omit: WarmUp = Field(
        "0s", validate_default=True, description="Warming up ahead of it, which does not count in results, 0s to 60s."
    )
    direction: TestDirection = Field("up", description="`up` is to the target; `both` is both at the same time.")
    streams: FlowCount | None = Field(None, description="Flows at the same time. Without it: 1.")
    stages: Switch = Field(False, description="Test with 1, 6, 16 and 32 flows, one after the other.")
    udp: Rate | None = Field(None, description="Send UDP at this rate, all flows together. Without it: TCP.")
    window: WindowSize | None = Field(None, description="TCP window of each flow. Without it: what the kernels choose.")
    congestion: CongestionControl | None = Field(
        None, description="TCP's congestion control, such as `cubic`. Without it: the sending kernel's own."
    )
    dscp: Dscp = Field(0, description="DSCP of the packets: a number, or a name such as `ef`.")
    user: Iperf3User | None = Field(
        None, description="Who tests, where the server asks (iperf3's RSA authentication): with a password and its key."
    )
    password_file: PasswordFile | None = Field(
        None,
        description="File of the user's password, one line, readable by the agent and not by everyone. A relative name "
        "is looked for beside this file.",
    )
    password_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )
    public_key_file: PublicKeyFile | None = Field(
        None, description="File of the server's public key (PEM), with which the password is encrypted."
    )
    pkcs1_padding: Switch = Field(
        False, description="Encrypt as servers before iperf3 3.17 need it of clients since then."
    )
