"""irtt: a client and a server of its own over UDP; the server's time is no part of the round trips it reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import dialects
from benchmarks.peers.tool import Asked, PerPacket, Tool, UnreadableError
from benchmarks.processes import running
from benchmarks.wire import Wire

_PORT = 2112


def parse(printed: str) -> PerPacket:
    """Return the round-trip times of the JSON by sequence number."""
    try:
        trips = json.loads(printed)["round_trips"]
        return PerPacket(rtts_ns={trip["seqno"]: trip["delay"]["rtt"] for trip in trips if trip["lost"] == "false"})
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"no round trips of irtt: {printed[:80]!r}") from error


def _command(asked: Asked) -> list[str]:
    options = ["-i", f"{asked.interval_s * 1000:g}ms", "-d", f"{asked.seconds:g}s", "-Q", "-o", "-"]
    return ["irtt", "client", *options, f"{asked.target}:{_PORT}"]


@contextmanager
def _server(wire: Wire) -> Iterator[object]:
    # Without -i 0 it would refuse more than 100 packets a second. It talks on stdout.
    command = ["sh", "-c", f"exec irtt server -b {wire.target}:{_PORT} -i 0 >&2"]
    with running([*wire.far, *command], ready="starting IPv4 listener") as process:
        yield process


IRTT = Tool(
    name="irtt",
    program="irtt",
    remedy="apt install irtt, then stop the service that comes with it",
    version=("irtt", "version"),
    command=_command,
    parse=parse,
    dialect=dialects.irtt(_PORT),
    server=_server,
    udp_port=_PORT,
)
