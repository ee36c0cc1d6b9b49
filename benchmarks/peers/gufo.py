"""gufo-ping: a library of Python, run by a small client in an environment of its own (setup/peers makes it)."""

from __future__ import annotations

from pathlib import Path

from benchmarks import dialects
from benchmarks.peers.tool import Asked, PerPacket, Tool, UnreadableError

_PYTHON = str(Path(__file__).parents[2] / ".tools" / "gufo-ping" / "bin" / "python")
_CLIENT = str(Path(__file__).with_name("gufo_client.py"))


def parse(printed: str) -> PerPacket:
    """Return the round-trip times by line, from 0: seconds, "-" where there was no answer."""
    try:
        rtts_s = [None if line == "-" else float(line) for line in printed.split()]
    except ValueError as error:
        raise UnreadableError(f"{error} among the round-trip times") from error
    if not rtts_s:
        raise UnreadableError("gufo-ping's client printed nothing")
    return PerPacket(rtts_ns={place: round(rtt * 1e9) for place, rtt in enumerate(rtts_s) if rtt is not None})


def _command(asked: Asked) -> list[str]:
    # -P: the client's folder has modules of its own, this one among them, that would be found first.
    return [_PYTHON, "-P", _CLIENT, asked.target, f"{asked.interval_s:g}", str(asked.packets)]


GUFO = Tool(
    name="gufo-ping",
    program=_PYTHON,
    remedy="setup/peers",
    version=(_PYTHON, "-c", "import importlib.metadata; print(importlib.metadata.version('gufo-ping'))"),
    command=_command,
    parse=parse,
    dialect=dialects.ping,
    ranked=True,
)
