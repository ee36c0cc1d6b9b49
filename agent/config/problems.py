"""What is wrong with a configuration file, in the form that every command prints. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Key = tuple[str | int, ...]
"""The way from the root of a document to a value: names of mappings, indices of sequences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake: what it is, and where. Lines and columns count from 1; ``None`` where there is no place."""

    file: str
    line: int | None = None
    column: int | None = None
    key: str = ""
    message: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """A configuration that cannot be used, with all of its problems in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(key: Key) -> str:
    """Write a key as operators read it: ``probes.0.stamp.port``. What cannot be printed is escaped."""
    return ".".join(part if isinstance(part, str) and part.isprintable() else repr(part) for part in key)
