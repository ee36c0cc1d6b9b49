"""The rows of a report's table that tell of web servers. Reads the JSON object only."""

from __future__ import annotations

from collections.abc import Iterator

from agent.report.cells import Cell, Json, milliseconds

_PHASES = {"dns": "DNS", "connect": "connect", "tls": "TLS", "first_byte": "first byte", "transfer": "transfer"}


def web_rows(streams: list[Json]) -> Iterator[tuple[str, Cell]]:
    """Yield the rows, each where one of the streams has something to tell there."""
    told = [stream["http"] for stream in streams if stream["http"]]
    for phase, name in _PHASES.items():
        if any(http["phases_ns"][phase] for http in told):
            yield f"{name} p50", _phase(phase, "p50")
            yield f"{name} p99", _phase(phase, "p99")
    if any(sum(http["first_byte_timestamps"].values()) for http in told):
        yield "first byte's timestamps", _timestamps
    if any(http["responses"] for http in told):
        yield "status", _responses
    if any(http["tls_version"] for http in told):
        yield "protocol", _protocol
    if any(http["certificate"] or http["verified"] is False for http in told):
        yield "certificate", _certificate
    if any(http["latest_failure"] for http in told):
        yield "latest failure", _failure


def _phase(phase: str, key: str) -> Cell:
    def cell(stream: Json) -> str:
        found = stream["http"]["phases_ns"][phase] if stream["http"] else None
        return milliseconds(found[key] if found else None)

    return cell


def _timestamps(stream: Json) -> str:
    counts = stream["http"]["first_byte_timestamps"] if stream["http"] else {}
    return ", ".join(f"{source} ({count})" for source, count in counts.items() if count) or "-"


def _responses(stream: Json) -> str:
    responses = stream["http"]["responses"] if stream["http"] else {}
    return "\n".join(f"{count} x {status}" for status, count in responses.items()) or "-"


def _protocol(stream: Json) -> str:
    http = stream["http"] or {"http_version": None, "tls_version": None}
    known = (f"HTTP/{http['http_version']}" if http["http_version"] else None, http["tls_version"])
    return ", ".join(word for word in known if word) or "-"


def _certificate(stream: Json) -> str:
    http = stream["http"]
    if not http or not http["certificate"]:
        return "-"
    until = f"until {http['certificate']['not_after'][:10]}, {http['certificate']['days_left']:.0f} days"
    return f"{until}\nnot verified" if http["verified"] is False else until


def _failure(stream: Json) -> str:
    failure = stream["http"]["latest_failure"] if stream["http"] else None
    return failure["detail"] if failure else "-"
