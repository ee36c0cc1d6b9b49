"""Tests of throughput as one JSON object, schema ``eragent.throughput/1``. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from agent.throughput.limited_by import LimitedBy
from agent.throughput.load import Latency
from agent.throughput.measurement import Measurement, StreamLatency, StreamLeak
from collectors.iperf3.result import Interval, Iperf3Result, Transfer

SCHEMA = "eragent.throughput/1"

Json = dict[str, Any]


def report(measurements: Iterable[Measurement], *, started_at: datetime) -> Json:
    """Return the report on these tests; times as their names say, what is not known is null."""
    return {
        "schema": SCHEMA,
        "started_at": _instant(started_at),
        "tests": [report_of(measurement) for measurement in measurements],
    }


def report_of(measurement: Measurement) -> Json:
    """Return what a report has of one test."""
    tried, result = measurement.tried, measurement.tried.result or Iperf3Result()
    trial = tried.trial
    return {
        "probe": trial.probe,
        "target": trial.target.name,
        "path": trial.path.name,
        "stage": trial.stage.name,
        "streams": trial.options.streams,
        "direction": trial.options.direction,
        "protocol": trial.options.protocol,
        "asked_bits_per_second": trial.options.bits_per_second,
        "port": trial.options.port,
        "started_at": _instant(tried.at),
        "outcome": tried.outcome,
        "reason": tried.reason or None,
        "message": tried.message or None,
        "duration_s": result.duration_s,
        "omitted_s": result.omit_s,
        "moved_octets": tried.moved_octets,
        "iperf3": result.version,
        "mss_bytes": result.mss_bytes,
        "path_mtu_bytes": result.path_mtu_bytes,
        "window_bytes": result.window_bytes,
        "cpu": {
            "local": None if result.local_cpu is None else asdict(result.local_cpu),
            "remote": None if result.remote_cpu is None else asdict(result.remote_cpu),
            "host_busy": tried.host_busy,
        },
        "directions": [
            _direction(transfer, measurement.verdicts.get(transfer.direction)) for transfer in result.transfers
        ],
        "intervals": [_interval(interval) for interval in result.intervals],
        "load": measurement.load,
        "latency": [_latency(each) for each in measurement.latencies],
        "leaks": [_leak(each) for each in measurement.leaks],
    }


def _direction(transfer: Transfer, verdict: LimitedBy | None) -> Json:
    figures = asdict(transfer)
    figures.pop("duration_s")
    return {
        **figures,
        "bits_per_second": transfer.bits_per_second,
        "limited_by": None if verdict is None else asdict(verdict),
    }


def _interval(interval: Interval) -> Json:
    """Leave out single streams: the totals have what is worth knowing of each."""
    figures = {name: getattr(interval, name) for name in _OF_INTERVAL}
    return figures | {"streams": len(interval.streams)}


_OF_INTERVAL = (
    *("direction", "start_s", "end_s", "omitted", "transferred_bytes", "bits_per_second"),
    *("retransmits", "packets", "lost_packets", "jitter_ns"),
)


def _latency(each: StreamLatency) -> Json:
    return {
        "probe": each.stream.probe,
        "kind": each.stream.kind,
        "path": each.stream.path,
        "idle": _of_load(each.idle),
        "loaded": None if each.loaded is None else _of_load(each.loaded),
    }


def _of_load(latency: Latency) -> Json:
    return {**asdict(latency), "loss_share": latency.loss_share}


def _leak(each: StreamLeak) -> Json:
    return {
        "probe": each.stream.probe,
        "kind": each.stream.kind,
        "path": each.stream.path,
        "leaked": each.leak.leaked,
        "evidence": each.leak.evidence,
        "idle": _of_load(each.leak.idle),
        "meanwhile": _of_load(each.leak.meanwhile),
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
