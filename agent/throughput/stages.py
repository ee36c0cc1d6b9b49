"""The plan of a staged run: no load at all, then more and more flows, in the spirit of Microsoft's AzureCT. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FLOWS = (1, 6, 16, 32)
"""Flows of the loaded stages of AzureCT's Get-LinkPerformance (P01, P06, P16, P32; Azure/NetworkMonitoring, 2018).

Its P17, 16 flows with a window of 1 MiB, tells nothing that a verdict with the window in it does not.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One test of a run, with so many flows."""

    name: str
    streams: int


def stages(flows: Iterable[int]) -> tuple[Stage, ...]:
    """Return a stage for each number of flows; what a path is like without load is measured ahead of them all."""
    return tuple(Stage(name="1 flow" if count == 1 else f"{count} flows", streams=count) for count in flows)
