"""Lines of a report for a terminal, which would break them in the middle of words. No I/O."""

from __future__ import annotations

from textwrap import wrap

_DEEPER = 4


def folded(line: str, width: int) -> list[str]:
    """Break a line between words where it is wider than ``width``; what follows is indented deeper than it."""
    indent = len(line) - len(line.lstrip())
    return wrap(
        line, width, subsequent_indent=" " * (indent + _DEEPER), break_long_words=False, break_on_hyphens=False
    ) or [line]
