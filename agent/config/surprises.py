"""Plain text that YAML 1.1 reads as something else than an operator sees: ``no`` is false, ``12:30`` is 750.

Such text is refused with a remedy instead of being passed on; nothing here knows what a key means.
"""

from __future__ import annotations

import re

import yaml

TEXT = ("str", "value")
"""The kinds of scalar that are text; ``value`` is a lone equals sign."""

# Plain text that YAML reads as the operator does; all other text with these tags is a surprise.
_AS_SEEN = {
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(0|[1-9][0-9]{0,30})|0x[0-9a-fA-F]{1,16}"),
    "float": re.compile(r"[-+]?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?"),
}
_NUMBER_READ_AS_TEXT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+|[-+]?0[0-9]+|0o[0-7]+")
# What follows an explicit "!!int" can be anything, even another document.
_LIKE_A_NUMBER = re.compile(r"[-+.]?[0-9][.:_0-9A-Za-z]{0,40}")
_NOUNS = {"bool": "true or false", "int": "a number", "float": "a number", "timestamp": "a date"}


def surprise_in(text: str, kind: str, *, plain: bool) -> str | None:
    """Say what YAML reads where the operator sees something else, and what to write; ``None`` where both agree.

    ``kind`` is the tag that YAML gives to the scalar, without its prefix; ``plain`` is a scalar without quotes.
    """
    if kind == "null":
        return "has no value: write one ({} takes the defaults of a section), or remove the key"
    if kind in TEXT:
        if plain and _NUMBER_READ_AS_TEXT.fullmatch(text):
            return f"YAML reads {text} as text: write the number in plain digits, or '{text}' in quotes"
        return None
    if kind in _AS_SEEN and _AS_SEEN[kind].fullmatch(text):
        return None
    value = _value(text, kind) if plain else None
    if value is not None:
        return f"write {text!r} in quotes, or {value}: YAML reads it as {value}"
    return f"write {text!r} in quotes: YAML reads it as {_NOUNS.get(kind, f'!!{kind}')}"


def _value(text: str, kind: str) -> str | None:
    """Return what YAML makes of a plain scalar, as it is better written; ``None`` where there is no better way."""
    if kind == "bool":
        return "true" if text.lower() in {"yes", "on"} else "false"
    if kind not in {"int", "float"} or not _LIKE_A_NUMBER.fullmatch(text):
        return None
    try:
        return str(yaml.safe_load(text))
    except ValueError:  # "0b_" has YAML's form of an integer, and no digits
        return None
