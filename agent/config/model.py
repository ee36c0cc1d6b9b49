"""The whole configuration file: its keys, and the way to any of them. What keys say together is checked elsewhere.

Each key has type, default, meaning and unit, here or in :mod:`agent.config.sections`; the descriptions are what
``docs/configuration.md`` and the JSON Schema for editors are made of.
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Field, PlainValidator

from agent.config.problems import Key
from agent.config.sections.history import HistorySection, RemoteWriteSection
from agent.config.sections.modules import ModuleSection, OnRequestSection
from agent.config.sections.paths import PathSection, TargetSection
from agent.config.sections.probes import ProbeSection
from agent.config.sections.reflector import ReflectorSection
from agent.config.sections.section import Section
from agent.config.shapes import duration, duration_schema, integer_schema
from agent.config.values import Listen, Name

FORMAT = 1
"""The version of the configuration's format that this program reads."""


def _format(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"must be {FORMAT}, the version of this format")
    if value > FORMAT:
        raise ValueError(f"is {value}, the format of a newer eragent; this one reads {FORMAT}: install the newer one")
    if value < FORMAT:
        raise ValueError(f"is {value}, and there is no such format: write {FORMAT}")
    return value


Format = Annotated[int, PlainValidator(_format), integer_schema(FORMAT, FORMAT)]
Margin = Annotated[int, duration("0ms", "60s"), duration_schema("1ms", "500us")]


class AgentSection(Section):
    """Who measures."""

    name: Name | None = Field(
        None, description="Name of this agent, the `agent` label of every series. Without it: the host's name."
    )


class ComparisonSection(Section):
    """Two paths of one probe, compared all the time."""

    baseline: Name = Field(description="The path that is compared with.")
    candidate: Name = Field(description="The path that should be better.")
    probe: Name = Field(description="The probe that measures both paths.")
    margin: Margin = Field(
        "500us",
        validate_default=True,
        description="Differences of delays up to this do not matter, 0ms to 60s; with 0ms no delays are the same.",
    )


class Configuration(Section):
    """The whole file."""

    version: Format = Field(FORMAT, description="Version of this format. A file of a newer one is refused.")
    agent: AgentSection = Field(AgentSection(), description="This agent.")
    listen: Listen = Field(
        "127.0.0.1:9469",
        validate_default=True,
        description="Address and port of `/metrics`, `/probe`, `/-/healthy` and `/-/ready`.",
    )
    paths: dict[Name, PathSection] = Field(
        {}, description="Ways to the far side, by name. Without any: one path `default` on which the routes decide."
    )
    targets: dict[Name, TargetSection] = Field({}, description="Far ends, by name.")
    probes: list[ProbeSection] = Field([], description="What is sent.")
    modules: dict[Name, ModuleSection] = Field(
        {},
        description="Probes that are made on request, `/probe?module=NAME&target=HOST`. Without any: `icmp`, `stamp`, "
        "`tcp_connect` and `http_2xx`.",
    )
    on_request: OnRequestSection = Field(OnRequestSection(), description="Whom `/probe` may be asked to probe.")
    reflector: ReflectorSection | None = Field(None, description="Answer the probes of other agents.")
    history: HistorySection | None = Field(
        None, description="Keep every sample on disk; `{}` takes the defaults. Without it: nothing is kept."
    )
    remote_write: RemoteWriteSection | None = Field(
        None, description="Send the minutes of the history to a receiver. Without it: they stay here."
    )
    comparisons: list[ComparisonSection] = Field([], description="Which paths are compared.")


def section_at(key: Key) -> type[Section] | None:
    """Return the section whose keys stand at ``key``; ``None`` where there is a plain value."""
    annotation: Any = Configuration
    for part in key:
        annotation = _inner(annotation, part)
    section = _without_none(annotation)
    return section if isinstance(section, type) and issubclass(section, Section) else None


def _inner(annotation: Any, part: str | int) -> Any:
    bare = _without_none(annotation)
    if get_origin(bare) in (list, dict):
        return get_args(bare)[-1]
    field = bare.model_fields.get(str(part)) if isinstance(bare, type) and issubclass(bare, Section) else None
    return None if field is None else field.annotation


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(inner for inner in get_args(annotation) if inner is not type(None))
