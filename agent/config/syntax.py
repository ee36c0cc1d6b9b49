"""What is no YAML, in the operator's words and at the operator's line: what parsers say of it is about themselves.

Contexts are libyaml's, and alike in the parser without it; what neither knows is told as the parser says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import yaml

from agent.config.problems import Problem


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the file; both count from 1."""

    line: int
    column: int


class _Mark(Protocol):
    """A place as the parser says it, with libyaml or without; counts from 0."""

    line: int
    column: int


def position_of(mark: _Mark | None) -> Position:
    """Return where a mark of the parser is."""
    assert mark is not None, "whatever is read from text has a place in it"
    return Position(mark.line + 1, mark.column + 1)


def syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    """Say what the parser stumbled over, and what to write; the place is where that is to be done."""
    found = position_of(error.problem_mark or error.context_mark)
    began = position_of(error.context_mark or error.problem_mark)
    place, message = _told(error, text, found, began)
    return Problem(file=file, line=place.line, column=place.column, message=message)


def _told(error: yaml.MarkedYAMLError, text: str, found: Position, began: Position) -> tuple[Position, str]:
    before, rest = _around(text, found)
    if error.context == "expected a single document in the stream":
        return found, "a second YAML document begins here: remove the '---' and what follows"
    if error.problem and error.problem.startswith("mapping values are not allowed"):
        advice = "check the indentation and the ':' of the line above, or put the value in quotes"
        return found, f"not YAML: no ':' can stand here: {advice}"
    if rest.startswith("\t"):
        return found, "a tab cannot indent YAML: use spaces"
    if rest[:1] in {"@", "`", "%"}:
        return found, f"a value cannot begin with {rest[0]!r}: put it in quotes"
    match error.context:
        case "while parsing a flow node" if rest.startswith(":"):
            return found, "no value within brackets can begin with ':': put all of it in quotes, such as \"[::1]:862\""
        case "while parsing a flow mapping" | "while parsing a flow sequence":
            return began, "this bracket is not closed, or a comma is missing between what stands in it"
        case "while scanning a quoted scalar" if error.problem == "found unexpected end of stream":
            return began, "this quotation mark has no second one: add it where the text ends"
        case "while parsing a block mapping" if before.strip():
            return found, "nothing can follow the value here: remove it, or put the whole value in quotes"
        case "while parsing a block mapping":
            return found, "indented as no key above: align it with those that it belongs to"
        case "while parsing a block collection":
            return found, "indented as no part of the list above: indent it by more than its '-', or like its key"
    return found, f"not YAML: {', '.join(part for part in (error.context, error.problem) if part)}"


def _around(text: str, place: Position) -> tuple[str, str]:
    """Return what stands before and behind a place in its line."""
    line = "".join(text.splitlines()[place.line - 1 : place.line])
    return line[: place.column - 1], line[place.column - 1 :]
