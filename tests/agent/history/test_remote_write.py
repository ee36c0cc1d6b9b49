"""Minutes of a history to a receiver: Debian's Prometheus, and ones that do not take everything."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from agent.history.files import set_aside
from agent.history.opening import reading
from agent.history.remote.batch import sent_in
from agent.history.remote.counts import Dropped, Failure, RemoteCounts
from agent.history.remote.posting import post
from agent.history.remote.sender import RemoteWriter
from agent.history.remote.wire import time_series
from agent.history.store import MINUTE_NS, Store, connect
from agent.history.summary import Extras, summarised
from agent.plan import RemoteWritePlan
from agent.sink import StreamKey
from collectors.http.url import Url
from tests.agent.history.generated import INTERVAL_NS, KEY, MINUTE, on_a_path, rows_of
from tests.collectors.http.servers import CA_FILE, answering, response, serving
from tests.dashboards.programs import debian_program, free_port

SERIES = 19
OTHER = StreamKey(probe="stamp", kind="stamp", target="hub", path="lte")
DEADLINE_S = 15.0
SETTLED_NS = 45_000_000_000
URL = Url.parse("http://receiver.example.net/api/v1/write")


def keep(directory: Path, first_minute: int, count: int, key: StreamKey = KEY) -> None:
    with closing(connect(directory)) as connection:
        store = Store(connection)
        stream = store.stream(key, INTERVAL_NS)
        rows = rows_of(list(on_a_path(600)))
        store.begin()
        for minute in range(first_minute, first_minute + count):
            store.summarise(stream, minute, summarised(rows, Extras()))
        store.commit()


class Receiver:
    """Takes requests and answers what it is told to; time passes only when it is told to."""

    def __init__(self, directory: Path, now_minute: int, *, plan: RemoteWritePlan | None = None) -> None:
        self.answer: Callable[[], tuple[int, str]] = lambda: (204, "")
        self.requests: list[tuple[bytes, dict[str, str]]] = []
        self.now_s = 0.0
        self.rests = 0
        self.counts = RemoteCounts()
        self.writer = RemoteWriter(
            plan or RemoteWritePlan(url=URL),
            directory,
            "dc1",
            self.counts,
            post=self._post,
            wall_ns=lambda: now_minute * MINUTE_NS + SETTLED_NS,
            monotonic_s=lambda: self.now_s,
            rest=self._rest,
        )

    def _rest(self) -> None:
        self.rests += 1

    def _post(self, url: Url, body: bytes, headers: dict[str, str], ca_file: Path | None) -> tuple[int, str]:
        self.requests.append((body, headers))
        return self.answer()

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.writer.turn()
            self.now_s += 1


def test_all_minutes_are_sent_once_oldest_first(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 150)
    receiver = Receiver(tmp_path, MINUTE + 200)
    receiver.turns(10)
    assert len(receiver.requests) == 3  # an hour of a stream at a time
    assert receiver.counts.samples == 150 * SERIES
    assert receiver.counts.sent_until_ns == (MINUTE + 150) * MINUTE_NS
    keep(tmp_path, MINUTE + 150, 1)
    receiver.turns(2)
    assert receiver.counts.samples == 151 * SERIES


def test_a_request_is_written_with_a_rest_after_each_stream(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 10)
    keep(tmp_path, MINUTE, 10, OTHER)
    receiver = Receiver(tmp_path, MINUTE + 20)
    receiver.turns(1)
    assert (receiver.rests, receiver.counts.samples) == (2, 20 * SERIES)


def test_a_receiver_that_was_away_for_long_is_tried_twice_a_minute(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 10)
    receiver = Receiver(tmp_path, MINUTE + 20)
    receiver.answer = lambda: (503, "")
    receiver.turns(600)
    tries = len(receiver.requests)
    receiver.turns(60)
    assert len(receiver.requests) == tries + 2


def test_nothing_is_sent_twice_after_a_restart(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 90)
    first = Receiver(tmp_path, MINUTE + 100)
    first.turns(1)
    second = Receiver(tmp_path, MINUTE + 100)
    second.turns(5)
    assert (first.counts.samples, second.counts.samples) == (60 * SERIES, 30 * SERIES)


def test_what_cannot_be_noted_is_noted_later_and_not_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, MINUTE, 10)
    receiver = Receiver(tmp_path, MINUTE + 20)
    with closing(connect(tmp_path)) as other:
        other.execute("BEGIN IMMEDIATE")  # the disk is slow, and the writer of samples not done within a second
        receiver.turns(1)
        assert "what was sent cannot be noted for now: database is locked" in caplog.text
    receiver.turns(2)
    assert len(receiver.requests) == 1
    again = Receiver(tmp_path, MINUTE + 20)
    again.turns(2)
    assert again.requests == []


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (500, Failure.SERVER_ERROR),
        (503, Failure.SERVER_ERROR),
        (429, Failure.OVERLOADED),
        (401, Failure.NOT_ALLOWED),
        (404, Failure.NOT_ALLOWED),
        (308, Failure.NOT_ALLOWED),
    ],
)
def test_what_a_receiver_does_not_take_now_is_sent_later(
    tmp_path: Path, status: int, failure: Failure, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, MINUTE, 10)
    receiver = Receiver(tmp_path, MINUTE + 20)
    receiver.answer = lambda: (status, "not now")
    receiver.turns(8)
    assert len(receiver.requests) == 4  # after 1, 2 and 4 seconds
    assert receiver.counts.errors[failure] == 4
    assert [record.message for record in caplog.records] == [
        f"remote write: {URL} does not take samples, which wait on disk: HTTP {status} not now"
    ]
    receiver.answer = lambda: (204, "")
    receiver.turns(8)
    assert (receiver.counts.samples, receiver.counts.failing) == (10 * SERIES, None)
    assert "takes samples again" in caplog.text


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TimeoutError(), Failure.TIMEOUT),
        (ConnectionRefusedError(111, "refused"), Failure.UNREACHABLE),
        (http.client.RemoteDisconnected("gone"), Failure.UNREACHABLE),
        (http.client.BadStatusLine("?"), Failure.UNREACHABLE),
    ],
)
def test_without_an_answer_all_of_it_is_sent_again(tmp_path: Path, error: Exception, failure: Failure) -> None:
    keep(tmp_path, MINUTE, 10)
    receiver = Receiver(tmp_path, MINUTE + 20)

    def fail() -> tuple[int, str]:
        raise error

    receiver.answer = fail
    receiver.turns(1)
    assert receiver.counts.errors[failure] == 1
    receiver.answer = lambda: (204, "")
    receiver.turns(3)
    assert receiver.counts.samples == 10 * SERIES
    assert receiver.requests[0] == receiver.requests[1]


def test_a_minute_that_is_refused_for_good_is_told_and_costs_nothing_but_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, MINUTE, 90)
    receiver = Receiver(tmp_path, MINUTE + 100)
    refused = time_series({}, [((MINUTE + 6) * 60_000, 0.0)])[-7:]  # the timestamp of the sixth minute
    receiver.answer = lambda: (400, "bad value") if refused in receiver.requests[-1][0] else (204, "")
    receiver.turns(40)
    assert receiver.counts.dropped == {Dropped.REFUSED: SERIES, Dropped.TOO_OLD: 0}
    assert receiver.counts.samples == 89 * SERIES
    assert caplog.messages == [f"remote write: {URL} refuses samples for good: HTTP 400 bad value"]


def test_what_is_too_old_is_counted_and_not_sent(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 10)
    Receiver(tmp_path, MINUTE + 10).turns(2)
    keep(tmp_path, MINUTE + 10, 100)
    receiver = Receiver(tmp_path, MINUTE + 110, plan=RemoteWritePlan(url=URL, max_age_ns=60 * MINUTE_NS))
    receiver.turns(5)
    assert receiver.counts.samples == 60 * SERIES
    assert receiver.counts.dropped[Dropped.TOO_OLD] == 40 * SERIES


def test_a_minute_that_may_still_change_is_not_sent(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 3)
    receiver = Receiver(tmp_path, MINUTE + 2)  # 45 s into the third
    receiver.turns(2)
    assert receiver.counts.samples == 2 * SERIES


def test_without_a_history_there_is_nothing_to_send(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, MINUTE)
    receiver.turns(2)
    assert receiver.requests == []


def test_a_history_that_cannot_be_looked_for_ends_nothing(tmp_path: Path) -> None:
    receiver = Receiver(
        tmp_path / ("x" * 300), MINUTE
    )  # as where its folder may not be searched, which root always may
    receiver.turns(2)
    assert receiver.requests == []


def test_a_token_is_read_for_each_request(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 61)
    token = tmp_path / "token"
    receiver = Receiver(tmp_path, MINUTE + 70, plan=RemoteWritePlan(url=URL, token_file=token))
    receiver.turns(1)
    assert receiver.counts.errors[Failure.CREDENTIALS] == 1
    for text in ("one\n", "two\n"):
        token.write_text(text)
        token.chmod(0o640)
        receiver.turns(1)
    assert [headers["Authorization"] for _, headers in receiver.requests] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (b"sesame\xff", 0o640, "holds no bearer token"),
        ("sesame ÿ".encode(), 0o640, "holds no bearer token"),
        (b"sesame\r\nX-Other: 1", 0o640, "holds no bearer token"),
        (b"\n", 0o640, "is empty: write the token into it"),
        (b"sesame", 0o644, "is open to every user of this host: chmod 0640"),
        (b"sesame" * 1000, 0o640, "has more than 4096 octets"),
    ],
)
def test_a_token_that_does_not_serve_is_told_without_showing_it(
    tmp_path: Path, content: bytes, mode: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, MINUTE, 1)
    token = tmp_path / "token"
    token.write_bytes(content)
    token.chmod(mode)
    receiver = Receiver(tmp_path, MINUTE + 2, plan=RemoteWritePlan(url=URL, token_file=token))
    receiver.turns(1)
    assert (receiver.requests, receiver.counts.errors[Failure.CREDENTIALS]) == ([], 1)
    assert message in caplog.text
    assert "sesame" not in caplog.text


def test_what_is_too_large_is_sent_in_parts(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 60)
    keep(tmp_path, MINUTE, 60, OTHER)
    receiver = Receiver(tmp_path, MINUTE + 70)
    receiver.answer = lambda: (413, "too large") if len(receiver.requests[-1][0]) > 10_000 else (204, "")
    receiver.turns(60)
    assert (receiver.counts.samples, receiver.counts.dropped.total()) == (120 * SERIES, 0)


def test_what_is_too_large_in_the_smallest_part_is_given_up(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 1)
    receiver = Receiver(tmp_path, MINUTE + 2)
    receiver.answer = lambda: (413, "too large")
    receiver.turns(20)
    assert receiver.counts.dropped[Dropped.REFUSED] == SERIES


def test_a_history_that_another_agent_writes_is_not_sent(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 1)
    with closing(Store(connect(tmp_path))) as store:
        store.run_began("dc2", MINUTE * MINUTE_NS)
    receiver = Receiver(tmp_path, MINUTE + 2)
    receiver.turns(2)
    assert receiver.requests == []
    with closing(Store(connect(tmp_path))) as store:
        store.run_began("dc1", MINUTE * MINUTE_NS)
    receiver.turns(2)
    assert receiver.counts.samples == SERIES


def test_a_new_file_is_sent_from_its_beginning_whatever_the_old_one_had(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 10)
    receiver = Receiver(tmp_path, MINUTE + 20)
    receiver.turns(2)
    set_aside(tmp_path, datetime(2026, 5, 4, tzinfo=UTC))
    keep(tmp_path, MINUTE + 5, 10, OTHER)  # the first stream of the new file
    receiver.turns(2)
    assert receiver.counts.samples == 20 * SERIES


def test_a_clock_that_was_far_ahead_does_not_end_the_sending(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE + 100_000, 1)
    Receiver(tmp_path, MINUTE + 100_001).turns(1)
    keep(tmp_path, MINUTE + 20, 3)
    receiver = Receiver(tmp_path, MINUTE + 20)
    receiver.turns(1)
    later = Receiver(tmp_path, MINUTE + 23)
    later.turns(2)
    assert later.counts.samples == 3 * SERIES


def test_a_user_has_a_password(tmp_path: Path) -> None:
    keep(tmp_path, MINUTE, 1)
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    plan = RemoteWritePlan(url=URL, username="aladdin", password_file=password)
    receiver = Receiver(tmp_path, MINUTE + 2, plan=plan)
    receiver.turns(1)
    assert receiver.requests[0][1]["Authorization"] == "Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_post_brings_what_the_receiver_says() -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(400)
            self.end_headers()
            self.wfile.write(f"{self.path} {body.decode()} {self.headers['X-Own']}\n".encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = Url.parse(f"http://127.0.0.1:{server.server_port}/api/v1/write?x=1")
        assert post(url, b"body", {"X-Own": "mine"}, None) == (400, "/api/v1/write?x=1 body mine")
        thread.join()


async def test_a_receiver_is_known_by_its_certificate() -> None:
    async with serving(answering(response(b"taken")), certificate="valid") as port:
        url = Url.parse(f"https://localhost:{port}/api/v1/write")
        assert await asyncio.to_thread(post, url, b"body", {}, CA_FILE) == (200, "taken")
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(post, url, b"body", {}, None)


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Run Debian's Prometheus that takes remote write; yield its address."""
    folder.mkdir()
    config = folder / "prometheus.yml"
    config.write_text("storage: {tsdb: {out_of_order_time_window: 2h}}\n")
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
        "--log.level=error",
    ]
    with subprocess.Popen([debian_program("prometheus"), *arguments]) as process:
        try:
            wait_until_ready(f"http://{address}/-/ready")
            yield f"http://{address}"
        finally:
            process.terminate()


def wait_until_ready(url: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until
            time.sleep(0.05)


def values(address: str, metric: str, minutes: int) -> dict[str, list[list[object]]]:
    query = urllib.parse.urlencode({"query": f"{metric}[{minutes}m]"})
    with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=5) as response:
        found = json.load(response)["data"]["result"]
    return {series["metric"]["path"]: series["values"] for series in found}


def test_what_is_too_old_for_prometheus_keeps_nothing_younger_from_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "history"
    directory.mkdir()
    this_minute = time.time_ns() // MINUTE_NS
    keep(directory, this_minute - 1, 1, OTHER)
    counts = RemoteCounts()
    with prometheus(tmp_path / "prometheus") as address:
        writer = RemoteWriter(
            RemoteWritePlan(url=Url.parse(f"{address}/api/v1/write")),
            directory,
            "dc1",
            counts,
            wall_ns=lambda: time.time_ns() + SETTLED_NS,
        )
        writer.turn()
        keep(directory, this_minute - 125, 125)  # and it takes what is up to two hours behind
        for _ in range(60):
            writer.turn()
        sent = values(address, "eragent_minute_packets_sent", 200)
    assert 119 <= len(sent["vpn"]) <= 121
    assert counts.samples == (len(sent["vpn"]) + 1) * SERIES
    assert counts.dropped == {Dropped.TOO_OLD: (125 - len(sent["vpn"])) * SERIES, Dropped.REFUSED: 0}
    assert counts.errors.total() == 0
    assert "too old sample; out_of_order_time_window there is to be max_age here" in caplog.text


def test_an_hour_in_which_prometheus_was_away_is_all_there_afterwards(tmp_path: Path) -> None:
    directory = tmp_path / "history"
    directory.mkdir()
    this_minute = time.time_ns() // MINUTE_NS
    first = this_minute - 60
    names = [f"path-{number}" for number in range(9)] + ['Straße "9" \\ 東京']
    paths = [StreamKey(probe="stamp", kind="stamp", target="hub", path=name) for name in names]
    counts = RemoteCounts()

    def turns(url: str, count: int) -> None:
        plan = RemoteWritePlan(url=Url.parse(f"{url}/api/v1/write"))
        writer = RemoteWriter(plan, directory, "dc1", counts, wall_ns=lambda: time.time_ns() + SETTLED_NS)
        for _ in range(count):
            writer.turn()

    with prometheus(tmp_path / "prometheus") as address:
        for key in paths[:5]:
            keep(directory, this_minute - 1, 1, key)  # the present is there before the past
        turns(address, 3)
        for key in paths:
            keep(directory, first, 60, key)
        with closing(connect(directory)) as connection, connection:
            connection.execute("DELETE FROM sent")
        turns(address, 30)
        sent = values(address, "eragent_minute_packets_sent", 70)
        longest = values(address, 'eragent_minute_rtt_seconds{quantile="1"}', 70)
        turns(address, 3)
    assert set(sent) == {key.path for key in paths}
    moments = [(first + number + 1) * 60 for number in range(60)]
    assert all(series == [[moment, "600"] for moment in moments] for series in sent.values())
    assert all(len(series) == 60 for series in longest.values())
    assert counts.dropped.total() == counts.errors.total() == 0
    with reading(directory) as connection:
        assert set(sent_in(connection).values()) == {this_minute - 1}
