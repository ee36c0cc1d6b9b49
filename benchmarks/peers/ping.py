"""ping of iputils: one line for each answer, three significant digits of a millisecond."""

from __future__ import annotations

import re

from benchmarks import dialects
from benchmarks.peers.tool import Asked, PerPacket, Tool, UnreadableError

_ANSWER = re.compile(r"icmp_seq=(\d+) ttl=\d+ time=([\d.]+) ms$", re.MULTILINE)


def parse(printed: str) -> PerPacket:
    """Return the round-trip times by ICMP sequence number, which begins with 1; of duplicates the first counts."""
    rtts_ns: dict[int, int] = {}
    for sequence, milliseconds in _ANSWER.findall(printed):
        rtts_ns.setdefault(int(sequence), round(float(milliseconds) * 1e6))
    if "packets transmitted" not in printed:
        raise UnreadableError(f"ping's statistics are missing: {printed[-80:]!r}")
    return PerPacket(rtts_ns=rtts_ns)


def _command(asked: Asked) -> list[str]:
    # It sends more slowly than it is asked to: -w ends it when the time is over, whatever was sent by then.
    bound = ["-c", str(asked.packets), "-w", f"{max(asked.seconds, 1):.0f}"]
    return ["ping", *bound, "-i", f"{asked.interval_s:g}", asked.target]


PING = Tool(
    name="ping",
    program="ping",
    remedy="apt install iputils-ping",
    version=("ping", "-V"),
    command=_command,
    parse=parse,
    dialect=dialects.ping,
)
