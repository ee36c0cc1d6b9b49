"""What the keys of remote write say together: it sends a history, and says who it is in one way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.config.document import Document
from agent.config.problems import Key, Problem
from agent.config.sections.history import RemoteWriteSection
from agent.config.validation import named
from agent.plan import RemoteWritePlan

_PLACE: Key = ("remote_write",)


def remote_problems(document: Document, folder: Path) -> Iterator[Problem]:
    """Yield what is wrong within the section; files are looked for in ``folder``."""
    given = named(document.data, "remote_write")
    if given and "history" not in document.data:
        message = "sends what a history has, and there is none: add 'history: {}'"
        yield document.problem(_PLACE, message, at_key=True)
    if "token_file" in given and "username" in given:
        message = "serves nothing beside 'username': a request says who sends it in one way; remove one of them"
        yield document.problem((*_PLACE, "token_file"), message, at_key=True)
    for one, other in (("username", "password_file"), ("password_file", "username")):
        if one in given and other not in given:
            yield document.problem((*_PLACE, one), f"needs '{other}' beside it: add that", at_key=True)
    ca_file = given.get("ca_file")
    if isinstance(ca_file, str) and not (folder / ca_file).is_file():
        message = f"there is no file {ca_file}: give one in PEM format, beside this one or with its full name"
        yield document.problem((*_PLACE, "ca_file"), message)


def remote_write_plan(section: RemoteWriteSection | None, folder: Path) -> RemoteWritePlan | None:
    """Return what the section says; names of files are relative to ``folder``."""
    if section is None:
        return None
    return RemoteWritePlan(
        url=section.url,
        ca_file=_beside(section.ca_file, folder),
        username=section.username,
        password_file=_beside(section.password_file, folder),
        token_file=_beside(section.token_file, folder),
        max_age_ns=section.max_age,
    )


def _beside(file: Path | None, folder: Path) -> Path | None:
    return None if file is None else folder / file
