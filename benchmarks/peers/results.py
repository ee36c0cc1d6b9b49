"""What a comparison found, as it is kept in JSON: values only. Times are in ns unless their name says else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """How far round-trip times are from the truth.

    ``curve`` is the distribution of the absolute error at the fractions of :data:`benchmarks.peers.curve.FRACTIONS`.
    ``at_least`` marks a tool that gives no round-trip time of single packets: the figures are then the least that its
    errors can be, whatever value belongs to whichever packet.
    """

    packets: int
    at_least: bool
    median: int
    p99: int
    max: int
    bias: int | None
    mean: int
    curve: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """When packets passed the sender's interface.

    ``drift`` is how much later in its slot the most punctual packet of the last tenth was than that of the first.
    """

    sent: int
    gap_mean: int
    gap_p1: int
    gap_p99: int
    drift: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One tool's run beside the captures.

    ``network`` are errors against the wire's round trip less the dwell at the far end, ``with_dwell`` against the
    whole of it, which is all that ICMP can know. ``by_router`` is the p99 of the errors about their median where the
    router's capture is the truth. ``overlooked`` is how many answers came, by the capture, that the tool has no
    round-trip time for. ``stamped_behind`` is the median of how long after the capture at its interface a packet got
    its transmit stamp, where the tool tells that.
    """

    network: Errors
    with_dwell: Errors
    is_icmp: bool
    by_router: int | None
    overlooked: int | None
    rtt_median: int
    dwell_median: int
    stamped_behind: int | None = None
    sending: Sending


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRun:
    """A tool's accuracy with or without load. As in all runs: without ``found``, ``not_run`` says why."""

    tool: str
    busy: bool
    found: Accuracy | None
    not_run: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late a program was in its slots, and how many of them went by unused."""

    p50: int
    p99: int
    max: int
    slots_missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatenessRun:
    """A program's lateness; ``fifo`` tells that it ran with SCHED_FIFO."""

    program: str
    busy: bool
    fifo: bool
    found: Lateness | None
    not_run: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU time of a round trip, and how many of the packets that were due were sent, by the interface's counters.

    ``cpu_least`` and ``cpu_most``: between what it was in single turns, where there were several.
    """

    cpu: int
    cpu_least: int | None = None
    cpu_most: int | None = None
    sent_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRun:
    """A tool's cost at a thousand packets a second."""

    tool: str
    found: Cost | None
    not_run: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What became of packets on a wire that loses nothing."""

    sent: int
    lost: int
    not_sent: int
    slots_missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRun:
    """eragent's own losses at a rate."""

    tool: str
    packets_per_second: int
    found: Loss | None
    not_run: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What it ran on.

    ``load`` is the load average before anything ran, ``stolen_percent`` the share of all CPU time during the run that
    the hypervisor gave to others.
    """

    processor: str
    cores: int
    virtual: bool
    memory_mib: int
    kernel: str
    distribution: str
    python: str
    clock_source: str
    load: float
    stolen_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A tool as it was there: its version, ``None`` where it was not, and its command line."""

    name: str
    version: str | None
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All of a comparison."""

    schema: Literal["eragent.accuracy/1"] = "eragent.accuracy/1"
    date: str
    seconds: float
    packets_per_second: int
    machine: Machine
    programs: tuple[Program, ...]
    accuracy: tuple[AccuracyRun, ...]
    lateness: tuple[LatenessRun, ...]
    cost: tuple[CostRun, ...]
    loss: tuple[LossRun, ...]

    def accuracy_of(self, tool: str, *, busy: bool) -> Accuracy | None:
        """Return a tool's accuracy, ``None`` where it did not run."""
        return next((run.found for run in self.accuracy if run.tool == tool and run.busy == busy), None)


_JSON = TypeAdapter(Results)


def to_json(results: Results) -> str:
    """Write the results, a line for each value."""
    return _JSON.dump_json(results, indent=1).decode() + "\n"


def from_json(text: str | bytes) -> Results:
    """Read what :func:`to_json` wrote."""
    return _JSON.validate_json(text)
