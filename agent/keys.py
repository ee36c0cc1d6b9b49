"""Where keys and passwords come from: files, and credentials of systemd. Errors never show one."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from collectors.stamp.authentication import LEAST_KEY_SIZE, Key, parse_key

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The variable in which systemd names the folder of a service's credentials (systemd.exec(5))."""

_LARGEST_FILE = 4096  # far more than any key; a log or a disk named by mistake is not read
_EVERYONE = stat.S_IROTH | stat.S_IWOTH


class KeyFileError(ValueError):
    """A key cannot be had. Says which file and what to do, never what the file holds."""


def read_key(path: Path) -> Key:
    """Read the key in a file; raise :class:`KeyFileError` where the file or what is in it does not serve."""
    try:
        return parse_key(read_secret(path, "key"))
    except KeyFileError:
        raise
    except ValueError as error:
        advice = f"`openssl rand -hex 32` makes one of more than {LEAST_KEY_SIZE} octets"
        raise KeyFileError(f"{path} holds no key: {error}; {advice}") from None


def read_secret(path: Path, what: str) -> bytes:
    """Return the content of a small file that not everyone may read; ``what`` it is to hold is said in errors.

    Raise :class:`KeyFileError` where the file does not serve.
    """
    try:
        # Without O_NONBLOCK a pipe of that name would stop the program until somebody writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileError(_unreadable(path, error, what)) from error
    try:
        return _checked_content(path, descriptor, what)
    finally:
        os.close(descriptor)


def is_open_to_everyone(path: Path) -> bool:
    """Whether every user of this host may read or write a regular file that is there."""
    return path.is_file() and bool(path.stat().st_mode & _EVERYONE)


def secret_path(
    file: Path | None, credential: str | None, folder: Path, environment: Mapping[str, str] = os.environ
) -> Path | None:
    """Return the file that a configuration in ``folder`` names: itself, or as a credential; ``None``: neither."""
    if file is not None:
        return folder / file
    return None if credential is None else credential_path(credential, environment)


def credential_path(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file of the credential that systemd passed under ``name`` (``LoadCredential=`` in the unit).

    Raise :class:`KeyFileError` where systemd passed none at all.
    """
    folder = environment.get(CREDENTIALS)
    if not folder:
        raise KeyFileError(
            f"systemd passed no credentials (${CREDENTIALS} is not set): add LoadCredential={name}:FILE to the unit; "
            f"outside of it, set {CREDENTIALS} to the folder of a file {name}"
        )
    return Path(folder, name)


def parse_credential_name(text: str) -> str:
    """Check the name of a credential: that of a file, without its folder."""
    if not text.isascii() or not text.isprintable() or not 0 < len(text) <= 255 or text in {".", ".."}:
        raise ValueError(f"{text!r} is no name of a credential: write the NAME of LoadCredential=NAME:FILE in the unit")
    if "/" in text or ":" in text:
        raise ValueError(f"{text!r} is no name of a credential: without '/' and ':'; for a file write key_file")
    return text


def _checked_content(path: Path, descriptor: int, what: str) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is no regular file: name the file that holds the {what}")
    if status.st_mode & _EVERYONE:
        raise KeyFileError(f"{path} is open to every user of this host: chmod 0640 {path}")
    content = os.read(descriptor, _LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise KeyFileError(f"{path} has more than {_LARGEST_FILE} octets: name the file that holds the {what} alone")
    return content


def _unreadable(path: Path, error: OSError, what: str) -> str:
    if isinstance(error, PermissionError):
        return (
            f"{path} cannot be read by user {_user()}: give it a group of that user and chmod 0640, "
            f"or have systemd pass it ({what}_credential)"
        )
    if isinstance(error, FileNotFoundError):
        return f"{path} is not there: correct the name, or put the {what} into it"
    return f"{path} cannot be read: {error.strerror}: name the file that holds the {what}"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return str(os.geteuid())
