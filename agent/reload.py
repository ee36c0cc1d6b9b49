"""What changes from one plan to the next: which streams stay, go and come, and what takes a restart. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from agent.plan import Plan, Probe, ProbeOptions
from collectors.path import IPAddress, NetworkPath, Target

Place = tuple[str, str]
"""The names of a probe and a target: what has one schedule."""

_APPLIED = frozenset(
    {
        *("agent", "listen"),  # which have a reason of their own
        *("probes", "throughput", "gateways", "reflector", "iperf3_server", "comparisons", "on_request"),
        *("paths", "targets"),
    }
)
"""What of a plan a running agent can change. All else, such as the history's open file, stays until it is restarted."""


class Refusal(StrEnum):
    """Why a reload is refused."""

    INVALID = "invalid"
    """The configuration cannot be used as it is."""
    RESTART = "restart"
    """It can, but not by an agent that runs already."""


class RefusedReloadError(Exception):
    """A reload that changes nothing; the message has a line for each thing that is in the way."""

    def __init__(self, reason: Refusal, lines: Iterable[str]) -> None:
        self.reason = reason
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """All that a stream is made of: where any of it differs, it is another stream."""

    options: ProbeOptions
    host: str
    source: IPAddress | None
    interface: str | None
    fwmark: int | None
    interval_ns: int
    timeout_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A probe at a target whose schedule goes on, with other streams beside those on the paths of these names."""

    probe: Probe
    target: Target
    kept: frozenset[str]

    @property
    def place(self) -> Place:
        """Which probe and target."""
        return (self.probe.name, self.target.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeChanges:
    """What becomes of probes at targets: those that are in none of these stay as they are.

    ``gone`` ends before the others begin: what changes altogether is in ``gone`` and in ``come``.
    """

    gone: tuple[Place, ...] = ()
    amended: tuple[Amendment, ...] = ()
    come: tuple[tuple[Probe, Target], ...] = ()


def probe_changes(before: Iterable[Probe], after: Iterable[Probe]) -> ProbeChanges:
    """Tell apart what stays, goes and comes, stream by stream.

    A stream stays with its session, its counters and its slots if nothing that it is made of changes. Interval and
    timeout are part of that, since slots count in intervals.
    """
    old, new = _pairings(before), _pairings(after)
    gone = [place for place in old if place not in new]
    amended, come = [], []
    for place, (probe, target) in new.items():
        if place not in old:
            come.append((probe, target))
            continue
        ours, theirs = stream_plans(*old[place]), stream_plans(probe, target)
        kept = frozenset(path for path in ours if ours[path] == theirs.get(path))
        if not kept:
            gone.append(place)
            come.append((probe, target))
        elif len(kept) < max(len(ours), len(theirs)):
            amended.append(Amendment(probe=probe, target=target, kept=kept))
    return ProbeChanges(gone=tuple(gone), amended=tuple(amended), come=tuple(come))


def stream_plans(probe: Probe, target: Target) -> Mapping[str, StreamPlan]:
    """Return what the streams of a probe to a target are made of, by the names of their paths."""
    return {path.name: _stream_plan(probe, target, path) for path in probe.paths}


def needs_restart(before: Plan, after: Plan, *, listens_elsewhere: bool = False) -> list[str]:
    """Return a line for each change that a running agent cannot make; ``listens_elsewhere``: on passed sockets."""
    found = []
    if before.agent != after.agent:
        found.append(f"agent.name is {after.agent!r} and was {before.agent!r}: every series has it")
    if before.listen != after.listen and not listens_elsewhere:
        found.append(f"listen is {after.listen} and was {before.listen}: scrapes are answered there")
    others = (field.name for field in fields(Plan) if field.name not in _APPLIED)
    found += [f"{name} changes" for name in others if getattr(before, name) != getattr(after, name)]
    return [f"{line}; restart the agent for that" for line in found]


def _pairings(probes: Iterable[Probe]) -> Mapping[Place, tuple[Probe, Target]]:
    return {(probe.name, target.name): (probe, target) for probe in probes for target in probe.targets}


def _stream_plan(probe: Probe, target: Target, path: NetworkPath) -> StreamPlan:
    return StreamPlan(
        options=probe.options_of(target, path),
        host=target.host_on(path),
        source=path.source,
        interface=path.interface,
        fwmark=path.fwmark,
        interval_ns=probe.interval_ns,
        timeout_ns=probe.timeout_ns,
    )
