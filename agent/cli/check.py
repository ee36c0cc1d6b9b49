"""``eragent check``: every mistake of a configuration file, or what it will send. Starts nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import click

from agent.cli.bare import OptionsOnly

if TYPE_CHECKING:
    from agent.config.problems import Problem
    from agent.plan import HistoryPlan, Iperf3ServerPlan, Plan, Probe, ProbeOptions, ReflectorPlan
    from agent.throughput.transfers import Transfer
    from collectors.http.options import HttpOptions
    from collectors.path import NetworkPath, Target

_INVALID = 2
_SCHEMA = "eragent.check/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLoad:
    """What the probes of a plan send over one path; bits are those of IP packets, one way.

    A connection counts with the packets that it takes, of which fewer come back.
    """

    path: str
    streams: int
    packets_per_second: float
    bits_per_second: float


@click.command(
    cls=OptionsOnly,
    bare="--config",
    epilog="""\b
Example:
  eragent check --config /etc/eragent/eragent.yaml

\b
Exit codes:
  0  the file is valid
  2  it is not; each mistake with file, line and key
""",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),  # who reads it says what to do where it may not
    default=Path("/etc/eragent/eragent.yaml"),
    show_default=True,
    help="The file to check.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--offline", is_flag=True, help="Look up no names of targets, and no addresses and links of this host.")
def command(config: Path, as_json: bool, offline: bool) -> None:
    """Check a configuration file; every error with file, line and key.

    What this host lacks for it at present is no error, since the file may be for another one: that is told beside.
    """
    from agent.config.problems import ConfigError

    try:
        plan, warnings = _checked(config, offline=offline)
    except ConfigError as error:
        if as_json:
            click.echo(_json(error.problems))
        else:
            click.echo(str(error), err=True)
        raise SystemExit(_INVALID) from None
    from agent.throughput.transfers import transfers

    loads = path_loads(plan)
    if as_json:
        click.echo(_json((), warnings, loads, tuple(transfers(plan.throughput))))
        return
    click.echo(summary(plan, loads, str(config)))
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def path_loads(plan: Plan) -> tuple[PathLoad, ...]:
    """Return what is sent over each path of a plan."""
    return tuple(_load(path, plan.probes) for path in plan.paths.values())


def summary(plan: Plan, loads: Sequence[PathLoad], file: str) -> str:
    """Say in a few lines what an agent with this plan does."""
    from agent.throughput import transfers

    streams = sum(load.streams for load in loads)
    lines = [f"{file} is valid. Agent {plan.agent} serves metrics on {plan.listen} and sends {_streams(streams)}."]
    if streams:
        width = max(len(load.path) for load in loads)
        lines += [
            f"  {load.path:{width}}  {_streams(load.streams)}, {load.packets_per_second:g} packets/s, "
            f"{_rate(load.bits_per_second)} each way"
            for load in loads
        ]
    lines += transfers.lines(plan.throughput)
    if plan.reflector:
        lines += _answers(plan.reflector)
    if plan.iperf3_server:
        lines.append(_serves(plan.iperf3_server))
    if plan.history:
        lines.append(_keeps(plan.history))
    if plan.remote_write:
        lines.append(f"It sends the minutes of that to {plan.remote_write.url}.")
    lines += [
        f"It compares {comparison.candidate} with {comparison.baseline} by probe {comparison.probe}."
        for comparison in plan.comparisons
    ]
    return "\n".join(lines)


def _answers(reflector: ReflectorPlan) -> Iterator[str]:
    allowed = ", ".join(str(network) for network in reflector.allow)
    ssids = f", with SSID {', '.join(map(str, reflector.ssids))} alone" if reflector.ssids else ""
    key = f", if authenticated by the key in {reflector.key_file}" if reflector.key_file else ""
    yield f"It answers STAMP on {reflector.listen} for {allowed}{ssids}{key}."
    if reflector.twamp is not None:
        yield f"It sets up {reflector.twamp_max_sessions} TWAMP sessions at most, asked for on {reflector.twamp} (TCP)."


def _keeps(history: HistoryPlan) -> str:
    from agent.config.quantities import format_duration, format_size

    size, keep = format_size(history.max_octets), format_duration(history.keep_ns)
    return f"It keeps every sample in {history.directory} for {keep}, {size} at most."


def _serves(server: Iperf3ServerPlan) -> str:
    allowed = ", ".join(str(network) for network in server.allow)
    users = f", if they are users in {server.users_file}" if server.users_file else ""
    return f"It serves tests by iperf3 on {server.listen} for {allowed}{users}."


def _checked(config: Path, *, offline: bool) -> tuple[Plan, Sequence[Problem]]:
    """Return the plan, and what this host lacks for it."""
    from agent.config.here import missing_here
    from agent.config.load import load
    from agent.config.names import unresolved
    from agent.config.problems import ConfigError

    loaded = load(config)
    if offline:
        return loaded.plan, ()
    problems = unresolved(loaded.plan, loaded.document)
    if problems:
        raise ConfigError(problems)
    return loaded.plan, missing_here(loaded.plan, loaded.document)


def _json(
    problems: Sequence[Problem],
    warnings: Sequence[Problem] = (),
    loads: Sequence[PathLoad] = (),
    moved: Sequence[Transfer] = (),
) -> str:
    answer: dict[str, Any] = {
        "schema": _SCHEMA,
        "ok": not problems,
        "errors": [asdict(problem) for problem in problems],
        "warnings": [asdict(warning) for warning in warnings],
        "paths": [asdict(load) for load in loads],
        "throughput": [asdict(each) for each in moved],
    }
    return json.dumps(answer, indent=2)


def _load(path: NetworkPath, probes: Sequence[Probe]) -> PathLoad:
    streams = [(probe, target) for probe in probes if path in probe.paths for target in probe.targets]
    rates = [1e9 / probe.interval_ns for probe, _ in streams]
    sizes = [_octets(probe.options, target, path) for probe, target in streams]
    return PathLoad(
        path=path.name,
        streams=len(streams),
        packets_per_second=round(sum(rate * len(each) for rate, each in zip(rates, sizes, strict=True)), 3),
        bits_per_second=round(sum(rate * sum(each) * 8 for rate, each in zip(rates, sizes, strict=True)), 3),
    )


def _octets(options: ProbeOptions, target: Target, path: NetworkPath) -> Sequence[int]:
    """Return the octets of each IP packet that is sent in a slot. A name is taken for IPv4."""
    from agent.config.hosts import literal_address
    from collectors.http.options import HttpOptions
    from collectors.icmp.sender import IcmpOptions
    from collectors.stamp.sender import StampOptions
    from collectors.tcp.options import TcpOptions

    address = literal_address(target.host_on(path)) or path.source
    header = 40 if address is not None and address.version == 6 else 20
    match options:
        case IcmpOptions() | StampOptions():
            return [header + 8 + options.size]  # the 8 are the header of ICMP or UDP
        case TcpOptions():
            return [header + 40, header + 32, header + 32]  # SYN, ACK and RST as Linux sends them, with its options
        case HttpOptions():
            return [header + octets for octets in _octets_of_request(options)]
        case _:
            assert_never(options)


def _octets_of_request(options: HttpOptions) -> Sequence[int]:
    """Return the octets behind the IP header of each packet that an attempt takes, where the answer is short."""
    from collectors.http.options import USER_AGENT
    from collectors.http.wire import request

    asked = len(request(options.url, method=options.method, user_agent=USER_AGENT))
    syn, acknowledgement = 40, 32  # as Linux sends them, with its options; the last one is FIN
    if not options.url.is_secure:
        return [syn, acknowledgement, 32 + asked, acknowledgement, acknowledgement]
    # TLS 1.3 as OpenSSL 3 speaks it: ClientHello 517, ChangeCipherSpec and Finished 80, 22 around the request.
    return [syn, acknowledgement, 32 + 517, acknowledgement, 32 + 80, 32 + 22 + asked, *[acknowledgement] * 3]


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"


def _rate(bits_per_second: float) -> str:
    for unit, multiple in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits_per_second >= multiple:
            return f"{bits_per_second / multiple:.3g} {unit}"
    return f"{bits_per_second:.3g} bit/s"
