"""``eragent reflect``: answer STAMP and TWAMP-Light test packets in this process, until told to stop."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click

from agent.cli.bare import OptionsOnly
from agent.cli.parsed import Parsed
from agent.cli.reflector_section import CannotAnswer, read_section, refuse_options
from agent.config.hosts import literal_address
from agent.keys import read_key
from agent.plan import Iperf3ServerPlan, ReflectorPlan, SocketAddress
from agent.reflector.answering import answering
from agent.reflector.counts import CountsWriter
from agent.reflector.words import introduction, report, summary
from agent.service import systemd
from collectors.errors import CollectorError
from collectors.path import IPNetwork
from collectors.stamp.authentication import Key
from collectors.stamp.provided import MAX_PROVIDED
from collectors.stamp.server import termination
from collectors.stamp.table import LOOPBACK, MAX_SESSIONS, PACKETS_PER_SECOND

_PR_SET_PDEATHSIG = 1


def _listen_address(text: str) -> SocketAddress:
    address = SocketAddress.parse(text)
    if literal_address(address.host) is None:
        raise ValueError(f"{text!r} is a name: write the address to listen on, for example [::]:{address.port}")
    return address


def _key(text: str) -> Key:
    return read_key(Path(text))


def _network(text: str) -> IPNetwork:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}: write for example 10.1.0.0/16, 10.1.0.4 or 2001:db8::/48") from error


@click.command(
    cls=OptionsOnly,
    bare="--config",
    epilog="""\b
Exit codes:
  0  ended by SIGTERM or SIGINT
  2  usage error, or a configuration that is wrong
  3  cannot listen there

\b
Examples:
  eragent reflect --listen [::]:862 --allow 10.1.0.0/16 --allow 10.20.0.0/16
  eragent reflect --config /etc/eragent/eragent.yaml""",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),  # who reads it says what to do where it may not
    metavar="FILE",
    help="Do what the section `reflector` of this file says; in the place of all options but --json.",
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
    "twamp",
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
@click.option(
    "--iperf3",
    type=Parsed("addr:port", _listen_address),
    help="Keep iperf3's server running at this address and TCP port for peers of --allow alone, for example [::]:5201.",
)
@click.option(
    "--iperf3-key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="RSA key (PEM) of iperf3's authentication; needs --iperf3-users-file.",
)
@click.option(
    "--iperf3-users-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may test, as iperf3 reads it: lines of user and SHA-256.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("--with-parent", type=int, hidden=True, help="End when this process, the parent, has ended.")
@click.option("--counts-fd", type=int, hidden=True, help="Where the parent reads what was counted.")
@click.pass_context
def command(
    context: click.Context,
    /,
    config: Path | None,
    key: Key | None,
    as_json: bool,
    with_parent: int | None,
    counts_fd: int | None,
    iperf3: SocketAddress | None,
    iperf3_key_file: Path | None,
    iperf3_users_file: Path | None,
    **options: Any,
) -> None:
    """Answer STAMP and TWAMP-Light test packets (RFC 8762) until SIGTERM or SIGINT, then say what was answered."""
    if config is not None:
        refuse_options(context, ("config", "as_json"))
        section = read_section(config)
        plan, key, iperf3_plan = section.plan, section.key, section.iperf3_server
    else:
        plan = ReflectorPlan(**options)
        iperf3_plan = _iperf3_plan(iperf3, plan, iperf3_key_file, iperf3_users_file)
    writer = None if counts_fd is None else _counts_writer(counts_fd)
    iperf3_served = nullcontext() if iperf3_plan is None else _iperf3_served(iperf3_plan)
    with (
        select.epoll() as ready,
        termination() as stop,
        _refusals_told(with_parent),
        answering(plan, key=key, ready=ready, writer=writer) as found,
    ):
        if with_parent is not None and not _ends_with(with_parent):
            return
        for line in introduction(found, plan):
            click.echo(line, err=True)
        if with_parent is None:  # the service manager listens to a service's first process alone
            systemd.notify("READY=1")
        with iperf3_served:
            found.server.run(stop)
        if with_parent is None:
            systemd.notify("STOPPING=1")
        for line in summary(found):
            click.echo(line, err=True)
        if as_json:
            click.echo(json.dumps(report(found)))


def _iperf3_plan(
    listen: SocketAddress | None, plan: ReflectorPlan, key_file: Path | None, users_file: Path | None
) -> Iperf3ServerPlan | None:
    """Return what the options say of iperf3's server, if it is wanted."""
    if (key_file is None) is not (users_file is None):
        raise click.UsageError("--iperf3-key-file and --iperf3-users-file go together: iperf3 needs both")
    if listen is None:
        return None
    allow = tuple(plan.allow or LOOPBACK)
    return Iperf3ServerPlan(listen=listen, allow=allow, private_key_file=key_file, users_file=users_file)


def _iperf3_served(plan: Iperf3ServerPlan) -> AbstractContextManager[None]:
    """Return what has iperf3's server running while it lasts."""
    from agent.iperf3_server.beside import supervised  # with its event loop: few reflectors want it
    from agent.iperf3_server.supervise import Iperf3Server

    logging.basicConfig(level=logging.INFO, format="eragent: %(message)s")  # whether it listens shows later
    return supervised(Iperf3Server(plan))


def _counts_writer(descriptor: int) -> CountsWriter:
    try:
        return CountsWriter(descriptor)
    except ValueError as error:
        raise CannotAnswer(str(error)) from error


@contextmanager
def _refusals_told(parent: int | None) -> Iterator[None]:
    try:
        yield
    except CollectorError as error:
        if parent is None:
            systemd.notify(systemd.cannot_start(str(error)))
        raise CannotAnswer(str(error)) from error


def _ends_with(parent: int) -> bool:
    """Have the kernel send SIGTERM when the parent ends; return whether it is still there."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == parent
