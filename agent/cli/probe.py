"""``eragent probe``: measure paths to a target once, and say what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent import loop
from agent.cli.bare import OptionsOnly
from agent.cli.lines import echo
from agent.cli.packets import PACKET_OPTIONS, options_of_packets, packet_options
from agent.cli.parsed import Parsed
from agent.cli.paths import PATH_OPTIONS, chosen_paths, options_of_paths
from agent.config.quantities import parse_duration, parse_percentage
from agent.engine import Bound, Engine
from agent.plan import ComparisonPlan, HistoryPlan, Probe, ProbeOptions
from agent.report.advice import advice
from agent.report.figures import Figures
from agent.report.streams import Json
from agent.report.summary import summary
from agent.sink import FanOut
from collectors.http.options import HttpOptions
from collectors.stamp.sender import StampOptions

if TYPE_CHECKING:
    from agent.history.recorder import Recorder

OUTSIDE_LIMITS = 1
COULD_NOT_MEASURE = 3
COULD_NOT_RECORD = 4

DEFAULT_COUNT = 10
_FOR_EVER = {"keep_ns": 1 << 62, "max_octets": 1 << 62}
_LEAST_NS, _LONGEST_TIMEOUT_NS = 1_000_000, 60_000_000_000  # as the configuration has it


_DURATION = Parsed("duration", parse_duration)
_PERCENTAGE = Parsed("percent", parse_percentage)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """What the operator calls good enough; ``None`` is no limit."""

    max_loss: float | None
    max_p99_ns: int | None

    def kept_by(self, stream: Json) -> bool:
        """Whether a stream got answers and stayed within the limits."""
        if not stream["received"]:
            return False
        without_answer = stream["lost"] + stream["failed"]
        if self.max_loss is not None and without_answer / stream["sent"] * 100 > self.max_loss:
            return False
        return self.max_p99_ns is None or stream["rtt_ns"]["p99"] <= self.max_p99_ns


@click.command(
    cls=OptionsOnly,
    bare="--target",
    epilog="""\b
Examples:
  eragent probe --target 10.1.0.4
  eragent probe --target 10.1.0.4 --type stamp --interval 100ms --duration 30s
  eragent probe --target azure-hub --config /etc/eragent/eragent.yaml --path vpn --path expressroute
  eragent probe --target 10.1.0.4 --type stamp --key-file stamp.key --tlvs follow_up,class_of_service
  eragent probe --type http --url https://outlook.office365.com/ --source 10.20.0.10

\b
Exit codes:
  0  every stream was answered and stayed within the limits
  1  a limit was exceeded, or a stream had no answer at all
  2  wrong usage or configuration
  3  nothing could be measured (no permission, no such address or interface, name does not resolve)
  4  not all samples could be recorded
""",
)
@click.option(
    "--target",
    metavar="HOST",
    help="Address or name; with --config also a target's name.  [with --url: its host; else required]",
)
@click.option("--count", type=click.IntRange(min=1), help=f"Packets on each path.  [default: {DEFAULT_COUNT}]")
@click.option("--duration", type=_DURATION, help="How long to probe, instead of --count, e.g. 30s.")
@click.option("--interval", type=_DURATION, help="From one packet to the next, e.g. 100ms.  [default: 1s]")
@click.option("--timeout", type=_DURATION, default="2s", show_default=True, help="After which a packet is lost.")
@options_of_packets
@options_of_paths
@click.option("--max-loss", type=_PERCENTAGE, metavar="PERCENT", help="Exit with 1 when more are lost or fail.")
@click.option("--max-p99", type=_DURATION, metavar="DURATION", help="Exit with 1 when a path's p99 RTT is longer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (schema eragent.probe/1).")
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep every sample there, as `history` in the configuration does; see `eragent export`.",
)
@click.option("--samples", "with_samples", is_flag=True, help="Put every packet into the JSON.")
def command(**options: Any) -> None:
    """Measure paths to a target once, and say what was seen.

    Without --config the kernel's routes choose the path, or --source, --interface and --fwmark do. Paths of a
    configuration are probed in pairs, every path in the same moment, and compared; the first one named is the
    baseline.
    """
    probe = _probe(**{name: options[name] for name in _PROBE_OPTIONS})
    bound = _bound(options["count"], options["duration"])
    limits = _Limits(max_loss=options["max_loss"], max_p99_ns=options["max_p99"])
    recorder = None if options["record"] is None else _recorder(options["record"], probe)
    json_wanted, with_samples = options["as_json"], options["with_samples"]
    code = _measure(probe, bound, limits, recorder, as_json=json_wanted, with_samples=with_samples)
    sys.exit(COULD_NOT_RECORD if recorder is not None and not recorder.complete else code)


_PROBE_OPTIONS = (
    *("target", "interval", "timeout"),
    *PACKET_OPTIONS,
    *PATH_OPTIONS,
)


def _probe(
    *,
    target: str | None,
    interval: int | None,
    timeout: int,
    **given: Any,
) -> Probe:
    """Turn the options into what the engine runs; raise :class:`click.UsageError` where they contradict each other."""
    options = packet_options(**{name: given[name] for name in PACKET_OPTIONS})
    if target is None:
        if not isinstance(options, HttpOptions):
            raise click.UsageError("Missing option '--target'.")
        target = options.url.host
    if interval is not None and interval < _LEAST_NS:
        raise click.UsageError("--interval is at least 1ms")
    if not _LEAST_NS <= timeout <= _LONGEST_TIMEOUT_NS:
        raise click.UsageError("--timeout is between 1ms and 60s")
    chosen = chosen_paths(target, **{name: given[name] for name in PATH_OPTIONS})
    _check_ssids(options, streams=len(chosen.paths))
    return Probe(
        name=options.kind,
        options=options,
        interval_ns=interval or 1_000_000_000,
        timeout_ns=timeout,
        targets=(chosen.target,),
        paths=chosen.paths,
    )


def _check_ssids(options: ProbeOptions, *, streams: int) -> None:
    last = 65_536 - streams
    if isinstance(options, StampOptions) and options.ssid > last:
        raise click.UsageError(f"--ssid is the first of {streams} paths: begin at {last} or below")


def _bound(count: int | None, duration: int | None) -> Bound:
    if count is not None and duration is not None:
        raise click.UsageError("--count and --duration exclude each other")
    return Bound(duration_ns=duration) if duration is not None else Bound(packets=count or DEFAULT_COUNT)


def _recorder(directory: Path, probe: Probe) -> Recorder:
    from agent.history.recorder import Recorder

    plan = HistoryPlan(directory=directory, **_FOR_EVER)
    return Recorder(plan, socket.gethostname(), (probe,), patience_s=None)


def _measure(
    probe: Probe, bound: Bound, limits: _Limits, recorder: Recorder | None, *, as_json: bool, with_samples: bool
) -> int:
    """Run the probe, print what was seen, return the exit code."""
    figures = Figures(with_samples=with_samples, probes=(probe,))
    started_at = datetime.now(UTC)
    baseline, *candidates = probe.paths
    comparisons = [
        ComparisonPlan(baseline=baseline.name, candidate=candidate.name, probe=probe.name) for candidate in candidates
    ]

    def report() -> Json:
        return summary(figures, started_at=started_at, comparisons=comparisons)

    troubles = _run(probe, bound, figures, recorder, report, live=not as_json and sys.stderr.isatty())
    final = report()
    for line in troubles if as_json else [*troubles, *advice(final, probe.options)]:
        echo(f"eragent: {line}", err=True)
    if as_json:
        click.echo(json.dumps(final, indent=2))
    else:
        _print(final)
    if all(stream["sent"] == 0 for stream in final["streams"]):
        return COULD_NOT_MEASURE
    return 0 if all(limits.kept_by(stream) for stream in final["streams"]) else OUTSIDE_LIMITS


def _run(
    probe: Probe,
    bound: Bound,
    figures: Figures,
    recorder: Recorder | None,
    report: Callable[[], Json],
    *,
    live: bool,
) -> list[str]:
    """Run the engine until its bound, or until interrupted; say what kept paths from sending, each thing once."""

    async def run() -> list[str]:
        engine = Engine((probe,), figures if recorder is None else FanOut(figures, recorder.sink))
        async with contextlib.nullcontext() if recorder is None else recorder.recording():
            await engine.run(bound)
        return list(dict.fromkeys(str(trouble) for trouble in engine.troubles.values()))

    async def run_live() -> list[str]:
        from rich.console import Console
        from rich.live import Live

        from agent.report.text import streams_table

        with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as display:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(run())
                while not running.done():
                    await asyncio.wait([running], timeout=0.25)
                    display.update(streams_table(report()), refresh=True)
        return running.result()

    try:
        return loop.run(run_live() if live else run())
    except KeyboardInterrupt:  # what was seen until then is the result
        return []


def _print(report: Json) -> None:
    from rich.console import Console

    from agent.report.pairs import comparison_lines
    from agent.report.text import streams_table

    console = Console(highlight=False)
    console.print(streams_table(report))
    for line in comparison_lines(report):
        echo(line)
