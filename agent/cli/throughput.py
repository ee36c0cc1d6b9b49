"""``eragent throughput``: what paths carry, what that does to their latency, and what limits them; once."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import click

from agent.cli.iperf3_user import USER_OPTIONS, chosen_user, options_of_user
from agent.cli.parsed import Parsed
from agent.cli.paths import PATH_OPTIONS, Chosen, chosen_paths, options_of_paths
from agent.cli.progress import Progress
from agent.config.quantities import parse_duration, parse_rate, parse_size
from agent.throughput.gateways import NamedRate, parse_gateway
from collectors.iperf3.options import DEFAULT_PORT, MAX_STREAMS, Direction, Iperf3Options, Protocol

if TYPE_CHECKING:
    from agent.plan import Probe
    from agent.throughput.measurement import Measurement
    from agent.throughput.trial import Trial
    from collectors.path import NetworkPath

NOT_ALL = 1
COULD_NOT_MEASURE = 3

_SECOND_NS = 1_000_000_000
_LONGEST_S = 3600
_MS_NS = 1_000_000

_DURATION = Parsed("duration", parse_duration)


@click.command(
    epilog="""\b
Examples:
  eragent throughput --target 10.1.0.4
  eragent throughput --target 10.1.0.4 --direction down --streams 4 --duration 30s --rate 1Gbit
  eragent throughput --target 10.1.0.4 --udp 1.1Gbit --rate 1Gbit
  eragent throughput --target azure-hub --config /etc/eragent/eragent.yaml --path expressroute --path vpn --stages
  eragent throughput --target 10.1.0.4 --user site --password-file site.password --public-key-file server.pem

\b
Exit codes:
  0  every test ran to its end
  1  some did, or some began and ended early
  2  wrong usage or configuration
  3  nothing could be measured (no iperf3, nobody listens, the server is busy, no such address or interface)
"""
)
@click.option("--target", metavar="HOST", required=True, help="Address or name; with --config also a target's name.")
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="Of its server.")
@options_of_paths
@click.option("--duration", type=_DURATION, default="10s", show_default=True, help="Of each test: whole seconds.")
@click.option("--omit", type=_DURATION, default="0s", help="Warm up so long before it, which does not count.")
@click.option("--streams", type=click.IntRange(1, MAX_STREAMS), help="Flows at the same time.  [default: 1]")
@click.option(
    "--direction",
    type=click.Choice([str(direction) for direction in Direction]),
    default="up",
    show_default=True,
    help="Up is to the target.",
)
@click.option("--udp", type=Parsed("rate", parse_rate), metavar="RATE", help="Send UDP at this rate, e.g. 300Mbit.")
@click.option("--stages", is_flag=True, help="Test with 1, 6, 16 and 32 flows, one after the other.")
@click.option("--window", type=Parsed("size", parse_size), metavar="SIZE", help="TCP window of a flow, e.g. 64KiB.")
@click.option("--congestion", metavar="NAME", help="TCP's congestion control, e.g. cubic.")
@click.option(
    "--rate", type=Parsed("rate", parse_rate), metavar="RATE", help="What was bought; without it the path's `rate`."
)
@click.option(
    "--gateway",
    type=Parsed("gateway", parse_gateway),
    metavar="SKU",
    help="Azure's gateway on the way, e.g. ErGw1AZ or 'VpnGw2AZ gen2 GCMAES256'; without it the path's `gateway`.",
)
@options_of_user
@click.option(
    "--idle",
    type=_DURATION,
    help="Time for the latency without load.  [default: 5s; of --stages the duration of a test]",
)
@click.option(
    "--probe", type=click.Choice(["icmp", "stamp"]), default="icmp", show_default=True, help="What measures latency."
)
@click.option("--probe-port", type=click.IntRange(1, 65535), default=862, help="UDP port of the STAMP reflector [862].")
@click.option("--probe-interval", type=_DURATION, default="20ms", show_default=True, help="From probe to probe.")
@click.option(
    "--probe-timeout", type=_DURATION, default="1s", show_default=True, help="After which an unanswered probe is lost."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (schema eragent.throughput/1).")
def command(**options: Any) -> None:
    """Measure what paths carry, by iperf3, and what that does to their latency.

    Any iperf3 server at the target will do; it takes one test at a time, so a busy one is tried again for about a
    minute. Without --config the kernel's routes choose the path, or --source, --interface and --fwmark do. Paths are
    tested one after the other, and all of them are probed meanwhile, which shows whether a load on one is felt on
    another.
    """
    asked = _asked(options)
    sys.exit(_measure(asked, as_json=options["as_json"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the options say."""

    chosen: Chosen
    test: Iperf3Options
    flows: tuple[int, ...]
    bought: int | None
    gateway: tuple[NamedRate, ...] | None
    probe: str
    probe_port: int
    probe_interval_ns: int
    probe_timeout_ns: int
    idle_ns: int


def _asked(options: dict[str, Any]) -> _Asked:
    """Turn the options into what is run; raise :class:`click.UsageError` where they contradict each other."""
    from agent.throughput.stages import FLOWS

    _refuse_contradictions(options)
    test = Iperf3Options(
        port=options["port"],
        protocol=Protocol.TCP if options["udp"] is None else Protocol.UDP,
        direction=Direction(options["direction"]),
        duration_s=_seconds("--duration", options["duration"], least=1),
        omit_s=_seconds("--omit", options["omit"], least=0),
        bits_per_second=options["udp"],
        window_bytes=options["window"],
        congestion_control=options["congestion"],
        authentication=chosen_user(**{name: options[name] for name in USER_OPTIONS}),
    )
    return _Asked(
        chosen=chosen_paths(options["target"], **{name: options[name] for name in PATH_OPTIONS}),
        test=test,
        flows=FLOWS if options["stages"] else (options["streams"] or 1,),
        bought=options["rate"],
        gateway=options["gateway"],
        probe=options["probe"],
        probe_port=options["probe_port"],
        probe_interval_ns=options["probe_interval"],
        probe_timeout_ns=options["probe_timeout"],
        idle_ns=_idle_ns(options),
    )


def _refuse_contradictions(options: dict[str, Any]) -> None:
    if options["stages"] and options["streams"] is not None:
        raise click.UsageError("--stages brings its own numbers of flows: leave out --streams")
    if options["udp"] is not None and (options["window"] is not None or options["congestion"] is not None):
        raise click.UsageError("--window and --congestion are TCP's: leave out --udp, or them")
    for name in ("udp", "rate", "window"):
        if options[name] == 0:
            raise click.UsageError(f"--{name} of 0 says nothing: leave it out, or raise it")
    if options["probe_interval"] < _MS_NS:
        raise click.UsageError("--probe-interval is at least 1ms")
    if not _MS_NS <= options["probe_timeout"] <= 60 * _SECOND_NS:
        raise click.UsageError("--probe-timeout is between 1ms and 60s")


def _idle_ns(options: dict[str, Any]) -> int:
    """Return how long latency is measured without load: with stages that is one of them, as long as the others."""
    asked: int | None = options["idle"]
    if asked is not None:
        return asked
    duration_ns: int = options["duration"]
    return duration_ns if options["stages"] else 5 * _SECOND_NS


def _seconds(option: str, duration_ns: int, *, least: int) -> int:
    seconds, rest = divmod(duration_ns, _SECOND_NS)
    if rest or not least <= seconds <= _LONGEST_S:
        raise click.UsageError(f"{option} is a whole number of seconds between {least}s and {_LONGEST_S}s")
    return seconds


def _measure(asked: _Asked, *, as_json: bool) -> int:
    """Run the tests, print what was found, return the exit code."""
    from agent import loop
    from agent.throughput.report import report
    from agent.throughput.trial import Outcome
    from collectors.iperf3.failing import Iperf3Error

    started_at = datetime.now(UTC)
    try:
        measurements = loop.run(_run(asked))
    except Iperf3Error as error:
        click.echo(f"eragent: {error}", err=True)
        return COULD_NOT_MEASURE
    if as_json:
        click.echo(json.dumps(report(measurements, started_at=started_at), indent=2))
    else:
        _print(measurements)
    outcomes = {measurement.tried.outcome for measurement in measurements}
    if outcomes == {Outcome.COMPLETE}:
        return 0
    return NOT_ALL if outcomes & {Outcome.COMPLETE, Outcome.PARTIAL} else COULD_NOT_MEASURE


async def _run(asked: _Asked) -> list[Measurement]:
    """Probe all paths while one after the other is tested; SIGINT ends the running test and keeps what it found."""
    from agent.engine import Engine
    from agent.throughput.load import GUARD_NS
    from agent.throughput.recorder import Recorder
    from agent.throughput.runner import Pauses, Runner
    from agent.throughput.turns import Turns
    from collectors.iperf3.program import find_program
    from collectors.iperf3.run import run_test

    program = await find_program()
    stop = asyncio.Event()
    _stop_at_sigint(stop)
    rng, progress = Random(), Progress()
    recorder = Recorder()
    engine = Engine((_probe(asked),), recorder)
    runner = Runner(
        lambda options, host, path, stop: run_test(options, host, path, program=program, stop=stop),
        recorder,
        Turns(rng, on_wait=partial(progress.waiting, why="another process of this host, which tests throughput")),
        rng=rng,
        listener=progress,
        pauses=Pauses(idle_s=asked.idle_ns / 1e9, settle_s=(GUARD_NS + asked.probe_timeout_ns) / 1e9),
        stop=stop,
    )
    async with asyncio.TaskGroup() as group:
        probing = group.create_task(engine.run())
        rounds = [await runner.round(_trials(asked, path)) for path in asked.chosen.paths]
        troubles = dict.fromkeys(str(trouble) for trouble in engine.troubles.values())
        probing.cancel()
    for trouble in troubles:
        click.echo(f"eragent: no latency beside the tests: {trouble}", err=True)
    return [measurement for each in rounds for measurement in each]


def _stop_at_sigint(stop: asyncio.Event) -> None:
    """Have the first SIGINT end the tests and keep what they found; the second one ends the program."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, interrupted)


def _probe(asked: _Asked) -> Probe:
    from agent.plan import Probe
    from collectors.icmp.sender import IcmpOptions
    from collectors.stamp.sender import StampOptions

    options = IcmpOptions() if asked.probe == "icmp" else StampOptions(port=asked.probe_port)
    return Probe(
        name=asked.probe,
        options=options,
        interval_ns=asked.probe_interval_ns,
        timeout_ns=asked.probe_timeout_ns,
        targets=(asked.chosen.target,),
        paths=asked.chosen.paths,
    )


def _trials(asked: _Asked, path: NetworkPath) -> list[Trial]:
    """Return the tests of one path in their order."""
    from agent.throughput.stages import stages
    from agent.throughput.trial import Trial, rates_of

    plan = asked.chosen.plan
    configured = () if plan is None else plan.gateways.get(path.name, ())
    rates = rates_of(path, configured if asked.gateway is None else asked.gateway, bought=asked.bought)
    return [
        Trial(
            probe="throughput",
            target=asked.chosen.target,
            path=path,
            stage=stage,
            options=replace(asked.test, streams=stage.streams),
            rates=rates,
        )
        for stage in stages(asked.flows)
    ]


def _print(measurements: list[Measurement]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from agent.throughput.text import LEGEND, lines, tables

    console = Console(highlight=False)
    for table in tables(measurements):
        console.print(table)
        console.print()
    console.print(LEGEND, soft_wrap=not console.is_terminal)
    for line in lines(measurements):
        if console.is_terminal:
            said = line.lstrip()
            console.print(Padding(Text(said), (0, 0, 0, len(line) - len(said))))
        else:  # one line for each sentence, for whoever looks through them
            console.print(line, soft_wrap=True, markup=False)
