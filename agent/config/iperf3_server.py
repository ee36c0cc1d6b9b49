"""What the keys of ``reflector.iperf3`` say together, and the plan that they make."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.config.document import Data, Document
from agent.config.problems import Key, Problem
from agent.config.sections.reflector import Iperf3ReflectorSection
from agent.config.validation import named
from agent.keys import KeyFileError, is_open_to_everyone, secret_path
from agent.plan import Iperf3ServerPlan

_PLACE: Key = ("reflector", "iperf3")


def iperf3_server_problems(document: Document, environment: Mapping[str, str], *, with_keys: bool) -> Iterator[Problem]:
    """Yield what is wrong between the keys of the section; with keys, also files that iperf3 could not read."""
    section = named(named(document.data, "reflector"), "iperf3")
    for what in ("key", "users"):
        if f"{what}_file" in section and f"{what}_credential" in section:
            message = f"{what}_file names the file already: remove one of them"
            yield document.problem((*_PLACE, f"{what}_credential"), message, at_key=True)
    given = [what for what in ("key", "users") if f"{what}_file" in section or f"{what}_credential" in section]
    if len(given) == 1:
        (missing,) = {"key", "users"} - {*given}
        yield document.problem(
            _PLACE, f"iperf3's authentication needs a key and users: add {missing}_file", at_key=True
        )
    if with_keys:
        yield from _unreadable(document, section, environment)


def _unreadable(document: Document, section: Mapping[str, Data], environment: Mapping[str, str]) -> Iterator[Problem]:
    for what in ("key", "users"):
        file, credential = section.get(f"{what}_file"), section.get(f"{what}_credential")
        given = f"{what}_file" if isinstance(file, str) else f"{what}_credential"
        try:
            path = secret_path(
                Path(file) if isinstance(file, str) else None,
                credential if isinstance(credential, str) else None,
                Path(document.file).parent,
                environment,
            )
        except KeyFileError as error:
            yield document.problem((*_PLACE, given), str(error))
        else:
            if path is not None and not os.access(path, os.R_OK):
                message = f"{path} is not there, or cannot be read: iperf3 is to read it as this user"
                yield document.problem((*_PLACE, given), message)
            elif path is not None and not path.is_file():
                holds = "private key (PEM)" if what == "key" else "users"
                yield document.problem((*_PLACE, given), f"{path} is no file: name the one that holds the {holds}")
            elif what == "key" and path is not None and is_open_to_everyone(path):
                message = f"{path} is open to every user of this host: chmod 0640 {path}"
                yield document.problem((*_PLACE, given), message)


def iperf3_server_plan(
    section: Iperf3ReflectorSection | None, folder: Path, environment: Mapping[str, str]
) -> Iperf3ServerPlan | None:
    """Return the plan of a section without problems; without a section nothing is served."""
    if section is None:
        return None
    return Iperf3ServerPlan(
        listen=section.listen,
        allow=tuple(section.allow),
        private_key_file=secret_path(section.key_file, section.key_credential, folder, environment),
        users_file=secret_path(section.users_file, section.users_credential, folder, environment),
    )
