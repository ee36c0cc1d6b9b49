"""What ``eragent reflect --config`` does: the section ``reflector`` of a configuration file in the place of options."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click
from click.core import ParameterSource

from agent.config.apart import ReadingError, read_apart
from agent.config.problems import ConfigError
from agent.keys import KeyFileError, read_key
from agent.plan import Iperf3ServerPlan, ReflectorPlan
from agent.service import systemd
from collectors.stamp.authentication import Key

_WRONG_CONFIGURATION = 2
_COULD_NOT_MEASURE = 3


class CannotAnswer(click.ClickException):
    """What ends the command where this host does not let it answer."""

    exit_code = _COULD_NOT_MEASURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorSection:
    """What to answer, by which key, and iperf3's server beside it, where the file wants one."""

    plan: ReflectorPlan
    key: Key | None
    iperf3_server: Iperf3ServerPlan | None


def read_section(config: Path) -> ReflectorSection:
    """Read a configuration; say what is wrong and end the program where it does not serve."""
    try:
        plan = read_apart(config)
        key = None if plan.reflector is None or plan.reflector.key_file is None else read_key(plan.reflector.key_file)
    except (ConfigError, KeyFileError) as error:
        _refuse(str(error))
    except ReadingError as error:
        systemd.notify(systemd.cannot_start(str(error)))
        raise CannotAnswer(str(error)) from error
    if plan.reflector is None:
        example = '`reflector: {stamp: {listen: "[::]:862", allow: [10.1.0.0/16]}}`'
        _refuse(f"{config}: reflector: missing: say whom to answer and where, for example {example}")
    return ReflectorSection(plan=plan.reflector, key=key, iperf3_server=plan.iperf3_server)


def _refuse(message: str) -> NoReturn:
    click.echo(message, err=True)
    systemd.notify(systemd.cannot_start(message))
    sys.exit(_WRONG_CONFIGURATION)


def refuse_options(context: click.Context, allowed: Collection[str]) -> None:
    """Raise :class:`click.UsageError` where options beside the allowed ones were given: the file says all of it."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in allowed
        and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: not beside --config, whose file says it in its section reflector")
