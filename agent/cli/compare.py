"""``eragent compare``: whether one path is more predictable than another, with the evidence for it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypedDict

import click

from agent.cli.parsed import Parsed
from agent.cli.run import DEFAULT_CONFIG
from agent.config.quantities import parse_duration, parse_percentage

if TYPE_CHECKING:
    from agent.cli.evidence import Progress, Wanted
    from agent.compare.comparison import Comparison, Names
    from agent.compare.margins import Margins
    from agent.plan import Plan

EXIT_CODES = {"better": 0, "same": 0, "worse": 1, "insufficient": 3}
USAGE = 2
_DURATION = Parsed("duration", parse_duration)
_PERCENTAGE = Parsed("percent", parse_percentage)
_WEEK_NS = 7 * 86_400_000_000_000
_LEAST_NS = 1_000_000_000


class _HeldTo(TypedDict):
    """What a comparison is held to, as arguments."""

    margins: Margins
    limit_ns: float


@click.command(
    epilog="""\b
Examples:
  eragent compare --baseline vpn --candidate expressroute --since 7d --margin 1ms
  eragent compare --baseline vpn --candidate expressroute --samples samples.jsonl --json
  eragent compare --baseline vpn --candidate expressroute --duration 30m --config /etc/eragent/eragent.yaml
  eragent compare --baseline vpn --candidate expressroute --prometheus https://mimir.example.net/prometheus

\b
Exit codes:
  0  the candidate is better than the baseline, or the same within the margins
  1  the candidate is worse
  2  wrong usage, or nothing that could be compared: the message says why
  3  not enough evidence yet; the answer says how much longer to measure, where that can be foreseen
"""
)
@click.option("--baseline", required=True, metavar="PATH", help="The path that is compared with.")
@click.option("--candidate", required=True, metavar="PATH", help="The path that should be better.")
@click.option("--target", metavar="NAME", help="Where both paths lead.  [default: the one that both have]")
@click.option("--probe", metavar="NAME", help="What measures both.  [default: the one that both have]")
@click.option("--since", type=_DURATION, help="How far to look back.  [default: 7d; all of a file of samples]")
@click.option(
    "--margin",
    type=_DURATION,
    help="Smaller differences of delays do not matter.  [default: that of the configuration's comparison, or 500us]",
)
@click.option(
    "--loss-margin", type=_PERCENTAGE, default="0.1%", show_default=True, help="Nor do smaller differences of loss."
)
@click.option(
    "--limit",
    type=_DURATION,
    default="5ms",
    show_default=True,
    help="What p99 - p50 of each minute was agreed to stay within.",
)
@click.option(
    "--samples", type=click.File(encoding="utf-8"), metavar="FILE", help="Samples as JSON lines; - for stdin."
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="A history that an agent keeps.  [default: that of the configuration]",
)
@click.option("--prometheus", metavar="URL", help="A server of Prometheus' API: only what its histograms tell.")
@click.option("--agent", metavar="NAME", help="Whose metrics, where --prometheus has those of several agents.")
@click.option("--tenant", metavar="NAME", help="X-Scope-OrgID, where --prometheus is a server of several tenants.")
@click.option("--duration", type=_DURATION, help="Measure now, for so long, as the configuration's probe does.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Configuration of the paths (--duration), of the history, and of the margin.  [default: {DEFAULT_CONFIG}]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, schema eragent.compare/1.")
def command(
    baseline: str,
    candidate: str,
    target: str | None,
    probe: str | None,
    since: int | None,
    margin: int | None,
    loss_margin: float,
    limit: int,
    as_json: bool,
    **inputs: Any,
) -> None:
    """Tell whether CANDIDATE is the more predictable path, from packets of both that were sent in the same slot.

    Each figure has the 95 % interval of its difference. The verdict is better or worse where p99, p99 - p50, loss or
    availability differ by more than the margin beyond doubt, same where none does, and insufficient otherwise.
    """
    from agent.cli.evidence import EvidenceError, Wanted

    if baseline == candidate:
        raise click.UsageError("--baseline and --candidate are the same path: name two")
    if since is not None and since < _LEAST_NS:
        raise click.UsageError("--since is at least 1s")
    _check_inputs(inputs, since)
    wanted = Wanted(baseline=baseline, candidate=candidate, target=target, probe=probe)
    limits = _Limits(margin_ns=margin, loss=loss_margin / 100, limit_ns=limit, config=inputs["config"])
    inputs["config"] = inputs["config"] or DEFAULT_CONFIG
    try:
        with _progress(shown=sys.stderr.isatty()) as progress:
            found = _compared(wanted, limits, since, inputs, progress)
    except EvidenceError as error:
        click.echo(f"eragent: {error}", err=True)
        sys.exit(USAGE)
    _print(found, as_json=as_json)
    sys.exit(EXIT_CODES[found.verdict])


def _check_inputs(inputs: dict[str, Any], since: int | None) -> None:
    given = [f"--{name}" for name in ("samples", "history", "prometheus", "duration") if inputs[name] is not None]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other")
    for name in ("agent", "tenant"):
        if inputs[name] is not None and inputs["prometheus"] is None:
            raise click.UsageError(f"--{name} goes with --prometheus: files and histories are of one agent")
    if inputs["duration"] is not None and since is not None:
        raise click.UsageError("--since looks back, --duration measures now: leave one out")
    if inputs["duration"] is not None and inputs["duration"] < _LEAST_NS:
        raise click.UsageError("--duration is at least 1s")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """What does not matter to the operator, as far as it was given, and what was agreed."""

    margin_ns: int | None
    loss: float
    limit_ns: int
    config: Path | None

    def of(self, names: Names) -> tuple[_HeldTo, str]:
        """Return what holds for these paths, as comparisons take it, and in words where that comes from."""
        from agent.cli.margin import margin_of
        from agent.compare.margins import Margins

        margin = margin_of(names, given_ns=self.margin_ns, config=self.config)
        margins = Margins(delay_ns=margin.delay_ns, loss=self.loss)
        return {"margins": margins, "limit_ns": self.limit_ns}, margin.note


def _compared(
    wanted: Wanted, limits: _Limits, since: int | None, inputs: dict[str, Any], progress: Progress
) -> Comparison:
    """Gather the packets from where they are asked for, and compare them."""
    from agent.cli import evidence
    from agent.compare.comparison import compare

    samples: IO[str] | None = inputs["samples"]
    now_ns = time.time_ns()
    if inputs["prometheus"] is not None:
        return _compared_by_metrics(wanted, limits, (since or _WEEK_NS) / 1e9, now_ns / 1e9, inputs, progress)
    if samples is not None:
        progress("reading samples")
        names, pairs = evidence.pairs_of_file(samples, wanted, since_ns=since)
    elif inputs["duration"] is not None:
        names, pairs = _measured(wanted, inputs["config"], inputs["duration"], progress)
    else:
        directory = inputs["history"] or _history_of(inputs["config"])
        names, pairs = evidence.pairs_of_history(
            directory, wanted, since_ns=now_ns - (since or _WEEK_NS), until_ns=now_ns, progress=progress
        )
    held_to, note = limits.of(names)
    return _noted(compare(pairs, names, **held_to, progress=progress), note)


def _compared_by_metrics(
    wanted: Wanted, limits: _Limits, since_s: float, now_s: float, inputs: dict[str, Any], progress: Progress
) -> Comparison:
    import asyncio

    from agent.cli.prometheus import histograms_of
    from agent.compare.histograms import compare_histograms

    url = inputs["prometheus"]
    progress(f"asking {url}")
    agent, tenant = inputs["agent"], inputs["tenant"]
    found = asyncio.run(histograms_of(url, wanted, agent=agent, tenant=tenant, since_s=since_s, now_s=now_s))
    held_to, note = limits.of(found.names)
    return _noted(compare_histograms(*found.sides, found.names, found.window, **held_to, warnings=found.warnings), note)


def _noted(found: Comparison, note: str) -> Comparison:
    return replace(found, notes=(*found.notes, note))


def _measured(wanted: Wanted, config: Path, duration_ns: int, progress: Progress) -> Any:
    from agent import loop
    from agent.cli.evidence import EvidenceError, pairs_of_paths
    from agent.config.quantities import format_duration

    plan = _plan(config, with_keys=True)
    progress(f"measuring for {format_duration(duration_ns)}")
    try:
        return loop.run(pairs_of_paths(plan, wanted, where=str(config), duration_ns=duration_ns))
    except KeyboardInterrupt:
        raise EvidenceError("interrupted: a shorter --duration is a shorter run") from None


def _history_of(config: Path) -> Path:
    from agent.cli.evidence import EvidenceError

    plan = _plan(config, with_keys=False)
    if plan.history is None:
        raise EvidenceError(f"{config} keeps no history: add `history`, or use --samples, --prometheus or --duration")
    return plan.history.directory


def _plan(config: Path, *, with_keys: bool) -> Plan:
    from agent.cli.evidence import EvidenceError
    from agent.config.load import load_plan
    from agent.config.problems import ConfigError

    try:
        return load_plan(config, with_keys=with_keys)
    except ConfigError as error:
        raise EvidenceError(str(error)) from error


@contextmanager
def _progress(*, shown: bool) -> Iterator[Progress]:
    """Show what is being done on a terminal; elsewhere nothing."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(f"{text} ...")


def _print(found: Comparison, *, as_json: bool) -> None:
    from agent.compare.document import document

    report = document(found)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    from rich.console import Console

    from agent.compare.text import lines, table

    console = Console(highlight=False)
    if report["figures"]:
        console.print(table(report))
    for line in lines(report):
        console.print(line, soft_wrap=True, markup=False)
