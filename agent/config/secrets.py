"""Reads the keys that a configuration names; one that does not serve is a problem at its line, and never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.config import problems
from agent.config.document import Document
from agent.config.sections.probes import StampSection
from agent.config.sections.reflector import StampReflectorSection
from agent.config.validation import Sections
from agent.keys import KeyFileError, read_key, secret_path
from collectors.stamp.authentication import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A key, and the file that it was read from."""

    path: Path
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The keys of a file's probes, by their index, of its modules and its reflector; what is wrong with others."""

    probes: Mapping[int, Secret]
    modules: Mapping[str, Secret] = field(default_factory=dict)
    reflector: Secret | None = None
    problems: tuple[problems.Problem, ...] = ()


NO_SECRETS = Secrets(probes={})


def secrets_of(document: Document, sections: Sections, environment: Mapping[str, str]) -> Secrets:
    """Read every key that the sections name; ``environment`` says where systemd put credentials."""
    found: dict[problems.Key, Secret] = {}
    wrong = []
    for place, section in _sections(sections):
        try:
            secret = _secret(section, Path(document.file).parent, environment)
        except KeyFileError as error:
            key = "key_file" if section.key_file is not None else "key_credential"
            wrong.append(document.problem((*place, key), str(error)))
        else:
            if secret is not None:
                found[place] = secret
    return Secrets(
        probes={index: secret for (_, index, *_), secret in found.items() if isinstance(index, int)},
        modules={str(name): secret for (section, name, *_), secret in found.items() if section == "modules"},
        reflector=found.get(_REFLECTOR),
        problems=tuple(wrong),
    )


_REFLECTOR: problems.Key = ("reflector", "stamp")


def _sections(sections: Sections) -> Iterator[tuple[problems.Key, StampSection | StampReflectorSection]]:
    for index, probe in sections.probes.items():
        if probe.stamp is not None:
            yield ("probes", index, "stamp"), probe.stamp
    for name, module in sections.modules.items():
        if module.stamp is not None:
            yield ("modules", name, "stamp"), module.stamp
    if sections.reflector is not None:
        yield _REFLECTOR, sections.reflector


def _secret(
    section: StampSection | StampReflectorSection, folder: Path, environment: Mapping[str, str]
) -> Secret | None:
    path = secret_path(section.key_file, section.key_credential, folder, environment)
    return None if path is None else Secret(path=path, key=read_key(path))
