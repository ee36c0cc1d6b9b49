"""Takes iperf3's JSON apart piece by piece, also where it breaks off. Knows nothing of what the pieces mean. No I/O.

A long test's result is megabytes, and decoding it in one go would hold up the packets that are due meanwhile: of 10 MB
for 0.1 s. So each interval is a piece of its own, and whoever reads may do something else in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

INTERVALS = "intervals"
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_LARGEST = 1 << 63  # of its counters; the far end tells half of the figures, and one of 10^308 would overflow in sums


class BrokenDocumentError(ValueError):
    """The text is no JSON object, or breaks off; the pieces until then are good."""


def pieces(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of the object in ``text``, of the array :data:`INTERVALS` each element by itself.

    What stands before the object is passed over. Raise :class:`BrokenDocumentError`, and nothing else, where it ends
    too early.
    """
    try:
        yield from _members(text)
    except (ValueError, RecursionError) as error:  # values of absurd depth or length are no result either
        raise BrokenDocumentError(str(error)) from error


def _members(text: str) -> Iterator[tuple[str, Any]]:
    opening = text.find("{")
    if opening < 0:
        raise BrokenDocumentError("there is no object in it")
    at = _skip(text, opening + 1)
    while text[at : at + 1] != "}":
        key, at = _DECODER.raw_decode(text, at)
        if not isinstance(key, str):
            raise BrokenDocumentError(f"no key at character {at}")
        at = _after(":", text, at)
        if key == INTERVALS and text[at : at + 1] == "[":
            at = yield from _elements(text, _skip(text, at + 1))
        else:
            value, at = _DECODER.raw_decode(text, at)
            yield key, value
        at = _separated(text, at, "}")


def _elements(text: str, at: int) -> Generator[tuple[str, Any], None, int]:
    """Yield the elements of an array, and return the place behind it."""
    while text[at : at + 1] != "]":
        value, at = _DECODER.raw_decode(text, at)
        yield INTERVALS, value
        at = _separated(text, at, "]")
    return at + 1


def _separated(text: str, at: int, closing: str) -> int:
    """Return the place of the next member or of the closing bracket."""
    at = _skip(text, at)
    return at if text[at : at + 1] == closing else _after(",", text, at)


def _after(mark: str, text: str, at: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise BrokenDocumentError(f"no {mark!r} at character {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None, "it matches nothing as well"
    return found.end()


class Fields:
    """An object of the document, read by what each field should be: anything else is missing, and so ``None``."""

    def __init__(self, value: Any = None) -> None:
        self._values: dict[str, Any] = value if isinstance(value, dict) else {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def number(self, name: str) -> float | None:
        """Return a number that is not negative, and none that iperf3 could not count to."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
            return None
        return float(value)

    def count(self, name: str) -> int | None:
        """Return a number of things, which is not negative: iperf3 counts some below zero (packets out of order)."""
        value = self.number(name)
        return None if value is None else int(value)

    def positive(self, name: str) -> int | None:
        """Return a number of things where 0 stands for not known."""
        return self.count(name) or None

    def text(self, name: str) -> str | None:
        """Return a text."""
        value = self._values.get(name)
        return value if isinstance(value, str) else None

    def flag(self, name: str) -> bool:
        """Return whether a field is true, or a number other than 0."""
        value = self._values.get(name)
        return isinstance(value, bool | int | float) and bool(value)

    def fields(self, name: str) -> Fields:
        """Return the object in a field, or an empty one."""
        return Fields(self._values.get(name))

    def several(self, name: str) -> list[Fields]:
        """Return the objects of an array, or none."""
        value = self._values.get(name)
        return [Fields(element) for element in value] if isinstance(value, list) else []
