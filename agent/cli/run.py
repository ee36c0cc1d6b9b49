"""``eragent run``: measure all the time, as a configuration file says, and serve the metrics."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

DEFAULT_CONFIG = Path("/etc/eragent/eragent.yaml")
WRONG_CONFIGURATION = 2
COULD_NOT_START = 3


@click.command(
    epilog="""\b
Example:
  eragent run --config /etc/eragent/eragent.yaml

\b
Exit codes:
  0  ended by SIGTERM or SIGINT
  2  wrong usage or configuration
  3  could not start: for example the port of `listen` is taken
"""
)
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG, show_default=True, metavar="FILE")
def command(config: Path) -> None:
    """Measure all the time, as a configuration file says, and serve the metrics over HTTP.

    A socket passed by systemd (LISTEN_FDS) takes the place of the configuration's `listen`. SIGHUP, and POST /-/reload,
    have the file read again: streams that it leaves as they are go on undisturbed, and a mistake in it changes nothing.
    """
    from agent import logs, loop, systemd
    from agent.config.load import load_plan
    from agent.config.problems import ConfigError
    from agent.exposition import ListenError, listening_socket
    from agent.service import serve

    logs.start()
    try:
        plan = load_plan(config)
        passed = systemd.passed_sockets()
        sockets = passed or [listening_socket(plan.listen)]
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG_CONFIGURATION)
    except ListenError as error:
        click.echo(f"eragent: {error}", err=True)
        sys.exit(COULD_NOT_START)
    loop.run(serve(plan, sockets, load=partial(load_plan, config), sockets_passed=bool(passed)))
