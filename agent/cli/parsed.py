"""Option values that are read by the program's own parsers, whose errors say what would be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import click

T = TypeVar("T")


class Parsed(click.ParamType[T], Generic[T]):
    """A value that ``parse`` reads from text, raising :class:`ValueError` with a message for the user."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: str | T, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Read the value; a default may be of the right type already."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
