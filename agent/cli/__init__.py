"""The command line: one module per command, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from agent import __version__

_COMMANDS = {
    "probe": "Measure paths to a target once, and say what was seen.",
    "throughput": "Measure what paths carry, what that does to their latency, and what limits them; once.",
    "compare": "Tell whether one path is more predictable than another, and how sure that is.",
    "run": "Measure all the time, as a configuration file says, and serve the metrics.",
    "export": "Write the samples of a history, for other programs: JSON, CSV, Parquet, OpenMetrics.",
    "reflect": "Answer STAMP and TWAMP-Light test packets.",
    "check": "Check a configuration file; every error with file, line and key.",
    "demo": "Two agents measure ExpressRoute and VPN side by side in a lab on this machine.",
}


LEAST_PYTHON = (3, 11)
_NOT_ALLOWED = 4


class UnsupportedPythonError(click.ClickException):
    """A Python too old for the rest of the program, which is imported only after that is known."""

    exit_code = _NOT_ALLOWED


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raise :class:`UnsupportedPythonError` where the program cannot run on a Python of this version."""
    if version < LEAST_PYTHON:
        found, least = (".".join(map(str, numbers)) for numbers in (version, LEAST_PYTHON))
        raise UnsupportedPythonError(f"Python {found} does not serve: install eragent with Python {least} or newer")


class _LazyGroup(click.Group):
    """Lists all commands, imports the one that is called: the start-up time of each stays its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        check_python()
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"agent.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # 3 ms that no right command needs

            for near in get_close_matches(args[0], _COMMANDS, n=1):
                ctx.fail(f"No such command '{args[0]}'. Did you mean '{near}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="eragent")
def main() -> None:
    """Measure how predictable each network path to Azure is: ExpressRoute, VPN, internet, side by side."""
