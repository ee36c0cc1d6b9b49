"""Measures how long a gap is in coming to Prometheus by remote write, and whether packets leave later meanwhile.

Debian's Prometheus is out of reach when ``eragent run`` begins, as it was for the hours before, and comes back while
the agent probes. A request is made each second and takes less than half of it: packets that leave meanwhile are set
beside those that leave between two requests, so that what else the host does falls upon both alike.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from agent.history.files import FILE
from agent.history.minutes import FAMILIES
from agent.history.reading import read_columns
from agent.history.remote.sender import LONGEST_WAIT_S
from agent.history.store import MINUTE_NS
from agent.sink import StreamKey
from benchmarks.figure import Figure, NotRun
from benchmarks.filling import PER_MINUTE, PER_SECOND, fill
from benchmarks.processes import ERAGENT, cores, pinned, running
from benchmarks.wire import STAMP_PORT, Wire

GAPS_H = (1, 12)
"""Hours of the gaps: the one that is asked for takes two requests, beside which few packets leave."""
PROBES = 5
"""They begin at random moments, so that packets of ten streams are spread over each 100 ms."""
AGENT = "benchmark"

_PROMETHEUS = Path(".tools/usr/bin/prometheus")
_LOOPBACK = Wire(
    name="loopback", near=(), far=(), sources=("127.99.0.1", "127.99.0.2"), target="127.99.0.3", pings=False
)
_PATHS = {f"path-{number}": source for number, source in enumerate(_LOOPBACK.sources)}
_STREAMS = [
    StreamKey(probe=f"stamp-{number}", kind="stamp", target="far", path=path)
    for number in range(PROBES)
    for path in _PATHS
]
_INTERVAL_NS = 1_000_000_000 // PER_SECOND
_SERIES = sum(len(family.series) for family in FAMILIES)
_BEFORE_S = 5.0  # so long the agent probes before the receiver is back
_STARTING = 4  # requests, during which Prometheus is still busy with its own start, on a core that may be half of ours
_REQUEST_NS = 400_000_000  # from the beginning of a request to its note it is less than that
_DEADLINE_S = 90.0

Lateness = NDArray[np.float64]
"""By how many ms each packet left later than the promptest of its probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Minutes of which the receiver has nothing: so many hours, up to and without ``end_minute``."""

    hours: int
    end_minute: int

    @property
    def minutes(self) -> int:
        """How many minutes of each stream."""
        return 60 * self.hours

    @property
    def stream_minutes(self) -> int:
        """How many minutes of all streams."""
        return self.minutes * len(_STREAMS)

    def __str__(self) -> str:
        return f"{self.hours} h of 100 samples/s"


def run() -> Iterator[Figure]:
    """Send a gap of an hour, and one of half a day, beside which more packets leave."""
    for hours in GAPS_H:
        yield from _sent(Gap(hours=hours, end_minute=time.time_ns() // MINUTE_NS - 2))


def _sent(gap: Gap) -> Iterator[Figure]:
    with TemporaryDirectory() as name:
        directory = Path(name)
        history = directory / "history"
        history.mkdir()
        fill(history, _STREAMS, first_minute=gap.end_minute - gap.minutes, minutes=gap.minutes)
        port = _free_port()
        with _agent(directory, port):
            time.sleep(_BEFORE_S)
            with _prometheus(directory, port):
                noted_ns = _watched(history, gap)
                samples, packets = _received(port, gap)
        yield from _sending(gap, noted_ns, samples, packets)
        if len(noted_ns) > 2 * _STARTING:  # else too few packets left beside requests
            yield from _departures(gap, *_lateness(history, noted_ns[_STARTING:]))


def _sending(gap: Gap, noted_ns: Sequence[int], samples: int, packets: int) -> Iterator[Figure]:
    sending_s = (noted_ns[-1] - noted_ns[0] + _REQUEST_NS) / 1e9
    asked_s = 60 if gap.hours == 1 else None
    yield Figure(name=f"{gap}: sent within", value=sending_s, unit="s")
    yield Figure(
        name=f"{gap}: and the longest wait for a try", value=LONGEST_WAIT_S + sending_s, unit="s", at_most=asked_s
    )
    missing = gap.stream_minutes * PER_MINUTE - packets
    yield Figure(name=f"{gap}: packets that Prometheus does not know of", value=missing, at_most=0)
    missing = gap.stream_minutes * _SERIES - samples
    yield Figure(name=f"{gap}: samples of series that it has not", value=missing, at_most=0)


def _departures(gap: Gap, beside: Lateness, between: Lateness) -> Iterator[Figure]:
    for share, words in ((99, "p99"), (100, "the latest")):
        late, otherwise = (float(np.percentile(lateness, share)) for lateness in (beside, between))
        yield Figure(name=f"{gap}: packets late beside requests, {words}", value=late, unit="ms")
        yield Figure(name=f"{gap}: packets late between requests, {words}", value=otherwise, unit="ms")
        yield Figure(name=f"{gap}: later beside requests, {words}", value=late - otherwise, unit="ms", at_most=2)


@contextmanager
def _agent(directory: Path, receiver: int) -> Iterator[None]:
    """Have an agent probe a reflector, with a history, and a receiver on this port; on a core of its own.

    It runs in real time, as its unit has it, where this user may: then only what it does itself delays its packets.
    """
    core, others = cores()
    file = directory / "eragent.yaml"
    file.write_text(json.dumps(_configuration(receiver)), encoding="utf-8")  # JSON is YAML
    command = pinned(core, [*_real_time(), ERAGENT, "run", "--config", str(file)])
    with _LOOPBACK.reflector(core=others), running(command, ready=f"{len(_STREAMS)} streams"):
        yield


def _real_time() -> tuple[str, ...]:
    """Return what starts a command as systemd/eragent.service does, nothing where the kernel forbids that."""
    command = ("chrt", "--reset-on-fork", "--fifo", "1")
    return command if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0 else ()


def _configuration(receiver: int) -> dict[str, object]:
    return {
        "agent": {"name": AGENT},
        "listen": f"127.0.0.1:{_free_port()}",
        "paths": {path: {"kind": "other", "source": source} for path, source in _PATHS.items()},
        "targets": {"far": {"address": _LOOPBACK.target}},
        "probes": [
            {
                "name": f"stamp-{number}",
                "stamp": {"port": STAMP_PORT},
                "interval": f"{1000 // PER_SECOND}ms",
                "timeout": "1s",
                "targets": ["far"],
            }
            for number in range(PROBES)
        ],
        "history": {"directory": "history"},
        "remote_write": {"url": f"http://127.0.0.1:{receiver}/api/v1/write"},
    }


@contextmanager
def _prometheus(directory: Path, port: int) -> Iterator[None]:
    """Run Debian's Prometheus that takes remote write, on the core that is not the agent's, once it is ready."""
    if not _PROMETHEUS.exists():
        raise NotRun("needs Debian's prometheus: run setup/prometheus, which unpacks it into .tools")
    config = directory / "prometheus.yml"
    config.write_text("storage: {tsdb: {out_of_order_time_window: 1d}}\n", encoding="utf-8")
    arguments = [
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    command = pinned(cores()[1], [str(_PROMETHEUS), *arguments])
    with running(command, ready="Server is ready to receive web requests"):
        yield


def _watched(history: Path, gap: Gap) -> list[int]:
    """Wait until all minutes of the gap are noted as sent; return the wall times in ns at which something was noted."""
    noted_ns: list[int] = []
    known: list[tuple[int]] = []
    deadline = time.monotonic() + _DEADLINE_S
    with closing(sqlite3.connect(f"file:{history / FILE}?mode=ro", uri=True)) as connection:
        while time.monotonic() < deadline:
            sent = connection.execute("SELECT minute FROM sent ORDER BY stream").fetchall()
            if sent != known:
                known = sent
                noted_ns.append(time.time_ns())
            if len(sent) == len(_STREAMS) and min(sent)[0] >= gap.end_minute - 1:
                return noted_ns
            time.sleep(0.01)
    raise NotRun(f"{gap.hours} h were not sent within {_DEADLINE_S:.0f} s")


def _received(port: int, gap: Gap) -> tuple[int, int]:
    """Return how many samples of series the receiver has of the gap, and how many packets these count."""
    spans = [f'{family.name}{{agent="{AGENT}"}}[{gap.minutes}m]' for family in FAMILIES]
    samples = sum(_value(port, f"sum(count_over_time({span}))", gap.end_minute) for span in spans)
    return samples, _value(port, f"sum(sum_over_time({spans[0]}))", gap.end_minute)  # the first one counts packets sent


def _value(port: int, query: str, minute: int) -> int:
    asked = urllib.parse.urlencode({"query": query, "time": 60 * minute})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{asked}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return int(float(found[0]["value"][1])) if found else 0


def _lateness(history: Path, noted_ns: Sequence[int]) -> tuple[Lateness, Lateness]:
    """Return the lateness of packets that left while a request was made and answered, and of those between requests.

    A schedule's slots are in step with both clocks as long as none is set; its promptest packet tells where they begin.
    """
    begin_ns, end_ns = noted_ns[0] - _REQUEST_NS, noted_ns[-1]
    beside: list[Lateness] = []
    between: list[Lateness] = []
    for probe in range(PROBES):
        columns = [
            read_columns(history, probe=f"stamp-{probe}", target="far", path=path, since_ns=begin_ns, until_ns=end_ns)
            for path in _PATHS
        ]
        sent = np.concatenate([column.sent_at_ns for column in columns])
        beyond = sent - _INTERVAL_NS * np.concatenate([column.slot for column in columns])
        late_ms = (beyond - beyond.min()) / 1e6
        next_noted = np.array(noted_ns)[np.searchsorted(noted_ns, sent)]
        is_beside = sent >= next_noted - _REQUEST_NS
        beside.append(late_ms[is_beside])
        between.append(late_ms[~is_beside])
    return np.concatenate(beside), np.concatenate(between)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
