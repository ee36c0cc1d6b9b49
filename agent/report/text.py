"""A report's streams as a person reads them: side by side. Reads the JSON object only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.report.cells import Cell, Json, milliseconds
from agent.report.oneway import one_way_rows
from agent.report.web import web_rows

if TYPE_CHECKING:
    from rich.table import Table


def streams_table(report: Json) -> Table:
    """Return the streams side by side, a column each."""
    from rich import box
    from rich.table import Table

    streams = report["streams"]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for stream in streams:
        table.add_column(stream_title(stream), justify="right", overflow="fold")
    for name, cell in _rows(streams):
        table.add_row(name, *(cell(stream) for stream in streams))
    return table


def stream_title(stream: Json) -> str:
    """Name a stream, a line for each of its path, probe, target and address."""
    lines = (stream["path"], stream["probe"], stream["target"], stream["address"] or "no address")
    return "\n".join(dict.fromkeys(lines))


def _rows(streams: list[Json]) -> Iterator[tuple[str, Cell]]:
    """Yield the rows; what is rare has one only where it happened."""
    yield "received / sent", lambda stream: f"{stream['received']} / {stream['sent']}"
    yield "lost", _lost
    if any(stream["lost"] and stream["lost_forward"] is not None for stream in streams):
        yield "  on the way there", _direction("lost_forward")
        yield "  on the way back", _direction("lost_backward")
    if any(stream["retransmitted"] for stream in streams):
        yield "  SYN sent again", _count("retransmitted")
    if any(stream["failed"] for stream in streams):
        yield "failed", _with_reasons("failed")
    if any(stream["overlooked"] or stream["receive_drops"] for stream in streams):
        yield "not read by this host", _count("overlooked")
    if any(stream["receive_drops"] for stream in streams):
        yield "dropped by this host", _count("receive_drops")
    for key, name in (("late", "late"), ("duplicates", "duplicate"), ("reordered", "reordered")):
        if any(stream[key] for stream in streams):
            yield name, _count(key)
    if any(stream["not_sent"] for stream in streams):
        yield "not sent", _with_reasons("not_sent")
    if any(stream["icmp_errors"] for stream in streams):
        yield "ICMP errors", _icmp_errors
    if any(stream["rejected_answers"] for stream in streams):
        yield "answers rejected", _rejected
    if any(stream["tolerated"] for stream in streams):
        yield "answers tolerated", _tolerated
    if any(stream["slots_missed"] for stream in streams):
        yield "slots missed", _count("slots_missed")
    if any(stream["received"] for stream in streams):
        yield from _TIMES
    yield from one_way_rows(streams)
    if any(stream["handshake_ns"] for stream in streams):
        yield "handshake p50, kernel", _time("handshake_ns", "p50")
        yield "handshake p99, kernel", _time("handshake_ns", "p99")
    yield from web_rows(streams)
    if any(stream["sent"] for stream in streams):
        yield "sent late by p99", _time("send_lateness_ns", "p99")
        yield "timestamps", _timestamps
    if any(stream["noisy"] for stream in streams):
        yield "host was stalled", _count("noisy")
    if any(_stamped_there(stream) for stream in streams):
        yield "reflector's timestamps", _timestamps_there
    yield from _reflector_rows(streams)


def _reflector_rows(streams: list[Json]) -> Iterator[tuple[str, Cell]]:
    if any(stream["reflector"] and _is_known(stream["reflector"]) for stream in streams):
        yield "reflector", _reflector
    for direction, name in (("forward", "DSCP there"), ("backward", "DSCP back")):
        if any(_remarked(stream, direction) for stream in streams):
            yield name, _dscp(direction)


def _count(key: str) -> Cell:
    return lambda stream: str(stream[key])


def _direction(key: str) -> Cell:
    return lambda stream: "unknown" if stream[key] is None else str(stream[key])


def _time(group: str, key: str) -> Cell:
    return lambda stream: milliseconds(stream[group][key] if stream[group] else None)


_TIMES = (
    ("RTT min", _time("rtt_ns", "min")),
    ("RTT p50", _time("rtt_ns", "p50")),
    ("RTT p95", _time("rtt_ns", "p95")),
    ("RTT p99", _time("rtt_ns", "p99")),
    ("RTT p99.9", _time("rtt_ns", "p999")),
    ("RTT max", _time("rtt_ns", "max")),
    ("jitter, RFC 3550", _time("jitter_ns", "rfc3550")),
    ("IPDV p99, RFC 3393", _time("jitter_ns", "ipdv_p99")),
    ("PDV p99, RFC 5481", _time("jitter_ns", "pdv_p99")),
)


def _lost(stream: Json) -> str:
    known = stream["sent"] - stream["overlooked"]
    return f"{stream['lost']} ({stream['lost'] / known:.2%})" if known else "-"


def _with_reasons(key: str) -> Cell:
    def cell(stream: Json) -> str:
        reasons = ", ".join(stream[f"{key}_reasons"])
        return f"{stream[key]} ({reasons})" if reasons else "0"

    return cell


def _icmp_errors(stream: Json) -> str:
    return "\n".join(map(_icmp_error, stream["icmp_errors"])) or "0"


def _icmp_error(row: Json) -> str:
    what = row["error"] if row["reason"] == "other" else _words(row["reason"])
    mtu = f" (MTU {row['mtu']})" if row["mtu"] else ""
    return f"{row['count']} x {what} from {row['from'] or 'an unknown host'}{mtu}"


def _rejected(stream: Json) -> str:
    rows = (
        f"{row['count']} x {_words(row['reason'])} from {row['from'] or 'other hosts'}"
        for row in stream["rejected_answers"]
    )
    return "\n".join(rows) or "0"


def _tolerated(stream: Json) -> str:
    return "\n".join(f"{count} x {_words(quirk)}" for quirk, count in stream["tolerated"].items()) or "0"


def _words(name: str) -> str:
    return name.replace("_", " ").replace("ssid", "SSID").replace("tlvs", "TLVs").replace("ttl", "TTL")


def _timestamps(stream: Json) -> str:
    received = stream["received"]
    if stream["timestamps"] == "user" and stream["user_timestamps"] < received:
        return f"user ({stream['user_timestamps']} of {received})"
    return stream["timestamps"] or "-"


def _stamped_there(stream: Json) -> int:
    """Return of how many answers the reflector's kernel took the time."""
    return stream["reflector"]["kernel_transmit_stamps"] if stream["reflector"] else 0


def _timestamps_there(stream: Json) -> str:
    stamped, received = _stamped_there(stream), stream["received"]
    if not stamped:
        return "-"
    return "kernel" if stamped == received else f"kernel ({stamped} of {received})"


def _is_known(reflector: Json) -> bool:
    return reflector["stateful"] is not None or bool(reflector["understands"] or reflector["restarts"])


_NUMBERING = {True: "stateful", False: "stateless: losses without direction", None: "numbering unknown"}


def _reflector(stream: Json) -> str:
    reflector = stream["reflector"]
    if reflector is None or not _is_known(reflector):
        return "-"
    lines = [_NUMBERING[reflector["stateful"]]]
    if not reflector["understands"]:
        lines.append("no extensions")
    if reflector["restarts"]:
        lines.append(f"restarted {reflector['restarts']} x")
    return "\n".join(lines)


def _remarked(stream: Json, direction: str) -> bool:
    """Whether packets arrived with another DSCP than they were sent with; the reflector answers with the same one."""
    marks = stream["class_of_service"]
    return (
        marks is not None
        and marks["sent_dscp"] is not None
        and any(mark["dscp"] != marks["sent_dscp"] for mark in marks[direction])
    )


def _dscp(direction: str) -> Cell:
    def cell(stream: Json) -> str:
        marks = stream["class_of_service"]
        if marks is None or marks["sent_dscp"] is None or not marks[direction]:
            return "-"
        counts: Counter[int] = Counter()
        for mark in marks[direction]:
            counts[mark["dscp"]] += mark["count"]
        sent = marks["sent_dscp"]
        return "\n".join(
            f"{sent if dscp == sent else f'{sent} -> {dscp}'} ({count} of {counts.total()})"
            for dscp, count in counts.items()
        )

    return cell
