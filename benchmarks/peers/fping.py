"""fping: all round-trip times of a target in one line at its end, on stderr."""

from __future__ import annotations

from benchmarks import dialects
from benchmarks.peers.tool import Asked, PerPacket, Tool, UnreadableError

_LEAST_GAP_MS = 10  # without -i it leaves so much between any two packets


def parse(printed: str) -> PerPacket:
    """Return the round-trip times of ``-C -q`` by their place in the line, from 0; "-" is an answer that never came."""
    _, colon, values = printed.partition(" : ")
    try:
        rtts_ms = [None if value == "-" else float(value) for value in values.split()]
    except ValueError as error:
        raise UnreadableError(f"{error} in a line of round-trip times") from error
    if not colon or not rtts_ms:
        raise UnreadableError(f"no line of round-trip times: {printed[:80]!r}")
    return PerPacket(rtts_ns={place: round(rtt * 1e6) for place, rtt in enumerate(rtts_ms) if rtt is not None})


def _command(asked: Asked) -> list[str]:
    interval_ms = asked.interval_s * 1000
    options = ["-C", str(asked.packets), "-p", f"{interval_ms:g}", "-q"]
    if interval_ms < _LEAST_GAP_MS:
        options += ["-i", f"{interval_ms:g}"]
    return ["fping", *options, asked.target]


FPING = Tool(
    name="fping",
    program="fping",
    remedy="apt install fping",
    version=("fping", "-v"),
    command=_command,
    parse=parse,
    dialect=dialects.ping,
    ranked=True,
    on_stderr=True,
)
