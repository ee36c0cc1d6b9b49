"""What is to be done, in the program's own terms: the command line and the configuration both end here. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.throughput.gateways import NamedRate
from agent.throughput.plan import ThroughputPlan
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.icmp.sender import IcmpOptions
from collectors.path import IPNetwork, NetworkPath, Target
from collectors.stamp.provided import MAX_PROVIDED
from collectors.stamp.sender import StampOptions
from collectors.stamp.table import MAX_SESSIONS, PACKETS_PER_SECOND
from collectors.tcp.options import TcpOptions

ProbeOptions = IcmpOptions | StampOptions | TcpOptions | HttpOptions
"""What kinds of probes there are; the engine's match over them is the one place that knows each."""

TIMESTAMP_FORMATS = ("ntp", "ptp")
STAMP_TLVS = ("follow_up", "class_of_service", "direct_measurement")
"""The extensions of STAMP (RFC 8972) that a probe can be told to send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What is sent, how often, to which targets, over which paths. All paths are probed in the same slot."""

    name: str
    options: ProbeOptions
    interval_ns: int
    timeout_ns: int
    targets: tuple[Target, ...]
    paths: tuple[NetworkPath, ...]

    def options_of(self, target: Target, path: NetworkPath) -> ProbeOptions:
        """Return what the stream to ``target`` over ``path`` sends: where there are SSIDs, each stream has its own."""
        if not isinstance(self.options, StampOptions) or not self.options.ssid:
            return self.options
        place = self.targets.index(target) * len(self.paths) + self.paths.index(path)
        return replace(self.options, ssid=self.options.ssid + place)


ANY_URL = Url.parse("http://target.invalid/")
"""What a module's HTTP options have in place of the URL that a request names (RFC 6761: never anybody's)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A probe that is made when somebody asks for it: ``count`` packets over each path, to the target they name."""

    name: str
    options: ProbeOptions
    count: int
    interval_ns: int
    timeout_ns: int
    paths: tuple[NetworkPath, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRequestPlan:
    """What is probed on request: ``modules`` by name, ``at_once`` requests.

    Targets of the plan may be asked for, and besides these addresses in the networks of ``allow``.
    """

    modules: Mapping[str, Module] = field(default_factory=dict)
    allow: tuple[IPNetwork, ...] = ()
    at_once: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketAddress:
    """A host (name, IPv4 or IPv6 address without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> SocketAddress:
        """Read ``HOST:PORT``, an IPv6 address in brackets; raise :class:`ValueError` that says how to write it."""
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            raise ValueError(f"{text!r} is no address and port: write for example 127.0.0.1:862 or [::1]:862")
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
            raise ValueError(f"{text!r} ends with no port: after the last colon comes a number from 0 to 65535")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r} is ambiguous: put an IPv6 address in brackets, for example [::1]:862")
        if not host or any(character in "[]" or character.isspace() for character in host):
            raise ValueError(f"{text!r} names no host: write for example 127.0.0.1:862 or [::1]:862")
        return cls(host=host, port=int(port))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorPlan:
    """Where this agent answers STAMP, and whom.

    With ``key_file`` only packets that its key authenticates are answered; the key itself is read by the process that
    answers. ``ssids``, where there are any, are the only ones answered. ``twamp`` is where TWAMP-Control listens (TCP).
    """

    listen: SocketAddress
    allow: tuple[IPNetwork, ...]
    key_file: Path | None = None
    packets_per_second: int = PACKETS_PER_SECOND
    max_sessions: int = MAX_SESSIONS
    ssids: tuple[int, ...] = ()
    twamp: SocketAddress | None = None
    twamp_max_sessions: int = MAX_PROVIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Iperf3ServerPlan:
    """Where this agent runs iperf3's server, the far side of tests of throughput, and who may test against it.

    With both files, clients have to be users (iperf3's RSA authentication): an RSA key (PEM, without a passphrase), and
    lines of user name and SHA-256. iperf3 reads both.
    """

    listen: SocketAddress
    allow: tuple[IPNetwork, ...]
    private_key_file: Path | None = None
    users_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPlan:
    """Which two paths of which probe are compared; a difference under ``margin_ns`` does not matter to the operator."""

    baseline: str
    candidate: str
    probe: str
    margin_ns: int = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPlan:
    """Where every sample is kept, how long, and how large the file may become."""

    directory: Path
    keep_ns: int = 35 * 86_400 * 1_000_000_000
    max_octets: int = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWritePlan:
    """Where the minutes of the history are sent, how that is known to be right, and who sends them.

    What is older than ``max_age_ns`` is not sent: the receiver would not take it.
    """

    url: Url
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    max_age_ns: int = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one agent does. ``gateways``: what Azure's gateway carries at the far end of a path, by name."""

    agent: str
    listen: SocketAddress
    probes: tuple[Probe, ...] = ()
    throughput: tuple[ThroughputPlan, ...] = ()
    reflector: ReflectorPlan | None = None
    iperf3_server: Iperf3ServerPlan | None = None
    comparisons: tuple[ComparisonPlan, ...] = ()
    history: HistoryPlan | None = None
    remote_write: RemoteWritePlan | None = None
    paths: Mapping[str, NetworkPath] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    on_request: OnRequestPlan = OnRequestPlan()
    gateways: Mapping[str, tuple[NamedRate, ...]] = field(default_factory=dict)
