"""eragent itself, run like any other tool: ICMP, STAMP between two eragents, STAMP at a plain reflector."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import dialects
from benchmarks.peers.tool import Asked, PerPacket, Tool, UnreadableError, kernel_answers
from benchmarks.processes import ERAGENT
from benchmarks.wire import STAMP_PORT, Wire

_STAMP = ("--type", "stamp", "--port", str(STAMP_PORT))


def streams(printed: str) -> list[Mapping[str, Any]]:
    """Return what ``eragent probe --json`` printed of its streams, at least one."""
    try:
        first, *others = json.loads(printed)["streams"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"no report of streams: {printed[:80]!r}") from error
    return [first, *others]


def parse(printed: str) -> PerPacket:
    """Return the round-trip times of the samples, by sequence number, and when each left, and in which slot."""
    (only,) = streams(printed)
    sent = [sample for sample in only["samples"] if sample["sequence"] is not None]
    stamped = 2 * only["user_timestamps"] < only["received"]  # mostly by the kernel, and then their median is too
    return PerPacket(
        rtts_ns={sample["sequence"]: sample["rtt_ns"] for sample in sent if sample["rtt_ns"] is not None},
        slots={sample["sequence"]: sample["slot"] for sample in sent},
        sent_ns={sample["sequence"]: sample["sent_at_ns"] for sample in sent if stamped},
    )


def _command(options: tuple[str, ...], asked: Asked) -> list[str]:
    bound = ["--interval", f"{asked.interval_s * 1000:g}ms", "--duration", f"{asked.seconds:g}s", "--json"]
    samples = ["--samples"] if asked.every_packet else []
    return [ERAGENT, "probe", "--target", asked.target, *options, *bound, *samples]


def _python_loop(asked: Asked) -> list[str]:
    words = f"{asked.interval_s:g}", f"{asked.seconds:g}", asked.target, str(STAMP_PORT)
    return [sys.executable, "-m", "benchmarks.python_loop", *words]


def on_paths(tool: Tool, asked: Asked, sources: Sequence[str], file: Path) -> list[str]:
    """Return the command that probes from each of these addresses in every slot, as a configuration file says.

    That is how eragent sends more than a thousand packets a second: an interval is a millisecond or more.
    """
    paths = {f"path-{number}": {"kind": "other", "source": source} for number, source in enumerate(sources)}
    document = {"agent": {"name": "benchmark"}, "paths": paths, "targets": {}, "probes": []}
    file.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    return [*tool.command(asked), "--config", str(file), *(word for path in paths for word in ("--path", path))]


def _reflector(wire: Wire) -> AbstractContextManager[object]:
    return wire.reflector()


def _eragent(name: str, *options: str) -> Tool:
    return Tool(
        name=name,
        program=ERAGENT,
        remedy="setup/environment",
        version=(ERAGENT, "--version"),
        command=partial(_command, options),
        parse=parse,
        dialect=dialects.eragent(STAMP_PORT),
        server=_reflector if "stamp" in options else kernel_answers,
    )


ICMP = _eragent("eragent ICMP", "--type", "icmp")
STAMP = _eragent("eragent STAMP", *_STAMP)
STAMP_PLAIN = _eragent("eragent STAMP, plain reflector", *_STAMP, "--tlvs", "none")
PYTHON_LOOP = Tool(
    name="bare loop in Python",
    program=sys.executable,
    remedy="setup/environment",
    version=(sys.executable, "--version"),
    command=_python_loop,
    parse=parse,
    dialect=dialects.eragent(STAMP_PORT),
    server=_reflector,
)
"""What eragent's STAMP costs at least; it tells of no packet."""
