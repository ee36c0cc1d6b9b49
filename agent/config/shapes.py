"""The shapes that values of the configuration come in: how each is read from YAML's data and described to editors.

Every mistake is a ``ValueError`` whose message stands alone behind the key: ``must be between 1 and 65535``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import PlainValidator, WithJsonSchema

from agent.config.quantities import parse_duration

T = TypeVar("T")


def said(value: Any) -> str:
    """Name what YAML gave, for messages: ``a mapping``, ``a list``, or the value itself."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def text(read: Callable[[str], T]) -> PlainValidator:
    """Read a text with ``read``, whose errors show a right one: they serve for a number too that is none in quotes."""

    def validate(value: Any) -> T:
        if isinstance(value, str):
            return read(value)
        if isinstance(value, (bool, dict, list)):
            raise ValueError(f"must be text, not {said(value)}")
        read(str(value))
        raise ValueError(f"must be text: write '{value}' in quotes")

    return PlainValidator(validate)


def word(words: Sequence[str]) -> PlainValidator:
    """Read one of a few words."""

    def validate(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}, not {said(value)}")
        return str(value)

    return PlainValidator(validate)


def integer(least: int, most: int) -> PlainValidator:
    """Read a whole number within bounds, both included."""

    def validate(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be a whole number between {least} and {most}, not {said(value)}")
        if not least <= value <= most:
            raise ValueError(f"must be between {least} and {most}")
        return value

    return PlainValidator(validate)


def quantity(parse: Callable[[str], int], *, least: int, most: int, bounds: str) -> PlainValidator:
    """Read a quantity with its unit by ``parse``, within bounds, both included; ``bounds`` says them in errors."""

    def validate(value: Any) -> int:
        if isinstance(value, (bool, dict, list)):
            raise ValueError(f"must be {bounds}, not {said(value)}")
        amount = parse(str(value))
        if not least <= amount <= most:
            raise ValueError(f"must be {bounds}")
        return amount

    return PlainValidator(validate)


def duration(least: str, most: str) -> PlainValidator:
    """Read a duration to ns, within bounds, both included."""
    unit, bounds = least.lstrip("0123456789"), f"between {least} and {most}"
    parse = partial(parse_duration, usual_unit=unit)
    return quantity(parse, least=parse_duration(least), most=parse_duration(most), bounds=bounds)


def seconds(least: int, most: int, bounds: str) -> PlainValidator:
    """Read a duration of whole seconds to ns, within bounds in seconds, both included."""
    second_ns = 1_000_000_000
    return quantity(_whole_seconds, least=least * second_ns, most=most * second_ns, bounds=bounds)


def integer_schema(least: int, most: int) -> WithJsonSchema:
    """Describe what :func:`integer` reads."""
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


def duration_schema(*examples: str) -> WithJsonSchema:
    """Describe what :func:`duration` reads."""
    pattern = r"^[0-9]+(\.[0-9]+)? ?(ns|us|µs|μs|ms|s|m|h|d)$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


def string_schema(*examples: str, pattern: str | None = None) -> WithJsonSchema:
    """Describe text: by examples, and by a pattern where that says all."""
    schema: dict[str, Any] = {"type": "string"}
    if pattern:
        schema["pattern"] = pattern
    if examples:
        schema["examples"] = list(examples)
    return WithJsonSchema(schema)


def _whole_seconds(text: str) -> int:
    duration_ns = parse_duration(text, usual_unit="s")
    if duration_ns % 1_000_000_000:
        raise ValueError(f"{text!r} is no whole number of seconds: write for example 10s")
    return duration_ns
