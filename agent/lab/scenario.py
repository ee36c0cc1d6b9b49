"""What the lab's links do and when they fail: the scenario file, read into frozen models. Starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agent.config.quantities import parse_duration, parse_percentage, parse_rate
from agent.lab.impair import Behaviour, Bursts, Jitter, Tail
from agent.lab.topology import LinkName

DEFAULT_SCENARIO = Path(__file__).with_name("scenario.yaml")


class ScenarioError(Exception):
    """A scenario file cannot be used; the message names the file, the key and what would be right."""


def _read(parse: Callable[[str], float]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(str(value)))


DurationNs = Annotated[int, _read(parse_duration)]
BitsPerSecond = Annotated[int, _read(parse_rate), Field(gt=0)]
Share = Annotated[float, _read(lambda text: parse_percentage(text) / 100)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TailModel(_Model):
    """The rare long delays (Pareto)."""

    share: Share
    least: DurationNs
    shape: float = Field(gt=0)
    most: DurationNs


class JitterModel(_Model):
    """What is added to a link's delay: log-normal, perhaps with a tail."""

    median: DurationNs
    sigma: float = Field(ge=0)
    lasts: DurationNs = 10_000_000
    tail: TailModel | None = None

    def distribution(self) -> Jitter:
        """Return the same in the terms of the link."""
        tail = self.tail
        long = tail and Tail(share=tail.share, least_ns=tail.least, most_ns=tail.most, shape=tail.shape)
        return Jitter(median_ns=self.median, sigma=self.sigma, lasts_ns=self.lasts, tail=long or None)


class BurstsModel(_Model):
    """Losses in a row."""

    enter: Share
    mean: float = Field(ge=1)


class DirectionModel(_Model):
    """One direction of a link."""

    delay: DurationNs
    jitter: JitterModel | None = None
    loss: Share = 0.0
    bursts: BurstsModel | None = None
    rate: BitsPerSecond | None = None
    queue: DurationNs = 50_000_000
    keep_order: bool = True

    def behaviour(self) -> Behaviour:
        """Return the same in the terms of the link."""
        return Behaviour(
            delay_ns=self.delay,
            jitter=None if self.jitter is None else self.jitter.distribution(),
            loss=self.loss,
            bursts=None if self.bursts is None else Bursts(enter=self.bursts.enter, mean_frames=self.bursts.mean),
            bits_per_second=self.rate,
            queue_ns=self.queue,
            keep_order=self.keep_order,
        )


class LinkModel(DirectionModel):
    """Both directions of a link; ``from_azure`` names only what differs on the way back."""

    from_azure: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _way_back_is_valid(self) -> Self:
        try:
            self.directions()
        except ValidationError as error:
            raise ValueError("; ".join(f"from_azure.{_complaint(item)}" for item in error.errors())) from error
        return self

    def directions(self) -> tuple[DirectionModel, DirectionModel]:
        """Return the way to Azure and the way back."""
        there = {name: getattr(self, name) for name in DirectionModel.model_fields}
        there_model = DirectionModel.model_construct(**there)
        back = DirectionModel.model_validate({"delay": "0ms"} | self.from_azure)
        given = {name: getattr(back, name) for name in self.from_azure}
        return there_model, DirectionModel.model_construct(**{**there, **given})


class Outage(_Model):
    """A link carries nothing for a while, silently."""

    at: DurationNs
    link: LinkName
    down: DurationNs = Field(gt=0)

    @property
    def until(self) -> int:
        """Return when the link is back, in nanoseconds from the start."""
        return self.at + self.down


class Failover(_Model):
    """How long the routers need to see that a link is gone, and that it is back."""

    detection: DurationNs = 900_000_000
    return_: DurationNs = Field(default=1_000_000_000, alias="return")


class Scenario(_Model):
    """Everything that happens to frames in the lab."""

    seed: int | None = None
    links: dict[LinkName, LinkModel]
    events: tuple[Outage, ...] = ()
    failover: Failover = Failover()

    @model_validator(mode="after")
    def _all_links_are_given(self) -> Self:
        missing = [name for name in LinkName if name not in self.links]
        if missing:
            raise ValueError(f"links: not given: {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _outages_of_a_link_are_apart(self) -> Self:
        until: dict[LinkName, int] = {}
        for outage in sorted(self.events, key=lambda outage: outage.at):
            if outage.at < until.get(outage.link, 0):
                raise ValueError(f"events: {outage.link} goes down at {outage.at / 1e9:g}s while it is still down")
            until[outage.link] = outage.until
        return self


def read_scenario(path: Path = DEFAULT_SCENARIO) -> Scenario:
    """Read a scenario file; raise :class:`ScenarioError` with every mistake in it."""
    try:
        return parse_scenario(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error


def parse_scenario(text: str, name: str) -> Scenario:
    """Read a scenario from text; ``name`` says in errors where it came from."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{name}: is not YAML: {error}") from error
    try:
        return Scenario.model_validate(values)
    except ValidationError as error:
        raise ScenarioError("\n".join(f"{name}: {_complaint(item)}" for item in error.errors())) from error


def _complaint(item: Mapping[str, Any]) -> str:
    """Say where and what, in the words of the file instead of the library's."""
    keys = ".".join(str(part) for part in item["loc"] if part != "[key]")
    message = {"missing": "is missing", "extra_forbidden": "is not a key of the scenario"}.get(item["type"])
    message = message or str(item["msg"]).removeprefix("Value error, ")
    return f"{keys}: {message}" if keys else message
