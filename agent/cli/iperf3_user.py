"""The options that say who tests, to an iperf3 server that asks; a password stands in a file, never in an option."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from agent.cli.parsed import Parsed
from agent.keys import KeyFileError
from agent.throughput.user import check_password, check_public_key, parse_user
from collectors.iperf3.options import Authentication

C = TypeVar("C", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "--user",
        type=Parsed("user", parse_user),
        metavar="NAME",
        help="Who tests, where the server asks (iperf3's RSA authentication).",
    ),
    click.option("--password-file", type=_FILE, metavar="FILE", help="File of that user's password, one line."),
    click.option("--public-key-file", type=_FILE, metavar="FILE", help="File of the server's public key (PEM)."),
    click.option(
        "--pkcs1-padding", is_flag=True, help="Encrypt as servers before iperf3 3.17 need it of clients since then."
    ),
)

USER_OPTIONS = ("user", "password_file", "public_key_file", "pkcs1_padding")
"""The names under which a command gets these options."""


def options_of_user(command: C) -> C:
    """Give a command these options, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_user(
    *, user: str | None, password_file: Path | None, public_key_file: Path | None, pkcs1_padding: bool
) -> Authentication | None:
    """Return who tests, ``None`` where no option says so; raise :class:`click.UsageError` where files do not serve."""
    if (user, password_file, public_key_file, pkcs1_padding) == (None, None, None, False):
        return None
    if not user or password_file is None or public_key_file is None:
        raise click.UsageError("--user, --password-file and --public-key-file go together: give all three, or none")
    try:
        check_password(password_file)
        check_public_key(public_key_file)
    except KeyFileError as error:
        raise click.UsageError(str(error)) from error
    return Authentication(
        user=user, password_file=password_file, public_key_file=public_key_file, pkcs1_padding=pkcs1_padding
    )
