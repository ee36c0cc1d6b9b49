"""What is sent in each slot, how often, where to."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema

from agent.config.sections.section import Section
from agent.config.sections.throughput import Budget, Every, Iperf3Section, Jitter, TimeZone, WindowOfDay
from agent.config.shapes import duration, duration_schema, integer, integer_schema, said, word
from agent.config.values import (
    AuthorityFile,
    Credential,
    Dscp,
    HttpUrl,
    Interval,
    KeyFile,
    Name,
    Port,
    Switch,
    Timeout,
)
from agent.plan import STAMP_TLVS, TIMESTAMP_FORMATS
from collectors.http.options import MAX_BODY, METHODS
from collectors.http.url import StatusRange, parse_status_ranges

PROBE_KINDS = ("icmp", "stamp", "tcp", "http")
"""The keys of a probe that say what it sends in each slot."""

KINDS = (*PROBE_KINDS, "iperf3")
"""The keys of a probe that say what it does: each probe has exactly one."""


def _statuses(value: Any) -> tuple[StatusRange, ...]:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"must be HTTP statuses such as 200 or 2xx,3xx, not {said(value)}")
    return parse_status_ranges(str(value))


# 65507 = the largest IPv4 packet (65535) less 20 octets of IPv4 and 8 of ICMP or UDP.
IcmpSize = Annotated[int, integer(12, 65507), integer_schema(12, 65507)]
StampSize = Annotated[int, integer(44, 65507), integer_schema(44, 65507)]
Ssid = Annotated[int, integer(1, 65535), integer_schema(1, 65535)]
ClockLimit = Annotated[int, duration("1us", "1s"), duration_schema("1ms", "200us")]
TimestampFormat = Annotated[str, word(TIMESTAMP_FORMATS), WithJsonSchema({"enum": list(TIMESTAMP_FORMATS)})]
Tlv = Annotated[str, word(STAMP_TLVS), WithJsonSchema({"enum": list(STAMP_TLVS)})]
Method = Annotated[str, word(METHODS), WithJsonSchema({"enum": list(METHODS)})]
Statuses = Annotated[
    tuple[StatusRange, ...],
    PlainValidator(_statuses),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["2xx,3xx", "200-299,401", 200]}),
]
RedirectCount = Annotated[int, integer(0, 20), integer_schema(0, 20)]
BodySize = Annotated[int, integer(0, 2**30), integer_schema(0, 2**30)]


class IcmpSection(Section):
    """ICMP echo requests, answered by the target's kernel."""

    size: IcmpSize = Field(56, description="Octets of data behind the 8-octet ICMP header, as `ping -s` counts them.")
    dscp: Dscp = Field(0, description="DSCP of the packets: a number, or a name such as `ef`.")
    dont_fragment: Switch = Field(False, description="Forbid routers to fragment the packets.")


class StampSection(Section):
    """STAMP test packets (RFC 8762), answered by a reflector at the target: eragent, or any TWAMP Light responder."""

    port: Port = Field(862, description="UDP port of the reflector.")
    size: StampSize = Field(
        44,
        description="Octets of UDP payload, at least: 44 is the base packet, 112 the one with a key; TLVs may make "
        "packets longer.",
    )
    dscp: Dscp = Field(0, description="DSCP of the packets: a number, or a name such as `ef`.")
    dont_fragment: Switch = Field(False, description="Forbid routers to fragment the packets.")
    key_file: KeyFile | None = Field(
        None,
        description="File of the key that authenticates packets both ways (RFC 8762, section 4.4): text of 16 octets "
        "or more, or `hex:` and digits, readable by the agent and not by everyone. A relative name is looked for "
        "beside this file.",
    )
    key_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )
    ssid: Ssid | None = Field(
        None,
        description="STAMP Session Identifier (RFC 8972, section 3) of the first stream; each further target and path "
        "of the probe has the next number. Without it none is sent.",
    )
    ssid_required: Switch = Field(
        False, description="Take only answers that carry the SSID; reflectors that know RFC 8762 alone return 0."
    )
    timestamps: TimestampFormat = Field("ntp", description="Format of the timestamps that are sent.")
    tlvs: list[Tlv] | None = Field(
        None,
        description="Extensions (RFC 8972) that packets carry; `[]` for none. Without it: `follow_up`, and "
        "`class_of_service` where `dscp` is set, as far as the reflector understands them.",
    )
    one_way_limit: ClockLimit = Field(
        "1ms",
        validate_default=True,
        description="By how much both ends' clocks together may be off UTC for one-way delays to be shown, "
        "1us to 1s. Beyond that there are none.",
    )


class TcpSection(Section):
    """Connections to a TCP port: one in each slot, closed at once by a reset, and no data.

    One that needs a second SYN, which the kernel sends after a second, is lost: the first one was.
    """

    port: Port = Field(443, description="TCP port of the target.")
    dscp: Dscp = Field(0, description="DSCP of the packets: a number, or a name such as `ef`.")


class HttpSection(Section):
    """Requests to a web server: one in each slot, over a connection of its own, by HTTP/1.1 and without any proxy.

    The target says where packets go; a name is looked up in each slot, and that is measured too.
    """

    url: HttpUrl = Field(description="What is asked. Its host is the name in the request and in the certificate.")
    method: Method = Field("GET", description="`HEAD` asks for no body.")
    expect: Statuses = Field(
        "200-399",
        validate_default=True,
        description="Statuses of an answer that counts: `200`, `2xx,3xx` or `200-299,401`. Any other is a failure.",
    )
    follow: RedirectCount = Field(
        0,
        description="Redirects that are followed at most, each by a connection of its own. With 0 they are answers.",
    )
    max_body: BodySize = Field(MAX_BODY, description="Octets of a body that are read; more are a failure.")
    verify: Switch = Field(True, description="Check the server's certificate. Without, results say so.")
    ca_file: AuthorityFile | None = Field(
        None,
        description="Certificate authorities to check it against (PEM), in place of the host's. A relative name is "
        "looked for beside this file.",
    )
    dscp: Dscp = Field(0, description="DSCP of the packets: a number, or a name such as `ef`.")


class ProbeSection(Section):
    """What is sent, how often, where to. One of `icmp`, `stamp`, `tcp`, `http` and `iperf3` says what.

    `{}` is its defaults. Those of kind `iperf3` have `every` and what stands below it, all others `interval` and
    `timeout`.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in KINDS]})

    name: Name = Field(description="Name of the probe, the `probe` label of its series; no two probes share one.")
    icmp: IcmpSection | None = Field(None, description="Send ICMP echo requests.")
    stamp: StampSection | None = Field(None, description="Send STAMP test packets.")
    tcp: TcpSection | None = Field(None, description="Make TCP connections.")
    http: HttpSection | None = Field(None, description="Ask a web server.")
    iperf3: Iperf3Section | None = Field(None, description="Test throughput.")
    interval: Interval = Field(
        "1s",
        validate_default=True,
        description="Time from one slot to the next, 1ms to 1h. Each slot sends one packet over every path.",
    )
    timeout: Timeout = Field(
        "2s", validate_default=True, description="Time after which an unanswered packet is lost, 1ms to 60s."
    )
    targets: list[Name] = Field(min_length=1, description="Names of the targets.")
    paths: list[Name] | None = Field(
        None,
        min_length=1,
        description="Names of the paths, probed in pairs in the same slot. Without it: all paths of this file.",
    )
    every: Every | None = Field(
        None, description="How often throughput is tested, 1m to 30d: at whole multiples of it since 1970 in UTC."
    )
    jitter: Jitter = Field(
        "0s", validate_default=True, description="Random time by which each round of tests is later, 0s to 1d."
    )
    windows: list[WindowOfDay] = Field(
        [],
        description="Times of the day in which tests may run, such as `01:00-05:00`, or of some days, such as "
        "`'Sat,Sun 01:00-05:00'` or `Mon-Fri 22:00-04:00`: the days on which they begin. Without any: always.",
    )
    timezone: TimeZone = Field(
        "UTC", validate_default=True, description="Time zone of the windows and of the budget's day."
    )
    budget: Budget | None = Field(
        None,
        description="What all tests together may move over each path in a day, such as `50GiB/day`; one that would go "
        "beyond is skipped. Without it: no limit.",
    )
