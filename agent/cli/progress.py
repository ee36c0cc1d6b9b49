"""How tests of throughput go on, on standard error: they take their time, and a terminal should not look dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.throughput.trial import Trial, Tried


class Progress:
    """Says on standard error how a run goes on."""

    def waiting(self, seconds: float, why: str) -> None:
        """Say why nothing is sent at present."""
        click.echo(f"waiting {seconds:.3g} s for {why}", err=True)

    def began(self, trial: Trial) -> None:
        """Say what is tested."""
        seconds = trial.options.duration_s + trial.options.omit_s
        where = f"{trial.target.name} over path {trial.path.name}"
        click.echo(f"{trial.options.direction} with {trial.stage.name} to {where}, {seconds} s", err=True)

    def ended(self, tried: Tried) -> None:
        """Say what came of it."""
        from agent.throughput.words import mbit

        carried = (
            ""
            if tried.result is None
            else ", ".join(
                f"{transfer.direction} {mbit(transfer.bits_per_second)}" for transfer in tried.result.transfers
            )
        )
        click.echo(f"  {tried.outcome}{': ' if carried or tried.message else ''}{carried or tried.message}", err=True)
