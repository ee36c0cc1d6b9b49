"""Every key of the configuration file: type, default, meaning and unit. What keys say together is checked elsewhere.

The descriptions are what ``docs/configuration.md`` and the JSON Schema for editors are made of.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from agent.config.problems import Key
from agent.config.values import (
    FORMAT,
    Address,
    AuthorityFile,
    BodySize,
    Budget,
    ClockLimit,
    CongestionControl,
    ControlSessionCount,
    Credential,
    Directory,
    Dscp,
    Every,
    FileSize,
    FlowCount,
    Format,
    Gateway,
    Host,
    HttpUrl,
    IcmpSize,
    Interface,
    Interval,
    Iperf3User,
    Jitter,
    Keep,
    KeyFile,
    Kind,
    Listen,
    ListenAddress,
    Margin,
    Mark,
    MaxAge,
    Method,
    Name,
    Network,
    PacketCount,
    PacketRate,
    PasswordFile,
    Port,
    PublicKeyFile,
    Rate,
    RedirectCount,
    RequestCount,
    SecretFile,
    SessionCount,
    Ssid,
    StampSize,
    Statuses,
    Switch,
    TestDirection,
    TestDuration,
    Timeout,
    TimestampFormat,
    TimeZone,
    Tlv,
    UserName,
    WarmUp,
    WindowOfDay,
    WindowSize,
)
from collectors.http.options import MAX_BODY
from collectors.iperf3.options import DEFAULT_PORT
from collectors.path import PathKind
from collectors.stamp.provided import MAX_PROVIDED
from collectors.stamp.table import MAX_SESSIONS, PACKETS_PER_SECOND

PROBE_KINDS = ("icmp", "stamp", "tcp", "http")
"""The keys of a probe that say what it sends in each slot."""

KINDS = (*PROBE_KINDS, "iperf3")
"""The keys of a probe that say what it does: each probe has exactly one."""


class Section(BaseModel):
    """A mapping of the configuration file: unknown keys are refused, nothing is converted silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AgentSection(Section):
    """Who measures."""

    name: Name | None = Field(
        None, description="Name of this agent, the `agent` label of every series. Without it: the host's name."
    )


class ProofSection(Section):
    """How the hops of a traced route show that this path was taken.

    Each key but `absent` names a network of which a hop must be a part, for example the peering prefix of a Microsoft
    edge link.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, Network]

    absent: list[Network] = Field([], description="Networks of which no hop may be a part.")

    @property
    def prefixes(self) -> dict[str, Network]:
        """The named networks."""
        return self.__pydantic_extra__


class PathSection(Section):
    """A way to the far side. `source`, `interface` and `fwmark` put packets on it; without any, the routes decide."""

    kind: Kind = Field(PathKind.OTHER, description="What the path is bought as.")
    source: Address | None = Field(None, description="Address of this host that packets are sent from.")
    interface: Interface | None = Field(
        None, description="Interface that packets leave by (SO_BINDTODEVICE; before Linux 5.7 it needs CAP_NET_RAW)."
    )
    fwmark: Mark | None = Field(
        None,
        description="Mark of the packets for rules of policy routing (SO_MARK; it needs CAP_NET_ADMIN, or CAP_NET_RAW "
        "since Linux 5.17).",
    )
    rate: Rate | None = Field(None, description="What was bought, in bits per second.")
    gateway: Gateway | None = Field(
        None,
        description="Azure's gateway at its end, whose published rate throughput is compared with: `ErGw1AZ`, "
        "`ErGwScale 4`, `VpnGw2AZ gen2 GCMAES256` (SKU, generation, cipher of the tunnel).",
    )
    proof: ProofSection | None = Field(None, description="How a traced route shows that this path was taken.")


ADDRESS_FORMS = ("<one>", "<per path>")
"""How pydantic tells the forms of an address apart in the places of its errors; they are no keys of the file."""


def _form_of_address(value: Any) -> str:
    return ADDRESS_FORMS[isinstance(value, dict)]


class TargetSection(Section):
    """A far end that is probed."""

    address: Annotated[
        Annotated[Host, Tag(ADDRESS_FORMS[0])] | Annotated[dict[Name, Host], Tag(ADDRESS_FORMS[1])],
        Discriminator(_form_of_address),
    ] = Field(
        description="Address or DNS name, or one for each path where the paths end in different networks: "
        "`{expressroute: 10.1.0.4, vpn: 10.2.0.4}`."
    )


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
        [], description="Times of the day in which tests may run, such as `01:00-05:00`. Without any: always."
    )
    timezone: TimeZone = Field(
        "UTC", validate_default=True, description="Time zone of the windows and of the budget's day."
    )
    budget: Budget | None = Field(
        None,
        description="What all tests together may move over each path in a day, such as `50GiB/day`; one that would go "
        "beyond is skipped. Without it: no limit.",
    )


class HttpModuleSection(Section):
    """Requests to the web server that the target is, as in a probe; redirects are answers, for they lead elsewhere."""

    method: Method = Field("GET", description="`HEAD` asks for no body.")
    expect: Statuses = Field("200-399", validate_default=True, description="Statuses of an answer that counts.")
    max_body: BodySize = Field(MAX_BODY, description="Octets of a body that are read; more are a failure.")
    verify: Switch = Field(True, description="Check the server's certificate. Without, results say so.")
    ca_file: AuthorityFile | None = Field(
        None, description="Certificate authorities to check it against (PEM), in place of the host's."
    )
    dscp: Dscp = Field(0, description="DSCP of the packets: a number, or a name such as `ef`.")


class ModuleSection(Section):
    """What `/probe?module=...` sends: one of `icmp`, `stamp`, `tcp` and `http`, with the options of a probe.

    The target of the request may bring a port (`tcp`, `stamp`), and is a URL where that is `http`.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in PROBE_KINDS]})

    icmp: IcmpSection | None = Field(None, description="Send ICMP echo requests.")
    stamp: StampSection | None = Field(None, description="Send STAMP test packets.")
    tcp: TcpSection | None = Field(None, description="Make TCP connections.")
    http: HttpModuleSection | None = Field(None, description="Ask a web server.")
    count: PacketCount = Field(10, description="Packets over each path; fewer where the scrape's time is shorter.")
    interval: Interval = Field(
        "100ms", validate_default=True, description="Time from one packet to the next, 1ms to 1h."
    )
    timeout: Timeout = Field(
        "1s", validate_default=True, description="Time after which an unanswered packet is lost, 1ms to 60s."
    )
    paths: list[Name] | None = Field(
        None, min_length=1, description="Names of the paths that it is sent over. Without it: all paths of this file."
    )


class OnRequestSection(Section):
    """Whom `/probe` may be asked to probe. Whoever reaches `listen` can ask, so these hosts learn of this one."""

    allow: list[Network] = Field(
        [], description="Networks whose addresses may be asked for; targets of this file always may."
    )
    at_once: RequestCount = Field(8, description="How many requests are answered at once; further ones get a 503.")


class StampReflectorSection(Section):
    """Answers STAMP and TWAMP Light test packets."""

    listen: ListenAddress = Field("[::]:862", validate_default=True, description="Address and UDP port to answer on.")
    allow: list[Network] = Field(
        [ip_network("127.0.0.0/8"), ip_network("::1/128")],
        min_length=1,
        description="Networks of the peers that are answered; nobody else is.",
    )
    key_file: KeyFile | None = Field(
        None,
        description="File of a key, as in a probe: then only packets that it authenticates are answered.",
    )
    key_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )
    packets_per_second: PacketRate = Field(
        PACKETS_PER_SECOND, description="How many packets of each source address are answered."
    )
    max_sessions: SessionCount = Field(MAX_SESSIONS, description="How many sessions of senders are kept at once.")
    ssids: list[Ssid] | None = Field(
        None,
        min_length=1,
        description="Session Identifiers that are answered; nobody else is. Without it: all, and packets without one.",
    )


class TwampSection(Section):
    """TWAMP-Control (RFC 5357, unauthenticated): lets clients such as `twping` ask for test sessions."""

    listen: ListenAddress = Field("[::]:862", validate_default=True, description="Address and TCP port of the control.")
    max_sessions: ControlSessionCount = Field(MAX_PROVIDED, description="How many test sessions may be open at once.")


class Iperf3ReflectorSection(Section):
    """Runs iperf3's server, the far side of tests of throughput; it takes one at a time. See docs/throughput.md."""

    listen: ListenAddress = Field(
        "[::]:5201", validate_default=True, description="Address and port of tests, TCP and during one by UDP also UDP."
    )
    allow: list[Network] = Field(
        [ip_network("127.0.0.0/8"), ip_network("::1/128")],
        min_length=1,
        description="Networks of the peers that may test; packets of all others are dropped.",
    )
    key_file: KeyFile | None = Field(
        None,
        description="RSA key (PEM, without a passphrase) of iperf3's authentication; then clients have to be users. A "
        "relative name is looked for beside this file.",
    )
    key_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )
    users_file: KeyFile | None = Field(
        None, description="Who the users are, as iperf3 reads it: lines of name, comma and SHA-256 of `{NAME}PASSWORD`."
    )
    users_credential: Credential | None = Field(
        None, description="The same as a credential of systemd: NAME of `LoadCredential=NAME:FILE` in the unit."
    )


class ReflectorSection(Section):
    """What this agent answers to its peers."""

    stamp: StampReflectorSection = Field(description="Answer STAMP test packets; `{}` takes the defaults.")
    twamp: TwampSection | None = Field(
        None,
        description="Let TWAMP clients in the networks of `stamp.allow` set up sessions; `{}` takes the defaults. "
        "Without it: nobody.",
    )
    iperf3: Iperf3ReflectorSection | None = Field(
        None, description="Run iperf3's server; `{}` takes the defaults. Without it: none."
    )


class HistorySection(Section):
    """Keeps every sample on this host's disk, for `eragent export` and for comparisons; see docs/history.md."""

    directory: Directory = Field(
        Path("/var/lib/eragent"),
        description="Directory of its own for this agent, which it can write; `StateDirectory=` of the unit makes the "
        "default. A relative name is looked for beside this file.",
    )
    keep: Keep = Field("35d", validate_default=True, description="How long samples are kept, 1h to 3650d.")
    max_size: FileSize = Field(
        "2GiB",
        validate_default=True,
        description="How large the file may become, 16MiB to 1TiB: beyond it the oldest samples go first.",
    )


class RemoteWriteSection(Section):
    """Sends the minutes of the history by Prometheus' remote write: also those in which nobody could ask this agent.

    They are series of their own, `eragent_minute_...`, with their original times; see docs/history.md.
    """

    url: HttpUrl = Field(description="The receiver's URL, for example `https://prometheus.example.net/api/v1/write`.")
    ca_file: AuthorityFile | None = Field(
        None,
        description="Certificate authorities that the receiver's certificate is checked against (PEM), in place of the "
        "host's. A relative name is looked for beside this file, here and below.",
    )
    username: UserName | None = Field(None, description="Name of the user for basic authentication.")
    password_file: SecretFile | None = Field(None, description="File of that user's password, read for each request.")
    token_file: SecretFile | None = Field(None, description="File of a bearer token, read for each request.")
    max_age: MaxAge = Field(
        "1d",
        validate_default=True,
        description="What is older is not sent, 10m to 3650d: not more than the receiver's `out_of_order_time_window`.",
    )


class ComparisonSection(Section):
    """Two paths of one probe, compared all the time."""

    baseline: Name = Field(description="The path that is compared with.")
    candidate: Name = Field(description="The path that should be better.")
    probe: Name = Field(description="The probe that measures both paths.")
    margin: Margin = Field(
        "500us",
        validate_default=True,
        description="Differences of delays up to this do not matter, 0ms to 60s; with 0ms no delays are the same.",
    )


class Configuration(Section):
    """The whole file."""

    version: Format = Field(FORMAT, description="Version of this format. A file of a newer one is refused.")
    agent: AgentSection = Field(AgentSection(), description="This agent.")
    listen: Listen = Field(
        "127.0.0.1:9469",
        validate_default=True,
        description="Address and port of `/metrics`, `/probe`, `/-/healthy` and `/-/ready`.",
    )
    paths: dict[Name, PathSection] = Field(
        {}, description="Ways to the far side, by name. Without any: one path `default` on which the routes decide."
    )
    targets: dict[Name, TargetSection] = Field({}, description="Far ends, by name.")
    probes: list[ProbeSection] = Field([], description="What is sent.")
    modules: dict[Name, ModuleSection] = Field(
        {},
        description="Probes that are made on request, `/probe?module=NAME&target=HOST`. Without any: `icmp`, `stamp`, "
        "`tcp_connect` and `http_2xx`.",
    )
    on_request: OnRequestSection = Field(OnRequestSection(), description="Whom `/probe` may be asked to probe.")
    reflector: ReflectorSection | None = Field(None, description="Answer the probes of other agents.")
    history: HistorySection | None = Field(
        None, description="Keep every sample on disk; `{}` takes the defaults. Without it: nothing is kept."
    )
    remote_write: RemoteWriteSection | None = Field(
        None, description="Send the minutes of the history to a receiver. Without it: they stay here."
    )
    comparisons: list[ComparisonSection] = Field([], description="Which paths are compared.")


def section_at(key: Key) -> type[Section] | None:
    """Return the section whose keys stand at ``key``; ``None`` where there is a plain value."""
    annotation: Any = Configuration
    for part in key:
        annotation = _inner(annotation, part)
    section = _without_none(annotation)
    return section if isinstance(section, type) and issubclass(section, Section) else None


def _inner(annotation: Any, part: str | int) -> Any:
    bare = _without_none(annotation)
    if get_origin(bare) in (list, dict):
        return get_args(bare)[-1]
    field = bare.model_fields.get(str(part)) if isinstance(bare, type) and issubclass(bare, Section) else None
    return None if field is None else field.annotation


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(inner for inner in get_args(annotation) if inner is not type(None))
