"""Writes the manual pages from the command line's own help: ``python -m docs.man FOLDER`` fills FOLDER/man1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from agent import __version__
from agent.cli import main

_UNWRAPPED = "\b"  # what click takes for "leave the lines of this paragraph alone"


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name of each manual page, as ``eragent-probe.1``, and its text."""
    context = click.Context(main, info_name="eragent")
    names = main.list_commands(context)
    yield "eragent.1", _page(context, others=[f"eragent-{name}" for name in names])
    for name in names:
        command = main.get_command(context, name)
        assert command is not None
        yield f"eragent-{name}.1", _page(click.Context(command, context, info_name=name), others=["eragent"])


def _page(context: click.Context, *, others: list[str]) -> str:
    command, name = context.command, context.command_path.replace(" ", "-")
    lines = [
        f'.TH {name.upper()} 1 "" "eragent {__version__}" "User Commands"',
        ".SH NAME",
        f"{_escaped(name)} \\- {_escaped(command.get_short_help_str(limit=200))}",
        ".SH SYNOPSIS",
        f"\\fB{_escaped(context.command_path)}\\fR {_escaped(' '.join(command.collect_usage_pieces(context)))}",
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
    ]
    if isinstance(command, click.Group):
        lines += [".SH COMMANDS", *_commands(command, context)]
    lines += [".SH OPTIONS", *_options(command, context)]
    if command.epilog:
        lines += [".SH NOTES", *_paragraphs(command.epilog)]
    lines += [".SH FILES", ".TP", r"\fI/etc/eragent/eragent.yaml\fR", "What the service measures."]
    lines += [".SH SEE ALSO", ", ".join(f"\\fB{_escaped(other)}\\fR(1)" for other in others)]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from (".TP", f"\\fB{_escaped(name)}\\fR", _escaped(command.get_short_help_str(limit=200)))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            yield from (".TP", f"\\fB{_escaped(record[0])}\\fR", _escaped(record[1]))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        lines = [line for line in paragraph.split("\n") if line.strip() != _UNWRAPPED]
        if len(lines) < len(paragraph.split("\n")):
            yield from (".PP", ".nf", *(_escaped(line.rstrip()) for line in lines), ".fi")
        else:
            yield from (".PP", *(_escaped(line.strip()) for line in lines))


def _escaped(text: str) -> str:
    """Return text as roff prints it: a backslash, a hyphen and a leading dot or quote mean themselves."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


if __name__ == "__main__":
    folder = Path(sys.argv[1]) / "man1"
    folder.mkdir(parents=True, exist_ok=True)
    for page, content in pages():
        (folder / page).write_text(content, encoding="utf-8")
