"""What captures at both ends say a round trip took, and how far a program's own figures are off. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.capture import Passage, Way
from collectors.statistics import percentile


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One packet by two captures, ns: between the sender's interface and back, of that at the reflector's host."""

    wire_ns: int
    dwell_ns: int

    @property
    def network_ns(self) -> int:
        """What the network took: the round trip without the reflector's dwell."""
        return self.wire_ns - self.dwell_ns


def busiest_flow(passages: Iterable[Passage]) -> list[Passage]:
    """Return the packets of the flow that asks most: programs also ask a little beside what they measure with."""
    found = list(passages)
    asking = Counter(passage.flow for passage in found if passage.way is Way.REQUEST)
    if not asking:
        return []
    ((busiest, _),) = asking.most_common(1)
    return [passage for passage in found if passage.flow == busiest]


def elapsed_ns(passages: Iterable[Passage]) -> dict[int, int]:
    """Return, for each sequence number, the time between its request and its reply at one interface.

    At the sender's interface that is the round trip, at the reflector's the dwell. The first of several copies counts;
    a number of which one way is missing is left out.
    """
    first: dict[tuple[Way, int], int] = {}
    for passage in passages:
        first.setdefault((passage.way, passage.sequence), passage.at_ns)
    return {
        sequence: first[Way.REPLY, sequence] - at_ns
        for (way, sequence), at_ns in first.items()
        if way is Way.REQUEST and (Way.REPLY, sequence) in first
    }


def round_trips(at_sender: Iterable[Passage], at_reflector: Iterable[Passage]) -> dict[int, RoundTrip]:
    """Join two captures by sequence number; a packet that one of them lacks is left out."""
    dwells = elapsed_ns(at_reflector)
    wires = elapsed_ns(at_sender)
    return {number: RoundTrip(wire_ns, dwells[number]) for number, wire_ns in wires.items() if number in dwells}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How far a program's round-trip times are from the truth, ns.

    ``bias`` is the signed median, ``spread`` the 99th percentile of the distances from it.
    """

    packets: int
    median: int
    p99: int
    max: int
    bias: int
    spread: int


def deviation(rtts_ns: Mapping[int, int], truths_ns: Mapping[int, int]) -> Deviation | None:
    """Compare packet by packet, by sequence number; ``None`` where no packet is in both."""
    signed = sorted(rtt_ns - truths_ns[number] for number, rtt_ns in rtts_ns.items() if number in truths_ns)
    if not signed:
        return None
    errors: Sequence[int] = sorted(abs(error) for error in signed)
    bias = percentile(signed, 0.5)
    return Deviation(
        packets=len(errors),
        median=percentile(errors, 0.5),
        p99=percentile(errors, 0.99),
        max=errors[-1],
        bias=bias,
        spread=percentile(sorted(abs(error - bias) for error in signed), 0.99),
    )
