"""``eragent demo``: two agents measure ExpressRoute and VPN side by side in a lab on this machine."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from agent.cli.lines import echo
from agent.config.quantities import parse_duration

if TYPE_CHECKING:
    from agent.lab.agents import Agent
    from agent.lab.lab import Lab, LabDescription, LabEvent
    from agent.lab.scenario import Scenario
    from agent.lab.screen import Screen

WRONG_USAGE = 2
COULD_NOT_RUN = 3
INTERRUPTED = 130
TERMINATED = 143

SCHEMA = "eragent.demo/1"

# The agent in Azure first, so that its reflector answers the first packet of the other.
_HTTP_PORTS = {"azure": 9470, "onprem": 9469}
_REFRESH_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """All that the demo has to tell at its end."""

    lab: LabDescription
    report: dict[str, Any]
    events: list[LabEvent]
    links: dict[str, dict[str, Any] | None]
    metrics: dict[str, str]


def _duration(_: click.Context, parameter: click.Parameter, text: str) -> float:
    try:
        duration_ns = parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from error
    if not duration_ns:
        raise click.BadParameter("must be longer than nothing", param=parameter)
    return duration_ns / 1e9


@click.command(
    epilog="""\b
Examples:
  eragent demo
  eragent demo --duration 2m --scenario my-scenario.yaml

\b
Exit codes:
  0    measured and compared
  2    wrong usage or scenario file
  3    could not run: another demo runs, or the lab cannot be built
  130  Ctrl-C;  143  SIGTERM
"""
)
@click.option("--duration", default="30s", show_default=True, callback=_duration, help="How long to measure.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Delay, loss, rate and outages of the lab's links; by default the one that comes with the program.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def command(duration: float, scenario: Path | None, as_json: bool) -> None:
    """Measure ExpressRoute and VPN side by side between two agents, in a lab on this machine.

    The lab is made of network namespaces that end with the program: a site, a customer edge, Microsoft's two edge
    routers, an IPsec tunnel and an Azure VM. While it runs, the agents' metrics are on 127.0.0.1, ports 9469 and 9470.
    """
    from agent.lab.agents import AgentError
    from agent.lab.lab import LabError
    from agent.lab.sandbox import AlreadyRunningError, hold_instance
    from agent.lab.scenario import DEFAULT_SCENARIO, ScenarioError, read_scenario

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        links = read_scenario(scenario or DEFAULT_SCENARIO)
        with hold_instance("eragent-demo"):
            outcome = _demonstrate(links, duration)
    except ScenarioError as error:
        _give_up(str(error), WRONG_USAGE)
    except AlreadyRunningError:
        _give_up("another `eragent demo` runs on this machine: end it first, or wait for it", COULD_NOT_RUN)
    except (LabError, AgentError) as error:
        _give_up(str(error), COULD_NOT_RUN)
    except KeyboardInterrupt:
        _give_up("interrupted; nothing is left of the lab", INTERRUPTED)
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, **asdict(outcome)}, indent=2))
    else:
        _tell(outcome)


def _give_up(message: str, code: int) -> NoReturn:
    click.echo(f"eragent demo: {message}", err=True)
    sys.exit(code)


def _demonstrate(scenario: Scenario, duration_s: float) -> _Outcome:
    from agent.lab.agents import Agent
    from agent.lab.lab import Lab
    from agent.lab.screen import open_screen

    with ExitStack() as stack:
        lab = stack.enter_context(Lab(scenario))
        _introduce(lab.description)
        agents = {}
        for name, port in _HTTP_PORTS.items():
            agent = stack.enter_context(Agent(name, lab, http_port=port, reflector_port=lab.reflector_port))
            agent.wait()
            click.echo(f"Agent {name}: metrics on {agent.url}/metrics", err=True)
            agents[name] = agent
        lab.play()
        with open_screen() as screen:
            report, events = _watch(lab, agents["onprem"], duration_s, screen)
        return _Outcome(
            lab=lab.description,
            report=report,
            events=events,
            links=lab.report(),
            metrics={name: f"{agent.url}/metrics" for name, agent in agents.items()},
        )


def _introduce(lab: LabDescription) -> None:
    if lab.links != "relays":
        _describe_links(lab)
    for lack in lab.lacks:
        click.echo(f"Note: {lack}", err=True)


def _describe_links(lab: LabDescription) -> None:
    delays = {"netem": "by the kernel (netem)", "user-space": "by processes of the lab (no netem here)"}
    ciphers = {
        "kernel": "IKEv2/IPsec, ESP in the kernel",
        "user-space": "IKEv2/IPsec, ESP in user space",
        "none": "without encryption",
    }
    click.echo(f"Links: delayed {delays[lab.links]}", err=True)
    click.echo(f"VPN: {ciphers[lab.esp]}", err=True)


def _watch(lab: Lab, agent: Agent, duration_s: float, screen: Screen) -> tuple[dict[str, Any], list[LabEvent]]:
    """Show the agent's figures once a second until the time is over; return the last ones, and what happened."""
    started = time.monotonic()
    events: list[LabEvent] = []
    shown_s = 0.0
    while True:
        wait_s = min(shown_s + _REFRESH_S, duration_s) - (time.monotonic() - started)
        if wait_s > 0:
            events += lab.events(wait_s)
            continue
        shown_s = time.monotonic() - started
        report = agent.summary()
        screen.show(shown_s, duration_s, report, events)
        if shown_s >= duration_s:
            return report, events


def _tell(outcome: _Outcome) -> None:
    from rich.console import Console

    from agent.lab.screen import event_line
    from agent.report.pairs import comparison_lines
    from agent.report.text import streams_table

    Console().print(streams_table(outcome.report))
    lines = ["", *comparison_lines(outcome.report), ""]
    if outcome.events:
        lines += ["What the scenario did:", *map(event_line, outcome.events), ""]
    if any(outcome.links.values()):
        lines += [
            "The lab's own error: how much later than planned its links let frames go",
            *_errors(outcome.links),
            "",
        ]
    lines += [f"Metrics of {name} were on {url}" for name, url in outcome.metrics.items()]
    for line in lines:
        echo(line)


def _errors(links: Mapping[str, Mapping[str, Any] | None]) -> Iterator[str]:
    from agent.report.cells import milliseconds

    for name, link in links.items():
        if link is not None and link["late_ns"]["max"] is not None:
            late = "  ".join(f"{key} {milliseconds(link['late_ns'][key])}" for key in ("p50", "p99", "max"))
            yield f"  {name:<13} {late}"
