"""Commands that options alone tell what to do, and what is said where a word stands without one."""

from __future__ import annotations

from typing import Any

import click


class OptionsOnly(click.Command):
    """A command without arguments; ``bare`` is the option that was most likely meant by a word without any."""

    def __init__(self, *args: Any, bare: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bare = bare
        self.allow_extra_args = True  # to be refused below, in words that help

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; raise :class:`click.UsageError` where words are left over."""
        left = super().parse_args(ctx, args)
        if left and not ctx.resilient_parsing:
            ctx.fail(f"Got unexpected extra argument ({left[0]}): write {self._bare} {left[0]}")
        return left
