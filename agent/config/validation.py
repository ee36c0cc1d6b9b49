"""Plain data to sections: what pydantic finds wrong, in the operator's words and at the operator's line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agent.config.document import Data, Document
from agent.config.model import ComparisonSection, Configuration, section_at
from agent.config.problems import Key, Problem, dotted
from agent.config.sections.modules import ModuleSection
from agent.config.sections.paths import ADDRESS_FORMS, PathSection, TargetSection
from agent.config.sections.probes import ProbeSection
from agent.config.sections.reflector import StampReflectorSection
from agent.config.shapes import said

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """The parts of a file that are right in themselves, under the names and indices that they have in the file.

    They are checked against each other even where other parts are wrong, so that one run shows every mistake.
    """

    paths: Mapping[str, PathSection]
    targets: Mapping[str, TargetSection]
    probes: Mapping[int, ProbeSection]
    comparisons: Mapping[int, ComparisonSection]
    reflector: StampReflectorSection | None
    modules: Mapping[str, ModuleSection]


def validated(document: Document) -> Configuration | list[Problem]:
    """Return the whole configuration, or everything that is wrong with single keys and values."""
    try:
        return Configuration.model_validate(document.data)
    except ValidationError as error:
        return list(_problems(error.errors(include_url=False), document))


def sections(data: Mapping[str, Data]) -> Sections:
    """Return the paths, targets, probes, comparisons, modules and the reflector that are right in themselves."""
    paths = _right(PathSection, named(data, "paths"))
    return Sections(
        paths=paths if named(data, "paths") else {"default": PathSection()},
        targets=_right(TargetSection, named(data, "targets")),
        probes=_right(ProbeSection, rows(data, "probes")),
        comparisons=_right(ComparisonSection, rows(data, "comparisons")),
        reflector=_right(StampReflectorSection, named(data, "reflector")).get("stamp"),
        modules=_right(ModuleSection, named(data, "modules")),
    )


def named(data: Mapping[str, Data], section: str) -> Mapping[str, Data]:
    """Return a section of named parts; empty where it is missing or something else."""
    value = data.get(section)
    return value if isinstance(value, dict) else {}


def rows(data: Mapping[str, Data], section: str) -> Mapping[int, Data]:
    """Return a section of listed parts by index; empty where it is missing or something else."""
    value = data.get(section)
    return dict(enumerate(value)) if isinstance(value, list) else {}


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """Suggest what was meant, where something is near enough."""
    near = get_close_matches(wrong, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else None


_Place = TypeVar("_Place", str, int)


def _right(model: type[M], parts: Mapping[_Place, Data]) -> dict[_Place, M]:
    right = {}
    for place, part in parts.items():
        try:
            right[place] = model.model_validate(part)
        except ValidationError:
            continue
    return right


def _problems(errors: Iterable[ErrorDetails], document: Document) -> Iterator[Problem]:
    reported = {problem.key for problem in document.problems}
    for error in errors:
        key, at_key = _key_of(error)
        if dotted(key) in reported:
            continue
        yield document.problem(key, _message(error, key), at_key=at_key)


def _key_of(error: ErrorDetails) -> tuple[Key, bool]:
    """Return the key of the file that pydantic's location means, and whether the key itself is what is wrong."""
    location = error["loc"]
    if len(location) > 3 and location[0] == "targets" and location[3] in ADDRESS_FORMS:
        location = (*location[:3], *location[4:])
    if error["type"] == "value_error" and location[-1] == "[key]":
        return location[:-1], True
    return location, error["type"] == "extra_forbidden"


def _message(error: ErrorDetails, key: Key) -> str:
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "missing":
            return f"missing. {_description(key)}"
        case "extra_forbidden":
            return _unknown_key(key)
        case "model_type" | "dict_type":
            return f"must be a mapping, not {said(error['input'])}: {_how_to_map(error['input'], key)}"
        case "list_type":
            return f"must be a list, not {said(error['input'])}: {_how_to_list(error['input'], key)}"
        case "too_short":
            return "must not be empty: name one, or remove the key"
        case _:
            return error["msg"]


def _how_to_map(found: Any, key: Key) -> str:
    """Say how to write a mapping where something else was found."""
    section = section_at(key)
    if section is None:
        return "write each of its parts as 'name: ...'"
    fields = section.model_fields
    if isinstance(found, str) and found.partition(":")[0] in fields:
        return "put a space behind the ':'"
    required = (name for name, field in fields.items() if field.is_required())
    return f"write its keys, such as '{next(required, next(iter(fields)))}: ...'"


def _how_to_list(found: Any, key: Key) -> str:
    """Say how to write a list where something else was found."""
    is_plain = not isinstance(found, dict) and section_at((*key, 0)) is None
    return f"write [{found}]" if is_plain else "begin each of its parts with '- '"


def _description(key: Key) -> str:
    section = section_at(key[:-1])
    assert section is not None, "only sections have keys that can be missing"
    return section.model_fields[str(key[-1])].description or ""


_SECRETS = ("key", "secret", "password")


def _unknown_key(key: Key) -> str:
    name, around = str(key[-1]), key[:-1]
    section = section_at(around)
    known: dict[str, Any] = section.model_fields if section else {}
    if name in _SECRETS and "key_file" in known:
        return "no key stands in this file: put it into one of its own, and name that with key_file"
    if name in _SECRETS and "password_file" in known:
        return "no password stands in this file: put it into one of its own, and name that with password_file"
    return f"unknown key; {did_you_mean(name, known) or 'known here: ' + ', '.join(known)}"
