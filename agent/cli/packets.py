"""The options of ``eragent probe`` that say what is sent: kind, port, size and marks, all of STAMP's and of HTTP's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from agent.cli.parsed import Parsed
from agent.config.quantities import parse_dscp, parse_duration
from agent.keys import read_key
from agent.plan import STAMP_TLVS, TIMESTAMP_FORMATS, ProbeOptions
from collectors.http.options import METHODS, HttpOptions
from collectors.http.url import SUCCESS, StatusRange, Url, parse_status_ranges
from collectors.icmp.sender import IcmpOptions
from collectors.icmp.wire import MIN_DATA_SIZE
from collectors.oneway import LIMIT_NS
from collectors.path import PacketMarks
from collectors.stamp.authentication import Key
from collectors.stamp.sender import StampOptions
from collectors.stamp.wire import AUTHENTICATED_BASE_SIZE, BASE_SIZE
from collectors.tcp.options import TcpOptions

C = TypeVar("C", bound=Callable[..., Any])

_MOST_OCTETS = 65_507
_LEAST_LIMIT_NS, _MOST_LIMIT_NS = 1_000, 1_000_000_000  # as the configuration has it

_OF_STAMP = ("key", "ssid", "timestamps", "tlvs", "one_way_limit")
_OF_HTTP = ("url", "method", "expect", "follow", "ca_file", "no_verify")
_ONLY_HTTP = {
    name: f"--{name.replace('_', '-')} goes with --type http: only that asks web servers" for name in _OF_HTTP
}
_MISPLACED: Mapping[str, Mapping[str, str]] = {
    "icmp": {
        "port": "--port goes with --type stamp or tcp: ICMP has no ports",
        "key": "--key-file goes with --type stamp: ICMP is not authenticated",
        "ssid": "--ssid goes with --type stamp: ICMP has no session identifiers",
        "timestamps": "--timestamps goes with --type stamp: ICMP echo carries none",
        "tlvs": "--tlvs goes with --type stamp: ICMP has no extensions",
        "one_way_limit": "--one-way-limit goes with --type stamp: ICMP echo tells no time of the far end",
        **_ONLY_HTTP,
    },
    "stamp": _ONLY_HTTP,
    "tcp": {
        "size": "--size goes with --type icmp or stamp: a TCP probe connects and sends no data",
        "dont_fragment": "--dont-fragment goes with --type icmp or stamp: TCP finds the size of its packets by itself",
        "key": "--key-file goes with --type stamp: a TCP probe sends nothing that could be authenticated",
        "ssid": "--ssid goes with --type stamp: TCP has no session identifiers",
        "timestamps": "--timestamps goes with --type stamp: those of TCP are the kernel's",
        "tlvs": "--tlvs goes with --type stamp: they are extensions of STAMP",
        "one_way_limit": "--one-way-limit goes with --type stamp: connections tell no time of the far end",
        **_ONLY_HTTP,
    },
    "http": {
        "size": "--size goes with --type icmp or stamp: a request is as long as it is",
        "dont_fragment": "--dont-fragment goes with --type icmp or stamp: TCP finds the size of its packets by itself",
        "port": "--port goes with --type stamp or tcp: write it into the URL, as in https://portal.example.net:8443/",
        "key": "--key-file goes with --type stamp: TLS authenticates web servers by their certificates",
        "ssid": "--ssid goes with --type stamp: HTTP has no session identifiers",
        "timestamps": "--timestamps goes with --type stamp: HTTP carries none",
        "tlvs": "--tlvs goes with --type stamp: they are extensions of STAMP",
        "one_way_limit": "--one-way-limit goes with --type stamp: HTTP tells no usable time of the far end",
    },
}
"""For each kind of probe, what is not for it, and why."""


def _key(text: str) -> Key:
    return read_key(Path(text))


def _tlvs(text: str) -> tuple[str, ...]:
    names = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in STAMP_TLVS:
            raise ValueError(f"{name!r} is no extension: write none, or some of {','.join(STAMP_TLVS)}")
    return names


def _clock_limit(text: str) -> int:
    limit_ns = parse_duration(text)
    if not _LEAST_LIMIT_NS <= limit_ns <= _MOST_LIMIT_NS:
        raise ValueError(f"{text!r} is not between 1us and 1s")
    return limit_ns


_OPTIONS = (
    click.option("--type", "kind", type=click.Choice(list(_MISPLACED)), default="icmp", show_default=True),
    click.option(
        "--size",
        type=click.IntRange(max=_MOST_OCTETS),
        help="Octets: of ICMP data [56], of UDP payload, at least [44].",
    ),
    click.option(
        "--dscp",
        type=Parsed("dscp", parse_dscp),
        default="0",
        help="DSCP of the packets: 0-63, or a name such as ef or af41.",
    ),
    click.option("--dont-fragment", is_flag=True, help="Forbid routers to fragment the packets."),
    click.option("--port", type=click.IntRange(1, 65535), help="Of the reflector [862], of the server [443]."),
    click.option(
        "--key-file",
        "key",
        type=Parsed("file", _key),
        metavar="FILE",
        help="Authenticate STAMP's packets with the key in this file.",
    ),
    click.option(
        "--ssid",
        type=click.IntRange(1, 65535),
        metavar="NUMBER",
        help="STAMP Session Identifier of the first path, 1-65535; each further path has the next.",
    ),
    click.option(
        "--timestamps", type=click.Choice(TIMESTAMP_FORMATS), help="Format of STAMP's timestamps.  [default: ntp]"
    ),
    click.option(
        "--tlvs",
        type=Parsed("names", _tlvs),
        metavar="NAME,...",
        help=f"Extensions of STAMP to send, or none: {', '.join(STAMP_TLVS)}.  [default: those that serve, as far as "
        "the reflector understands them]",
    ),
    click.option(
        "--one-way-limit",
        type=Parsed("duration", _clock_limit),
        metavar="DURATION",
        help="Show STAMP's one-way delays while both clocks together are off by no more.  [default: 1ms]",
    ),
    click.option(
        "--url", type=Parsed("url", Url.parse), metavar="URL", help="What a web server is asked for, with --type http."
    ),
    click.option("--method", type=click.Choice(METHODS), help="Of the request.  [default: GET]"),
    click.option(
        "--expect",
        type=Parsed("statuses", parse_status_ranges),
        metavar="STATUS,...",
        help="Statuses of an answer that counts, e.g. 2xx,401.  [default: 200-399]",
    ),
    click.option("--follow", type=click.IntRange(0, 20), help="Redirects that are followed at most.  [default: 0]"),
    click.option(
        "--ca-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="Certificate authorities (PEM) in place of the host's.",
    ),
    click.option("--no-verify", is_flag=True, help="Do not check the server's certificate."),
)

PACKET_OPTIONS = ("kind", "size", "dscp", "dont_fragment", "port", *_OF_STAMP, *_OF_HTTP)
"""The names under which a command gets these options."""


def options_of_packets(command: C) -> C:
    """Give a command these options, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def packet_options(*, kind: str, **given: Any) -> ProbeOptions:
    """Return what the packets are; raise :class:`click.UsageError` where the options contradict each other."""
    for name, hint in _MISPLACED[kind].items():
        if given[name] is not None and given[name] is not False:
            raise click.UsageError(hint)
    marks = PacketMarks(dscp=given["dscp"], dont_fragment=given["dont_fragment"])
    if kind == "icmp":
        return _icmp_options(given["size"], marks)
    if kind == "tcp":
        return TcpOptions(port=given["port"] or 443, marks=marks)
    if kind == "http":
        return _http_options(marks, **{name: given[name] for name in _OF_HTTP})
    return _stamp_options(given["size"], marks, port=given["port"], **{name: given[name] for name in _OF_STAMP})


def _icmp_options(size: int | None, marks: PacketMarks) -> IcmpOptions:
    _check_size(size, MIN_DATA_SIZE, "for icmp")
    return IcmpOptions(size=size or 56, marks=marks)


def _stamp_options(
    size: int | None,
    marks: PacketMarks,
    *,
    port: int | None,
    key: Key | None,
    ssid: int | None,
    timestamps: str | None,
    tlvs: tuple[str, ...] | None,
    one_way_limit: int | None,
) -> StampOptions:
    least, why = (BASE_SIZE, "for stamp") if key is None else (AUTHENTICATED_BASE_SIZE, "with a key")
    _check_size(size, least, why)
    return StampOptions(
        port=port or 862,
        size=size or least,
        marks=marks,
        key=key,
        ssid=ssid or 0,
        ptp=timestamps == "ptp",
        tlvs=tlvs,
        one_way_limit_ns=one_way_limit or LIMIT_NS,
    )


def _http_options(
    marks: PacketMarks,
    *,
    url: Url | None,
    method: str | None,
    expect: tuple[StatusRange, ...] | None,
    follow: int | None,
    ca_file: Path | None,
    no_verify: bool,
) -> HttpOptions:
    if url is None:
        raise click.UsageError("--type http asks for something: add --url, for example https://portal.example.net/")
    if ca_file is not None and no_verify:
        raise click.UsageError("--ca-file and --no-verify exclude each other")
    return HttpOptions(
        url=url,
        method=method or "GET",
        expected=expect or SUCCESS,
        follow=follow or 0,
        verify=not no_verify,
        ca_file=ca_file,
        marks=marks,
    )


def _check_size(size: int | None, least: int, why: str) -> None:
    if size is not None and size < least:
        raise click.UsageError(f"--size is at least {least} {why}")
