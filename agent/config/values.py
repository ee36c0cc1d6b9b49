"""Values that keys of several sections have: names, addresses, files, durations. Others stand beside their section."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from agent.config.hosts import literal_address, parse_host, parse_source
from agent.config.quantities import DSCP_NAMES, parse_dscp, parse_rate
from agent.config.shapes import (
    duration,
    duration_schema,
    integer,
    integer_schema,
    quantity,
    said,
    string_schema,
    text,
)
from agent.keys import parse_credential_name
from agent.plan import SocketAddress
from collectors.http.url import Url
from collectors.path import IPAddress, IPNetwork

NAME_PATTERN = "^[A-Za-z0-9._-]{1,63}$"
_NAME = re.compile("[A-Za-z0-9._-]{1,63}")


def parse_name(text: str) -> str:
    """Check a name of an agent, path, target or probe: it becomes the value of a label."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name: write 1 to 63 letters, digits, '.', '_' or '-'")
    return text


def _network(text: str) -> IPNetwork:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network: write for example 192.168.11.16/30") from None
    if ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(f"{text} has bits set behind the prefix: write {network}")
    return network


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


def file_name(text: str) -> Path:
    """Read the name of a file; whether it is there is no question of the text."""
    if not text.isprintable() or not text.strip():
        raise ValueError(f"{text!r} names no file: write for example /etc/eragent/stamp.key")
    return Path(text)


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

Name = Annotated[str, text(parse_name), string_schema(pattern=NAME_PATTERN)]
Host = Annotated[str, text(parse_host), string_schema("10.1.0.4", "hub.example.net")]
Address = Annotated[IPAddress, text(parse_source), string_schema("10.20.0.10", "fd00::10")]
Network = Annotated[IPNetwork, text(_network), string_schema("192.168.11.16/30")]
Listen = Annotated[SocketAddress, text(_listen), string_schema("127.0.0.1:9469", "[::1]:9469")]
ListenAddress = Annotated[SocketAddress, text(_listen_address), string_schema("[::]:862", "10.20.0.10:862")]
Rate = Annotated[
    int,
    quantity(parse_rate, least=1, most=10**15, bounds="between 1bit and 1000Tbit"),
    string_schema("1Gbit", "650Mbit", pattern=r"^[0-9]+(\.[0-9]+)? ?(bit|kbit|Mbit|Gbit|Tbit)$"),
]
Port = Annotated[int, integer(1, 65535), integer_schema(1, 65535)]
KeyFile = Annotated[Path, text(file_name), string_schema("/etc/eragent/stamp.key")]
Credential = Annotated[str, text(parse_credential_name), string_schema("stamp-key")]
HttpUrl = Annotated[Url, text(Url.parse), string_schema("https://portal.example.net/healthz")]
AuthorityFile = Annotated[Path, text(file_name), string_schema("/etc/eragent/ca.pem")]
Dscp = Annotated[int, PlainValidator(_dscp), _DSCP_SCHEMA]
Switch = Annotated[bool, PlainValidator(_switch), WithJsonSchema({"type": "boolean"})]
Interval = Annotated[int, duration("1ms", "1h"), duration_schema("100ms", "1s")]
Timeout = Annotated[int, duration("1ms", "60s"), duration_schema("500ms", "2s")]
