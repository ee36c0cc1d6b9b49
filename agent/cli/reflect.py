"""``eragent reflect``: answer STAMP and TWAMP-Light test packets in this process, until told to stop."""

from __future__ import annotations

import ctypes
import json
import os
import signal
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network

import click

from agent.cli.parsed import Parsed
from agent.plan import SocketAddress
from collectors.clock import SystemClock, kernel_clock_state
from collectors.errors import CollectorError
from collectors.path import IPNetwork
from collectors.stamp.reflector import LOOPBACK, PACKETS_PER_SECOND, Reflector, Refusal
from collectors.stamp.server import Listener, Server, open_listeners, termination

_COULD_NOT_MEASURE = 3
_PR_SET_PDEATHSIG = 1


class _CannotAnswer(click.ClickException):
    exit_code = _COULD_NOT_MEASURE


def _listen_address(text: str) -> SocketAddress:
    address = SocketAddress.parse(text)
    ip_address(address.host)
    return address


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
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("--with-parent", type=int, hidden=True, help="End when this process, the parent, has ended.")
def command(
    listen: SocketAddress, allow: tuple[IPNetwork, ...], packets_per_second: int, as_json: bool, with_parent: int | None
) -> None:
    """Answer STAMP and TWAMP-Light test packets (RFC 8762) until SIGTERM or SIGINT, then say what was answered."""
    try:
        listeners = open_listeners(ip_address(listen.host), listen.port)
    except CollectorError as error:
        raise _CannotAnswer(str(error)) from error
    clock = SystemClock()
    reflector = Reflector(
        allow=allow,
        own_ports={listener.port for listener in listeners},
        packets_per_second=packets_per_second,
    )
    server = Server(listeners, reflector, clock=clock, clock_state=kernel_clock_state)
    with termination() as stop:
        if with_parent is not None and not _ends_with(with_parent):
            return
        networks = [str(network) for network in allow or LOOPBACK]
        click.echo(f"Answering on {', '.join(_addresses(listeners))} for {', '.join(networks)}.", err=True)
        server.run(stop)
    click.echo(_summary(reflector, server), err=True)
    if as_json:
        click.echo(json.dumps(_report(listeners, networks, reflector, server)))


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
