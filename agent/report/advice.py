"""What to look at where a probe had no answer at all: a line for each sort of far end. Reads the JSON object only."""

from __future__ import annotations

from agent.plan import ProbeOptions
from agent.report.cells import Json
from collectors.http.options import HttpOptions
from collectors.icmp.sender import IcmpOptions
from collectors.stamp.sender import StampOptions

_CLOSED = frozenset({"port_unreachable", "refused"})


def advice(report: Json, options: ProbeOptions) -> list[str]:
    """Return a line for each silent target; packets that never left have a trouble of their own that is told."""
    silent = [stream for stream in report["streams"] if stream["sent"] and not stream["received"]]
    return list(dict.fromkeys(line for stream in silent if (line := _advice(stream, options)) is not None))


def _advice(stream: Json, options: ProbeOptions) -> str | None:
    target, reasons = stream["address"] or stream["target"], stream["failed_reasons"]
    if isinstance(options, HttpOptions):  # whose latest failure is in the table, in words
        return None
    if isinstance(options, IcmpOptions):
        return None if reasons else f"{target} answers no pings: try --type tcp, or stamp with a reflector there"
    is_stamp = isinstance(options, StampOptions)
    port = f"{'UDP' if is_stamp else 'TCP'} port {options.port}"
    if not _CLOSED.isdisjoint(reasons):
        remedy = "start `eragent reflect` there" if is_stamp else "start the server"
        return f"nobody listens on {port} of {target}: {remedy}, or correct --port"
    allowed = "that its reflector allows this host, and " if is_stamp else ""
    return None if reasons else f"no answer from {target}: see {allowed}that {port} is let through"
