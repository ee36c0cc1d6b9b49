"""Lines for people: whole for files and programs, broken between words where a terminal has no room for them."""

from __future__ import annotations

import shutil
import sys

import click

from agent.report.folding import folded


def echo(line: str, *, err: bool = False) -> None:
    """Print a line, to standard error with ``err``."""
    at_terminal = (sys.stderr if err else sys.stdout).isatty()
    click.echo("\n".join(folded(line, shutil.get_terminal_size().columns)) if at_terminal else line, err=err)
