"""What the keys of a probe of web servers say together: what is checked by TLS, and against which authorities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.config.document import Document
from agent.config.problems import Key, Problem
from agent.config.sections.probes import HttpSection
from agent.config.validation import Sections


def http_problems(document: Document, sections: Sections, folder: Path) -> Iterator[Problem]:
    """Yield what is wrong within these sections; files are looked for in ``folder``."""
    for index, probe in sections.probes.items():
        if probe.http is not None:
            yield from _authorities(document, ("probes", index, "http"), probe.http, folder)


def _authorities(document: Document, place: Key, http: HttpSection, folder: Path) -> Iterator[Problem]:
    speaks_tls = http.url.is_secure or http.follow > 0
    for key, is_given in (("verify", not http.verify), ("ca_file", http.ca_file is not None)):
        if is_given and not speaks_tls:
            message = f"there is no certificate to check at {http.url}: write https:// there, or remove this key"
            yield document.problem((*place, key), message, at_key=True)
    if http.ca_file is None:
        return
    if not http.verify:
        message = "serves nothing beside 'verify: false': remove one of them"
        yield document.problem((*place, "ca_file"), message, at_key=True)
    elif not (folder / http.ca_file).is_file():
        message = f"there is no file {http.ca_file}: give one in PEM format, beside this one or with its full name"
        yield document.problem((*place, "ca_file"), message)
