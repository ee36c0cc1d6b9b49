"""``eragent compare``: whether one path is more predictable than another, with the evidence for it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.parsed import Parsed
from agent.cli.run import DEFAULT_CONFIG
from agent.config.quantities import parse_duration, parse_percentage

if TYPE_CHECKING:
    from agent.cli.evidence.sources import Source
    from agent.cli.evidence.wanted import Progress
    from agent.compare.comparison import Comparison

EXIT_CODES = {"better": 0, "same": 0, "worse": 1, "insufficient": 3}
USAGE = 2
_DURATION = Parsed("duration", parse_duration)
_PERCENTAGE = Parsed("percent", parse_percentage)
_WEEK_NS = 7 * 86_400_000_000_000
_LEAST_NS = 1_000_000_000
_MOST_NS = 86_400_000_000_000  # of what is measured now every packet waits in memory, 350 octets each


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
    "--samples",
    type=click.File(encoding="utf-8"),
    multiple=True,
    metavar="FILE",
    help="Samples as JSON lines; - for stdin. Several are read one after the other.",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="A history that an agent keeps.  [default: that of the configuration]",
)
@click.option(
    "--prometheus",
    metavar="URL",
    help="A server of Prometheus' API: only what its histograms tell. Name and password may stand in ~/.netrc.",
)
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
    **given: Any,
) -> None:
    """Tell whether CANDIDATE is the more predictable path, from packets of both that were sent in the same slot.

    Each figure has the 95 % interval of its difference. The verdict is better or worse where p99, p99 - p50, loss or
    availability differ by more than the margin beyond doubt, same where none does, and insufficient otherwise.
    """
    if baseline == candidate:
        raise click.UsageError("--baseline and --candidate are the same path: name two")
    _check(given, since)
    with _or_exit(), _progress(shown=sys.stderr.isatty()) as progress:
        from agent.cli.evidence.margin import Limits
        from agent.cli.evidence.sources import compared
        from agent.cli.evidence.wanted import Wanted

        wanted = Wanted(baseline=baseline, candidate=candidate, target=target, probe=probe)
        limits = Limits(margin_ns=margin, loss=loss_margin / 100, limit_ns=limit, config=given["config"])
        found = compared(_source(given, since), wanted, limits, now_ns=time.time_ns(), progress=progress)
    with _or_exit_unwritten():
        _print(found, as_json=as_json)
        sys.stdout.flush()
    sys.exit(EXIT_CODES[found.verdict])


@contextmanager
def _or_exit() -> Iterator[None]:
    """Exit with :data:`USAGE` and a reason where no answer is found; click's own code for an interrupt is a verdict."""
    try:
        from agent.cli.evidence.wanted import EvidenceError

        try:
            yield
        except EvidenceError as error:
            click.echo(f"eragent: {error}", err=True)
            sys.exit(USAGE)
    except KeyboardInterrupt:
        click.echo("eragent: interrupted before there was an answer: a shorter time takes less", err=True)
        sys.exit(USAGE)


@contextmanager
def _or_exit_unwritten() -> Iterator[None]:
    """Exit with :data:`USAGE` where the answer cannot be written; of a closed pipe, whoever reads has enough."""
    try:
        yield
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again at the end
        if not isinstance(error, BrokenPipeError):
            click.echo(f"eragent: the answer cannot be written: {error}", err=True)
            sys.exit(USAGE)


def _source(given: dict[str, Any], since_ns: int | None) -> Source:
    """Choose where the evidence comes from."""
    from agent.cli.evidence.sources import History, Measuring, Metrics, Samples

    config = given["config"] or DEFAULT_CONFIG
    back_ns = _WEEK_NS if since_ns is None else since_ns
    if given["samples"]:
        return Samples(files=given["samples"], since_ns=since_ns)
    if given["prometheus"] is not None:
        return Metrics(url=given["prometheus"], agent=given["agent"], tenant=given["tenant"], since_ns=back_ns)
    if given["duration"] is not None:
        return Measuring(config=config, duration_ns=given["duration"])
    return History(directory=given["history"], config=config, since_ns=back_ns)


def _check(given: dict[str, Any], since_ns: int | None) -> None:
    """Raise :class:`click.UsageError` for what does not go together."""
    sources = [f"--{name}" for name in ("samples", "history", "prometheus", "duration") if given[name]]
    if len(sources) > 1:
        raise click.UsageError(f"{' and '.join(sources)} exclude each other")
    for name in ("agent", "tenant"):
        if given[name] is not None and given["prometheus"] is None:
            raise click.UsageError(f"--{name} goes with --prometheus: files and histories are of one agent")
    if since_ns is not None and since_ns < _LEAST_NS:
        raise click.UsageError("--since is at least 1s")
    if given["duration"] is not None and since_ns is not None:
        raise click.UsageError("--since looks back, --duration measures now: leave one out")
    if given["duration"] is not None and given["duration"] < _LEAST_NS:
        raise click.UsageError("--duration is at least 1s")
    if given["duration"] is not None and given["duration"] > _MOST_NS:
        raise click.UsageError("--duration is at most 1d: for longer let an agent keep a history, and look back")


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

    from agent.compare.text import figures_table, heading, legend, lines, paths_table

    console = Console(highlight=False)

    def say(line: str, style: str | None = None) -> None:
        # A terminal has lines folded between words; elsewhere each stays one.
        console.print(line, soft_wrap=not console.is_terminal, markup=False, style=style)

    say(heading(report))
    if report["figures"]:
        console.print(figures_table(report))
        say(legend(report))
    if report["predictability"]:
        console.print()
        console.print(paths_table(report))
        console.print()
    *others, verdict = lines(report)
    for line in others:
        say(line)
    say(verdict, style="bold")
