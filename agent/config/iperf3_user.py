"""Who a test of throughput is to a server that asks: what the keys say together, and whether their files serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from agent.config.document import Document
from agent.config.problems import Key, Problem
from agent.config.sections.throughput import Iperf3Section
from agent.keys import KeyFileError, secret_path
from agent.throughput.user import check_password, check_public_key
from collectors.iperf3.options import Authentication

_NEEDED = ("user", "password_file", "public_key_file")


def authentication_problems(
    document: Document, place: Key, section: Iperf3Section, environment: Mapping[str, str], *, with_keys: bool
) -> Iterator[Problem]:
    """Yield what is wrong between these keys of a section at ``place``; with keys, also what is in their files."""
    if section.password_file is not None and section.password_credential is not None:
        message = "password_file names the password already: remove one of them"
        yield document.problem((*place, "password_credential"), message, at_key=True)
    given = {name for name in _NEEDED if getattr(section, name) is not None}
    if section.password_credential is not None:
        given.add("password_file")
    missing = [name for name in _NEEDED if name not in given]
    if (given or section.pkcs1_padding) and missing:
        message = f"iperf3's authentication needs a user, a password and a public key: add {' and '.join(missing)}"
        yield document.problem(place, message, at_key=True)
    if with_keys:
        yield from _of_files(document, place, section, environment)


def authentication_of(section: Iperf3Section, folder: Path, environment: Mapping[str, str]) -> Authentication | None:
    """Return what a section without problems says; ``None``: nothing, for servers that do not ask."""
    password = secret_path(section.password_file, section.password_credential, folder, environment)
    if section.user is None or password is None or section.public_key_file is None:
        return None
    return Authentication(
        user=section.user,
        password_file=password,
        public_key_file=folder / section.public_key_file,
        pkcs1_padding=section.pkcs1_padding,
    )


def _of_files(
    document: Document, place: Key, section: Iperf3Section, environment: Mapping[str, str]
) -> Iterator[Problem]:
    folder = Path(document.file).parent
    password = "password_file" if section.password_file is not None else "password_credential"
    checks: tuple[tuple[str, Path | None, str | None, Callable[[Path], None]], ...] = (
        (password, section.password_file, section.password_credential, check_password),
        ("public_key_file", section.public_key_file, None, check_public_key),
    )
    for key, file, credential, check in checks:
        try:
            path = secret_path(file, credential, folder, environment)
            if path is not None:
                check(path)
        except KeyFileError as error:
            yield document.problem((*place, key), str(error))
