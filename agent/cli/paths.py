"""The options that say over which paths a command goes and to which target, alike in every command that measures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agent.cli.parsed import Parsed
from agent.config.hosts import parse_host, parse_source
from collectors.path import NetworkPath, Target

if TYPE_CHECKING:
    from agent.plan import Plan

C = TypeVar("C", bound=Callable[..., Any])

WRONG_CONFIGURATION = 2


_LARGEST_MARK = 2**32 - 1  # SO_MARK takes 32 bits


def _mark(text: str) -> int:
    try:
        mark = int(text, 0)
    except ValueError:
        raise ValueError(f"{text!r} is no mark: write a number such as 201 or 0xc9") from None
    if not 1 <= mark <= _LARGEST_MARK:
        raise ValueError(f"{text} is no mark: write a number from 1 to {_LARGEST_MARK}")
    return mark


_OPTIONS = (
    click.option(
        "--source",
        type=Parsed("address", parse_source),
        metavar="ADDRESS",
        help="Send from this address of the host.",
    ),
    click.option("--interface", metavar="NAME", help="Send through this interface."),
    click.option(
        "--fwmark", type=Parsed("mark", _mark), metavar="MARK", help="Mark the packets for the host's routing rules."
    ),
    click.option(
        "--path", "paths", multiple=True, metavar="NAME", help="A path of --config; several are probed in pairs."
    ),
    click.option(
        "--config", type=click.Path(path_type=Path), metavar="FILE", help="Where --path and its targets are from."
    ),
)

PATH_OPTIONS = ("source", "interface", "fwmark", "paths", "config")
"""The names under which a command gets these options."""


def options_of_paths(command: C) -> C:
    """Give a command these options, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Where to measure; ``plan`` is that of the configuration, ``None`` where none was named."""

    paths: tuple[NetworkPath, ...]
    target: Target
    plan: Plan | None = None


def chosen_paths(
    target: str, *, source: Any, interface: str | None, fwmark: int | None, paths: tuple[str, ...], config: Path | None
) -> Chosen:
    """Turn the options into paths and a target; raise :class:`click.UsageError` where they contradict each other.

    A configuration that is wrong is told on standard error, and ends the program with code 2.
    """
    if paths and (source, interface, fwmark) != (None, None, None):
        raise click.UsageError("--path brings its own source, interface and fwmark: leave out the options")
    if paths and config is None:
        raise click.UsageError("--path names a path of a configuration: add --config FILE")
    default = NetworkPath(name="default", source=source, interface=interface, fwmark=fwmark)
    if config is None:
        return Chosen(paths=(default,), target=_host(target))
    return _configured(config, paths, target, otherwise=default)


def _configured(config: Path, names: tuple[str, ...], target: str, *, otherwise: NetworkPath) -> Chosen:
    """Look up paths and target in a configuration; a target that it does not name is a host."""
    from agent.config.load import load_plan
    from agent.config.problems import ConfigError

    try:
        plan = load_plan(config, with_keys=False)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG_CONFIGURATION)
    unknown = [name for name in names if name not in plan.paths]
    if unknown:
        known = ", ".join(plan.paths) or "none"
        raise click.UsageError(f"--path {unknown[0]}: not in {config}; its paths: {known}")
    paths = tuple(plan.paths[name] for name in dict.fromkeys(names)) or (otherwise,)
    far_end = plan.targets[target] if target in plan.targets else _host(target)
    for path in paths:
        if far_end.host is None and path.name not in far_end.hosts:
            raise click.UsageError(f"--target {target}: {config} gives it no address on path {path.name}")
    return Chosen(paths=paths, target=far_end, plan=plan)


def _host(text: str) -> Target:
    """Return the target that is a host of this name or address; raise :class:`click.UsageError` where none can be."""
    try:
        return Target(name=text, host=parse_host(text))
    except ValueError as error:
        raise click.UsageError(f"--target {error}") from error
