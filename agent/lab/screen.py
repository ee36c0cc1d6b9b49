"""What the demo shows while it measures, on standard error: a live table on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from agent.lab.lab import LabEvent
from agent.report.cells import milliseconds
from agent.report.text import streams_table

_LINE_EVERY_S = 5

Json = Mapping[str, Any]


class Screen(Protocol):
    """Where the demo shows its progress."""

    def show(self, elapsed_s: float, duration_s: float, report: Json, events: Sequence[LabEvent]) -> None:
        """Show the figures so far and everything that happened so far."""


class LiveScreen:
    """A table that is redrawn in place, and leaves with the demo."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, elapsed_s: float, duration_s: float, report: Json, events: Sequence[LabEvent]) -> None:
        """Redraw the table."""
        clock = Text(f"{elapsed_s:.0f} of {duration_s:g} s, seen from the site", style="bold")
        happened = [Text(event_line(event), style="yellow") for event in events]
        self._live.update(Group(clock, "", streams_table(report), *happened), refresh=True)


class LineScreen:
    """A line for each stream now and then, and one for each event when it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._events_shown = 0
        self._next_line_s = 0.0

    def show(self, elapsed_s: float, duration_s: float, report: Json, events: Sequence[LabEvent]) -> None:
        """Print what is new."""
        for event in events[self._events_shown :]:
            self._say(event_line(event))
        self._events_shown = len(events)
        if elapsed_s >= self._next_line_s or elapsed_s >= duration_s:
            self._next_line_s = elapsed_s + _LINE_EVERY_S
            for stream in report["streams"]:
                self._say(stream_line(elapsed_s, stream))

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def event_line(event: LabEvent) -> str:
    """Write an event with its time since the start of the measurement."""
    return f"{event.at_ns / 1e9:5.1f} s  {event.text}"


def stream_line(elapsed_s: float, stream: Json) -> str:
    """Write the figures of a stream in one line."""
    rtt = stream["rtt_ns"] or {}
    return (
        f"{elapsed_s:5.1f} s  {stream['probe']:<6} {stream['path']:<13} received {stream['received']} of"
        f" {stream['sent']}, lost {stream['lost']}, RTT p50 {milliseconds(rtt.get('p50'))},"
        f" p99 {milliseconds(rtt.get('p99'))}"
    )


@contextmanager
def open_screen() -> Iterator[Screen]:
    """Take the terminal, if standard error is one, for as long as the context lasts."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield LineScreen(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield LiveScreen(live)
