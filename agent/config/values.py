"""The values of the configuration's keys: each reads what YAML gave, checks bounds, and describes itself to editors.

Every mistake is a ``ValueError`` whose message stands alone behind the key: ``must be between 1 and 65535``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import tzinfo
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import PlainValidator, WithJsonSchema

from agent.config.quantities import DSCP_NAMES, parse_dscp, parse_duration, parse_rate, parse_size
from agent.keys import parse_credential_name
from agent.plan import STAMP_TLVS, TIMESTAMP_FORMATS, SocketAddress
from agent.throughput.budget import parse_budget
from agent.throughput.gateways import NamedRate, parse_gateway
from agent.throughput.timetable import Window, parse_zone
from agent.throughput.user import parse_user
from collectors.http.options import METHODS
from collectors.http.url import StatusRange, Url, parse_status_ranges
from collectors.iperf3.options import MAX_STREAMS, Direction
from collectors.path import IPAddress, IPNetwork, PathKind

T = TypeVar("T")

NAME_PATTERN = "^[A-Za-z0-9._-]{1,63}$"
_NAME = re.compile("[A-Za-z0-9._-]{1,63}")
_HOST_LABEL = re.compile("[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# What the kernel accepts (dev_valid_name in net/core/dev.c): IFNAMSIZ less the final zero, no "/", ":" or space.
_INTERFACE = re.compile(r"[^\s/:]{1,15}")


def said(value: Any) -> str:
    """Name what YAML gave, for messages: ``a mapping``, ``a list``, or the value itself."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def parse_name(text: str) -> str:
    """Check a name of an agent, path, target or probe: it becomes the value of a label."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name: write 1 to 63 letters, digits, '.', '_' or '-'")
    return text


def parse_host(text: str) -> str:
    """Check an IP address (written back in its shortest form) or a DNS name."""
    if text.startswith("["):
        raise ValueError(f"{text!r}: write an IPv6 address without brackets here")
    if literal_address(text) is not None:
        return str(ip_address(text))
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or labels[-1].isdigit() or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text!r} is neither an IP address nor a host name: write for example 10.1.0.4 (no port)")
    return text


def literal_address(host: str) -> IPAddress | None:
    """Return the address where ``host`` is one, ``None`` where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _address(text: str) -> IPAddress:
    address = literal_address(text)
    if address is None:
        raise ValueError(f"{text!r} is not an IP address: write for example 10.20.0.10")
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"packets cannot be sent from {text}: write an address of this host")
    return address


def _network(text: str) -> IPNetwork:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network: write for example 192.168.11.16/30") from None
    if ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(f"{text} has bits set behind the prefix: write {network}")
    return network


def _interface(text: str) -> str:
    if not _INTERFACE.fullmatch(text) or text in {".", ".."}:
        raise ValueError(f"{text!r} is not the name of an interface: write for example eth0 (see 'ip link')")
    return text


def _listen(text: str) -> SocketAddress:
    address = SocketAddress.parse(text)
    if address.port == 0:
        raise ValueError(f"{text!r} has no fixed port: write one between 1 and 65535")
    return address


def _listen_address(text: str) -> SocketAddress:
    address = _listen(text)
    if literal_address(address.host) is None:
        raise ValueError(f"{text!r} is a name: write the address to listen on, for example [::]:862")
    return address


def _file(text: str) -> Path:
    if not text.isprintable() or not text.strip():
        raise ValueError(f"{text!r} names no file: write for example /etc/eragent/stamp.key")
    return Path(text)


def _parse_whole_seconds(text: str) -> int:
    duration_ns = parse_duration(text)
    if duration_ns % 1_000_000_000:
        raise ValueError(f"{text!r} is no whole number of seconds: write for example 10s")
    return duration_ns


def _congestion_control(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]{1,15}", text):  # TCP_CA_NAME_MAX of the kernel, less the final zero
        raise ValueError(f"{text!r} is no congestion control: write for example cubic")
    return text


def _user_name(text: str) -> str:
    if not text.isprintable() or not text or ":" in text:
        raise ValueError(f"{text!r} is no name of a user: write one without ':' (RFC 7617)")
    return text


def _statuses(value: Any) -> tuple[StatusRange, ...]:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"must be HTTP statuses such as 200 or 2xx,3xx, not {said(value)}")
    return parse_status_ranges(str(value))


def _path_kind(text: str) -> PathKind:
    try:
        return PathKind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a kind of path: write {', '.join(PathKind)}") from None


def _text(read: Callable[[str], T]) -> PlainValidator:
    def validate(value: Any) -> T:
        if not isinstance(value, str):
            raise ValueError(f"must be text, not {said(value)}")
        return read(value)

    return PlainValidator(validate)


def _word(words: Sequence[str]) -> PlainValidator:
    def validate(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}, not {said(value)}")
        return str(value)

    return PlainValidator(validate)


def _integer(least: int, most: int) -> PlainValidator:
    def validate(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be a whole number between {least} and {most}, not {said(value)}")
        if not least <= value <= most:
            raise ValueError(f"must be between {least} and {most}")
        return value

    return PlainValidator(validate)


def _integer_schema(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


def _quantity(parse: Callable[[str], int], *, least: int, most: int, bounds: str) -> PlainValidator:
    def validate(value: Any) -> int:
        if isinstance(value, (bool, dict, list)):
            raise ValueError(f"must be {bounds}, not {said(value)}")
        amount = parse(str(value))
        if not least <= amount <= most:
            raise ValueError(f"must be {bounds}")
        return amount

    return PlainValidator(validate)


def _duration(least: str, most: str) -> PlainValidator:
    bounds = f"between {least} and {most}"
    return _quantity(parse_duration, least=parse_duration(least), most=parse_duration(most), bounds=bounds)


def _seconds(least: int, most: int, bounds: str) -> PlainValidator:
    second_ns = 1_000_000_000
    return _quantity(_parse_whole_seconds, least=least * second_ns, most=most * second_ns, bounds=bounds)


def _duration_schema(*examples: str) -> WithJsonSchema:
    pattern = r"^[0-9]+(\.[0-9]+)? ?(ns|us|µs|μs|ms|s|m|h|d)$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


def _dscp(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"must be a DSCP such as 46 or ef, not {said(value)}")
    return parse_dscp(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {said(value)}")
    return value


_DSCP_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 63}, {"enum": list(DSCP_NAMES)}], "examples": ["ef", 46]}
)


def _string_schema(*examples: str, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string"}
    if pattern:
        schema["pattern"] = pattern
    if examples:
        schema["examples"] = list(examples)
    return WithJsonSchema(schema)


Name = Annotated[str, _text(parse_name), _string_schema(pattern=NAME_PATTERN)]
Host = Annotated[str, _text(parse_host), _string_schema("10.1.0.4", "hub.example.net")]
Address = Annotated[IPAddress, _text(_address), _string_schema("10.20.0.10", "fd00::10")]
Network = Annotated[IPNetwork, _text(_network), _string_schema("192.168.11.16/30")]
Interface = Annotated[str, _text(_interface), _string_schema("eth0")]
Listen = Annotated[SocketAddress, _text(_listen), _string_schema("127.0.0.1:9469", "[::1]:9469")]
ListenAddress = Annotated[SocketAddress, _text(_listen_address), _string_schema("[::]:862", "10.20.0.10:862")]
Kind = Annotated[PathKind, _text(_path_kind), WithJsonSchema({"enum": [str(kind) for kind in PathKind]})]
Rate = Annotated[
    int,
    _quantity(parse_rate, least=1, most=10**15, bounds="between 1bit and 1000Tbit"),
    _string_schema("1Gbit", "650Mbit", pattern=r"^[0-9]+(\.[0-9]+)? ?(bit|kbit|Mbit|Gbit|Tbit)$"),
]
Mark = Annotated[int, _integer(1, 2**32 - 1), _integer_schema(1, 2**32 - 1)]
Port = Annotated[int, _integer(1, 65535), _integer_schema(1, 65535)]
# 65507 = the largest IPv4 packet (65535) less 20 octets of IPv4 and 8 of ICMP or UDP.
IcmpSize = Annotated[int, _integer(12, 65507), _integer_schema(12, 65507)]
StampSize = Annotated[int, _integer(44, 65507), _integer_schema(44, 65507)]
FORMAT = 1
"""The version of the configuration's format that this program reads."""


def _format(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"must be {FORMAT}, the version of this format")
    if value > FORMAT:
        raise ValueError(f"is {value}, the format of a newer eragent; this one reads {FORMAT}: install the newer one")
    if value < FORMAT:
        raise ValueError(f"is {value}, and there is no such format: write {FORMAT}")
    return value


Format = Annotated[int, PlainValidator(_format), _integer_schema(FORMAT, FORMAT)]
Ssid = Annotated[int, _integer(1, 65535), _integer_schema(1, 65535)]
PacketRate = Annotated[int, _integer(1, 1_000_000), _integer_schema(1, 1_000_000)]
SessionCount = Annotated[int, _integer(1, 1_000_000), _integer_schema(1, 1_000_000)]
ControlSessionCount = Annotated[int, _integer(1, 1024), _integer_schema(1, 1024)]
TimestampFormat = Annotated[str, _word(TIMESTAMP_FORMATS), WithJsonSchema({"enum": list(TIMESTAMP_FORMATS)})]
Tlv = Annotated[str, _word(STAMP_TLVS), WithJsonSchema({"enum": list(STAMP_TLVS)})]
KeyFile = Annotated[Path, _text(_file), _string_schema("/etc/eragent/stamp.key")]
Credential = Annotated[str, _text(parse_credential_name), _string_schema("stamp-key")]
HttpUrl = Annotated[Url, _text(Url.parse), _string_schema("https://portal.example.net/healthz")]
Method = Annotated[str, _word(METHODS), WithJsonSchema({"enum": list(METHODS)})]
Statuses = Annotated[
    tuple[StatusRange, ...],
    PlainValidator(_statuses),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["2xx,3xx", "200-299,401", 200]}),
]
PacketCount = Annotated[int, _integer(1, 1000), _integer_schema(1, 1000)]
RequestCount = Annotated[int, _integer(1, 100), _integer_schema(1, 100)]
RedirectCount = Annotated[int, _integer(0, 20), _integer_schema(0, 20)]
BodySize = Annotated[int, _integer(0, 2**30), _integer_schema(0, 2**30)]
AuthorityFile = Annotated[Path, _text(_file), _string_schema("/etc/eragent/ca.pem")]
Directory = Annotated[Path, _text(_file), _string_schema("/var/lib/eragent")]
Keep = Annotated[int, _duration("1h", "3650d"), _duration_schema("35d", "12h")]
FileSize = Annotated[
    int,
    _quantity(parse_size, least=16 << 20, most=1 << 40, bounds="between 16MiB and 1TiB"),
    _string_schema("2GiB", "500MB", pattern=r"^[0-9]+(\.[0-9]+)? ?(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)$"),
]
UserName = Annotated[str, _text(_user_name), _string_schema("eragent")]
SecretFile = Annotated[Path, _text(_file), _string_schema("/etc/eragent/remote-write.token")]
Iperf3User = Annotated[str, _text(parse_user), _string_schema("site")]
PasswordFile = Annotated[Path, _text(_file), _string_schema("/etc/eragent/iperf3.password")]
PublicKeyFile = Annotated[Path, _text(_file), _string_schema("/etc/eragent/iperf3-server.pem")]
MaxAge = Annotated[int, _duration("10m", "3650d"), _duration_schema("1d", "2h")]
Dscp = Annotated[int, PlainValidator(_dscp), _DSCP_SCHEMA]
Switch = Annotated[bool, PlainValidator(_switch), WithJsonSchema({"type": "boolean"})]
TestDuration = Annotated[int, _seconds(1, 3600, "between 1s and 1h"), _duration_schema("10s", "30s")]
WarmUp = Annotated[int, _seconds(0, 60, "between 0s and 60s"), _duration_schema("1s", "2s")]
TestDirection = Annotated[str, _word([*Direction]), WithJsonSchema({"enum": [str(each) for each in Direction]})]
FlowCount = Annotated[int, _integer(1, MAX_STREAMS), _integer_schema(1, MAX_STREAMS)]
WindowSize = Annotated[
    int,
    _quantity(parse_size, least=1 << 10, most=1 << 30, bounds="between 1KiB and 1GiB"),
    _string_schema("64KiB", "4MiB"),
]
CongestionControl = Annotated[str, _text(_congestion_control), _string_schema("cubic", "bbr")]
Every = Annotated[int, _duration("1m", "30d"), _duration_schema("1h", "24h")]
Jitter = Annotated[int, _duration("0s", "1d"), _duration_schema("5m")]
WindowOfDay = Annotated[Window, _text(Window.parse), _string_schema("01:00-05:00", "22:00-04:00")]
TimeZone = Annotated[tzinfo, _text(parse_zone), _string_schema("Europe/Paris", "UTC")]
Budget = Annotated[int, _text(parse_budget), _string_schema("50GiB/day")]
Gateway = Annotated[tuple[NamedRate, ...], _text(parse_gateway), _string_schema("ErGw1AZ", "VpnGw2AZ gen2 GCMAES256")]
Interval = Annotated[int, _duration("1ms", "1h"), _duration_schema("100ms", "1s")]
Timeout = Annotated[int, _duration("1ms", "60s"), _duration_schema("500ms", "2s")]
Margin = Annotated[int, _duration("0ms", "60s"), _duration_schema("1ms", "500us")]
ClockLimit = Annotated[int, _duration("1us", "1s"), _duration_schema("1ms", "200us")]
