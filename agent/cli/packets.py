"""The options of ``eragent probe`` that say what its packets are: their kind, size and marks, and all of STAMP's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from agent.cli.parsed import Parsed
from agent.config.quantities import parse_dscp
from agent.keys import read_key
from agent.plan import STAMP_TLVS, TIMESTAMP_FORMATS, ProbeOptions
from collectors.icmp.sender import IcmpOptions
from collectors.icmp.wire import MIN_DATA_SIZE
from collectors.path import PacketMarks
from collectors.stamp.authentication import Key
from collectors.stamp.sender import StampOptions
from collectors.stamp.wire import AUTHENTICATED_BASE_SIZE, BASE_SIZE

C = TypeVar("C", bound=Callable[..., Any])

_MOST_OCTETS = 65_507

_ONLY_STAMP = {
    "port": "--port goes with --type stamp: ICMP has no ports",
    "key": "--key-file goes with --type stamp: ICMP is not authenticated",
    "ssid": "--ssid goes with --type stamp: ICMP has no session identifiers",
    "timestamps": "--timestamps goes with --type stamp: ICMP echo carries none",
    "tlvs": "--tlvs goes with --type stamp: ICMP has no extensions",
}


def _key(text: str) -> Key:
    return read_key(Path(text))


def _tlvs(text: str) -> tuple[str, ...]:
    names = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in STAMP_TLVS:
            raise ValueError(f"{name!r} is no extension: write none, or some of {','.join(STAMP_TLVS)}")
    return names


_OPTIONS = (
    click.option("--type", "kind", type=click.Choice(["icmp", "stamp"]), default="icmp", show_default=True),
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
    click.option("--port", type=click.IntRange(1, 65535), help="UDP port of the reflector.  [default: 862]"),
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
)

PACKET_OPTIONS = ("kind", "size", "dscp", "dont_fragment", *_ONLY_STAMP)
"""The names under which a command gets these options."""


def options_of_packets(command: C) -> C:
    """Give a command these options, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def packet_options(*, kind: str, size: int | None, dscp: int, dont_fragment: bool, **of_stamp: Any) -> ProbeOptions:
    """Return what the packets are; raise :class:`click.UsageError` where the options contradict each other."""
    marks = PacketMarks(dscp=dscp, dont_fragment=dont_fragment)
    return _icmp_options(size, marks, of_stamp) if kind == "icmp" else _stamp_options(size, marks, **of_stamp)


def _icmp_options(size: int | None, marks: PacketMarks, of_stamp: Mapping[str, Any]) -> IcmpOptions:
    for name, hint in _ONLY_STAMP.items():
        if of_stamp[name] is not None:
            raise click.UsageError(hint)
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
    )


def _check_size(size: int | None, least: int, why: str) -> None:
    if size is not None and size < least:
        raise click.UsageError(f"--size is at least {least} {why}")
