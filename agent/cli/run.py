"""``eragent run``: measure all the time, as a configuration file says, and serve the metrics."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from agent.cli.bare import OptionsOnly

DEFAULT_CONFIG = Path("/etc/eragent/eragent.yaml")
WRONG_CONFIGURATION = 2
COULD_NOT_START = 3
NOT_ALLOWED = 4


@click.command(
    cls=OptionsOnly,
    bare="--config",
    epilog="""\b
Example:
  eragent run --config /etc/eragent/eragent.yaml

\b
Exit codes:
  0  ended by SIGTERM or SIGINT
  2  wrong usage or configuration
  3  could not start: for example the port of `listen` is taken
  4  this host does not let it: a capability is missing, the kernel or Python is too old
""",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),  # who reads it says what to do where it may not
    default=DEFAULT_CONFIG,
    show_default=True,
    metavar="FILE",
)
def command(config: Path) -> None:
    """Measure all the time, as a configuration file says, and serve the metrics over HTTP.

    A socket passed by systemd (LISTEN_FDS) takes the place of the configuration's `listen`. SIGHUP, and POST /-/reload,
    have the file read again: streams that it leaves as they are go on undisturbed, and a mistake in it changes nothing.
    Capabilities that the configuration does not need are given up at the start.
    """
    from agent.config.apart import Reading, ReadingError, read_apart
    from agent.config.problems import ConfigError

    try:
        reading = Reading(config)
        from agent import loop  # what takes long to import comes while the configuration is read
        from agent.exposition.server import ListenError, listening_socket
        from agent.service import capabilities, logs, systemd
        from agent.service.service import serve

        logs.start()
        host, held = capabilities.this_host(), capabilities.held()
        plan = reading.plan()
        _allowed(capabilities.unsupported(host.kernel) + capabilities.lacking(plan, host, held))
        passed = systemd.passed_sockets()
        sockets = passed or [listening_socket(plan.listen)]
    except ConfigError as error:
        _end(str(error), WRONG_CONFIGURATION)
    except (ReadingError, ListenError) as error:
        _end(f"eragent: {error}", COULD_NOT_START)
    kept = capabilities.to_keep(plan, host, held)
    given_up = capabilities.keep_only(kept)
    running = serve(
        plan,
        sockets,
        load=partial(read_apart, config),
        sockets_passed=bool(passed),
        lacking=lambda plan: capabilities.lacking(plan, host, capabilities.held()),
        introduction=[capabilities.told(kept, given_up)] if kept or given_up else [],
    )
    loop.run(running)


def _allowed(lacking: list[str]) -> None:
    """End the program where something is lacking that trying again does not bring."""
    if lacking:
        _end("\n".join(f"eragent: {line}" for line in lacking), NOT_ALLOWED)


def _end(reasons: str, code: int) -> NoReturn:
    """Say what is in the way, on stderr and to the service manager."""
    from agent.service import systemd

    click.echo(reasons, err=True)
    systemd.notify(systemd.cannot_start(reasons))
    sys.exit(code)
