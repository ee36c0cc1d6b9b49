"""Measures how long Debian's Prometheus takes for all that each dashboard asks of a month."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.parse
import urllib.request
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figure import Figure, NotRun
from benchmarks.processes import running
from benchmarks.recorded import AGENTS, BLOCK_S, PATHS, PROBE, TARGETS, make
from dashboards.generate import dashboards

_PROGRAMS = Path(".tools/usr/bin")
_DAYS = 30
_MONTH_S = _DAYS * 86400
_SCRAPE_S = 15
_WIDTH_PX, _COLUMNS = 1600, 24
_MOST_MARKS = 11_000  # points that Prometheus gives at most: annotations are asked as finely as it may be
_FRONT_PAGE = "path-comparison.json"
_ASKED_S = 3
_PASSES = 2
_CHOICES = {
    "agent": AGENTS[0],
    "target": TARGETS[0],
    "probe": PROBE,
    "baseline": PATHS[0],
    "candidate": PATHS[1],
    "path": PATHS[1],
}
# Grafana takes a panel's width for the number of points, and rounds the step: up to the first number to the second, s.
_ROUNDED = {450: 300, 750: 600, 1050: 900, 1500: 1200, 2700: 1800, 5400: 3600, 9000: 7200, 16200: 10800, 32400: 21600}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """What a panel asks: of the end of the month alone, or, with a step, of all of it."""

    panel: str
    expression: str
    step_s: int | None


def run() -> Iterator[Figure]:
    """Make a month, open each dashboard, and tell what it took."""
    if not (_PROGRAMS / "promtool").exists():
        raise NotRun("needs Debian's prometheus: run setup/prometheus, which unpacks it into .tools")
    end_s = int(time.time()) // 60 * 60
    with TemporaryDirectory(dir=Path.cwd()) as name:
        directory, data = Path(name), Path(name) / "data"
        make(directory, data, _PROGRAMS / "promtool", begin_s=end_s - _MONTH_S, end_s=end_s)
        octets = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
        yield Figure(name="a month of two paths: on disk", value=octets / 1e6, unit="MB")
        configuration = directory / "prometheus.yml"
        configuration.write_text("global: {}\n", encoding="utf-8")
        address = f"127.0.0.1:{_free_port()}"
        command = [
            str(_PROGRAMS / "prometheus"),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={data}",
            f"--storage.tsdb.max-block-duration={BLOCK_S // 3600}h",
            "--storage.tsdb.retention.time=90d",
            f"--web.listen-address={address}",
        ]
        with running(command, ready="ready to receive web requests"):
            ask = _asking(f"http://{address}", end_s)
            for path, text in dashboards().items():
                yield from _opened(path.name, json.loads(text), ask)


def _opened(name: str, dashboard: Mapping[str, Any], ask: Callable[[_Query], bool]) -> Iterator[Figure]:
    """Ask all that a dashboard asks, one after the other; each counts with the least time of all passes."""
    took_s: dict[_Query, float] = {}
    unanswered = set()
    for query in list(_queries(dashboard)) * _PASSES:
        began = time.perf_counter()
        if not ask(query):
            unanswered.add(query)
        took_s[query] = min(took_s.get(query, float("inf")), time.perf_counter() - began)
    slowest = max(took_s, key=took_s.__getitem__)
    page, asked_s = name.removesuffix(".json"), _ASKED_S if name == _FRONT_PAGE else None
    yield Figure(name=f"{page}: all {len(took_s)} queries", value=sum(took_s.values()), unit="s", at_most=asked_s)
    yield Figure(name=f"{page}: the slowest ({slowest.panel})", value=took_s[slowest], unit="s")
    yield Figure(
        name=f"{page}: queries that found nothing",
        value=len(unanswered),
        at_most=0 if name == _FRONT_PAGE else None,
    )


def _queries(dashboard: Mapping[str, Any]) -> Iterator[_Query]:
    for panel in dashboard["panels"]:
        step_s = _step_s(panel["gridPos"]["w"])
        for target in panel.get("targets", ()):
            asked_s = None if target.get("instant") else step_s
            yield _Query(panel=panel["title"], expression=_filled_in(target["expr"], step_s), step_s=asked_s)
    for mark in dashboard.get("annotations", {}).get("list") or ():
        step_s = -(-_MONTH_S // _MOST_MARKS)
        yield _Query(panel=mark["name"], expression=_filled_in(mark["expr"], step_s), step_s=step_s)


def _step_s(columns: int) -> int:
    points = _WIDTH_PX * columns // _COLUMNS
    bounds = list(_ROUNDED)
    return _ROUNDED[bounds[bisect_right(bounds, _MONTH_S / points)]]


def _filled_in(expression: str, step_s: int) -> str:
    values = {**_CHOICES, "__range": f"{_MONTH_S}s", "__rate_interval": f"{max(step_s + _SCRAPE_S, 4 * _SCRAPE_S)}s"}
    return re.sub(r"\$([a-z_]+)", lambda match: values[match[1]], expression)


def _asking(url: str, end_s: int) -> Callable[[_Query], bool]:
    """Return what asks Prometheus, and tells whether anything came back."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(query: _Query) -> bool:
        what, when = "query", {"time": end_s - 1}
        if query.step_s is not None:
            what, when = "query_range", {"start": end_s - _MONTH_S, "end": end_s - 1, "step": query.step_s}
        form = urllib.parse.urlencode({"query": query.expression, **when}).encode()
        with opener.open(f"{url}/api/v1/{what}", form, timeout=120) as answer:
            return bool(json.load(answer)["data"]["result"])

    return ask


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
