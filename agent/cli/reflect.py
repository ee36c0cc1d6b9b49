"""``eragent reflect``: answer STAMP and TWAMP-Light test packets in this process, until told to stop."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click

from agent.cli.parsed import Parsed
from agent.keys import read_key
from agent.plan import SocketAddress
from agent.reflector_counts import CountsWriter
from collectors.clock import SystemClock, kernel_clock_state
from collectors.errors import CollectorError
from collectors.path import IPNetwork
from collectors.stamp.authentication import Key
from collectors.stamp.listener import Listener, open_listeners
from collectors.stamp.provided import MAX_PROVIDED
from collectors.stamp.reflector import Reflector
from collectors.stamp.refusal import Refusal
from collectors.stamp.server import Server, termination
from collectors.stamp.table import LOOPBACK, MAX_SESSIONS, PACKETS_PER_SECOND

_COULD_NOT_MEASURE = 3
_PR_SET_PDEATHSIG = 1


class _CannotAnswer(click.ClickException):
    exit_code = _COULD_NOT_MEASURE


def _listen_address(text: str) -> SocketAddress:
    address = SocketAddress.parse(text)
    ip_address(address.host)
    return address


def _key(text: str) -> Key:
    return read_key(Path(text))


def _network(text: str) -> IPNetwork:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}: write for example 10.1.0.0/16, 10.1.0.4 or 2001:db8::/48") from error


@click.command(
    epilog="""\b
Exit codes:
  0  ended by SIGTERM or SIGINT
  2  usage error
  3  cannot listen there

\b
Example:
  eragent reflect --listen [::]:862 --allow 10.1.0.0/16 --allow 10.20.0.0/16"""
)
@click.option(
    "--listen",
    type=Parsed("addr:port", _listen_address),
    default="127.0.0.1:862",
    show_default=True,
    help="Where to answer. [::] means all addresses of this host, IPv4 included.",
)
@click.option(
    "--allow",
    type=Parsed("cidr", _network),
    multiple=True,
    help="Whom to answer, short TWAMP-Light packets included; repeatable. Without it: loopback alone, and never with "
    "more octets than were asked with.",
)
@click.option(
    "--packets-per-second",
    type=click.IntRange(1, 1_000_000),
    default=PACKETS_PER_SECOND,
    show_default=True,
    metavar="NUMBER",
    help="How many packets of each source address to answer.",
)
@click.option(
    "--max-sessions",
    type=click.IntRange(1, 1_000_000),
    default=MAX_SESSIONS,
    show_default=True,
    metavar="NUMBER",
    help="How many sessions to keep at once.",
)
@click.option(
    "--key-file",
    "key",
    type=Parsed("file", _key),
    metavar="FILE",
    help="Answer only packets that the key in this file authenticates.",
)
@click.option(
    "--ssid",
    "ssids",
    type=click.IntRange(1, 65535),
    multiple=True,
    metavar="NUMBER",
    help="Answer only this STAMP Session Identifier; repeatable.",
)
@click.option(
    "--twamp-control",
    type=Parsed("addr:port", _listen_address),
    help="Let TWAMP clients of --allow set up sessions at this address and TCP port, for example [::]:862.",
)
@click.option(
    "--twamp-max-sessions",
    type=click.IntRange(1, 1024),
    default=MAX_PROVIDED,
    show_default=True,
    metavar="NUMBER",
    help="How many sessions of TWAMP clients may be open at once.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("--with-parent", type=int, hidden=True, help="End when this process, the parent, has ended.")
@click.option("--counts-fd", type=int, hidden=True, help="Where the parent reads what was counted.")
def command(
    listen: SocketAddress, allow: tuple[IPNetwork, ...], as_json: bool, with_parent: int | None, **options: Any
) -> None:
    """Answer STAMP and TWAMP-Light test packets (RFC 8762) until SIGTERM or SIGINT, then say what was answered."""
    counts = None if options["counts_fd"] is None else _counts_writer(options["counts_fd"])
    try:
        listeners = open_listeners(ip_address(listen.host), listen.port)
    except CollectorError as error:
        raise _CannotAnswer(str(error)) from error

    def show_counts() -> None:
        if counts is not None:
            _show(counts, reflector, server)

    reflector = Reflector(
        port=listeners[0].port,
        allow=allow,
        packets_per_second=options["packets_per_second"],
        max_sessions=options["max_sessions"],
        key=options["key"],
        ssids=options["ssids"],
        max_provided=options["twamp_max_sessions"],
    )
    with select.epoll() as ready, termination() as stop:
        server = Server(
            listeners,
            reflector,
            clock=SystemClock(),
            clock_state=kernel_clock_state,
            ready=ready,
            after_work=show_counts,
        )
        if with_parent is not None and not _ends_with(with_parent):
            return
        networks = [str(network) for network in allow or LOOPBACK]
        click.echo(f"Answering on {', '.join(_addresses(listeners))} for {', '.join(networks)}.", err=True)
        show_counts()
        server.run(stop)
    click.echo(_summary(reflector, server), err=True)
    if as_json:
        click.echo(json.dumps(_report(listeners, networks, reflector, server)))


def _counts_writer(descriptor: int) -> CountsWriter:
    try:
        return CountsWriter(descriptor)
    except ValueError as error:
        raise _CannotAnswer(str(error)) from error


def _show(counts: CountsWriter, reflector: Reflector, server: Server) -> None:
    counts.write(
        replies=reflector.counts.replies,
        sessions=reflector.sessions,
        dropped=server.dropped,
        refused=reflector.counts.refused,
        not_sent=server.not_sent,
    )


def _ends_with(parent: int) -> bool:
    """Have the kernel send SIGTERM when the parent ends; return whether it is still there."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == parent


def _addresses(listeners: Sequence[Listener]) -> list[str]:
    return [str(SocketAddress(host=str(listener.host), port=listener.port)) for listener in listeners]


def _summary(reflector: Reflector, server: Server) -> str:
    return (
        f"{reflector.counts.replies} answered"
        f"; refused: {_listed(reflector.counts.refused)}"
        f"; not sent: {_listed(server.not_sent)}"
        f"; dropped by the kernel for want of room: {server.dropped}."
    )


def _listed(counts: Mapping[Refusal, int] | Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count) or "none"


def _report(
    listeners: Sequence[Listener], networks: Sequence[str], reflector: Reflector, server: Server
) -> dict[str, object]:
    return {
        "schema": "eragent.reflect/1",
        "listen": _addresses(listeners),
        "allow": networks,
        "replies": reflector.counts.replies,
        "refused": reflector.counts.refused,
        "not_sent": dict(server.not_sent),
        "dropped": server.dropped,
    }
