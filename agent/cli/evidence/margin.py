"""Which differences of delays do not matter to `eragent compare`, and who said so: the operator, now or beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.cli.evidence.wanted import EvidenceError
from agent.cli.run import DEFAULT_CONFIG
from agent.compare.comparison import Names
from agent.compare.margins import Margins
from agent.compare.words import quantity
from agent.config.load import load_plan
from agent.config.problems import ConfigError
from agent.plan import ComparisonPlan, Plan

DEFAULT_NS = round(Margins().delay_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the operator holds the paths to, as far as that was given.

    ``margin_ns``: of delays; else that of ``config`` for the paths, or the default. ``loss``: the margin of losses.
    ``limit_ns``: what p99 - p50 of a minute was agreed to stay within.
    """

    margin_ns: int | None
    loss: float
    limit_ns: int
    config: Path | None

    def margins_of(self, names: Names) -> tuple[Margins, str]:
        """Return the margins that hold for these paths, and where that of delays comes from, in words."""
        margin = margin_of(names, given_ns=self.margin_ns, config=self.config)
        return Margins(delay_ns=margin.delay_ns, loss=self.loss), margin.note


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """A margin, and where it comes from, in words."""

    delay_ns: int
    source: str

    @property
    def note(self) -> str:
        """Say both in a sentence."""
        return f"Differences of delays up to {quantity(self.delay_ns, 'ns')} do not matter: {self.source}."


def margin_of(names: Names, *, given_ns: int | None, config: Path | None) -> Margin:
    """Return the margin that was given, else that of the configuration for this pair, else the default.

    Without ``config`` it is the usual file, which need not be there, nor be right. Raise :class:`EvidenceError` where
    ``config`` cannot be read.
    """
    if given_ns is not None:
        return Margin(delay_ns=given_ns, source="as --margin says")
    file = config or DEFAULT_CONFIG
    if config is None and not _is_there(file):
        return Margin(delay_ns=DEFAULT_NS, source="the default")
    try:
        found = _comparison(load_plan(file, with_keys=False), names)
    except ConfigError as error:
        if config is not None:
            raise EvidenceError(str(error)) from error
        return Margin(delay_ns=DEFAULT_NS, source=f"the default, since {file} cannot be used: see `eragent check`")
    if found is None:
        return Margin(delay_ns=DEFAULT_NS, source=f"the default, since {file} does not compare these paths")
    return Margin(delay_ns=found.margin_ns, source=f"the margin of their comparison in {file}")


def _comparison(plan: Plan, names: Names) -> ComparisonPlan | None:
    """Return the comparison of these paths, whichever of the two is the candidate there."""
    paths = {names.baseline, names.candidate}
    fitting = (one for one in plan.comparisons if one.probe == names.probe and {one.baseline, one.candidate} == paths)
    return next(fitting, None)


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:
        return False
