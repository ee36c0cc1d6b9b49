"""``eragent compare --prometheus`` beside a real Prometheus with made-up samples, and servers that misbehave."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.histogram import RTT_BOUNDS_NS
from tests.dashboards.programs import debian_program, prometheus_of, wait_until

PATHS = ("--baseline", "vpn", "--candidate", "expressroute")
MINUTES = 6 * 60
PER_MINUTE = 600


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *PATHS, "--prometheus", url, *arguments])


def openmetrics(now_s: int) -> str:
    """Return six hours of two paths of one agent and of one that answers nothing, and of an agent that has only one."""
    families: dict[str, list[str]] = {
        name: [f"# TYPE {name} {kind}"]
        for name, kind in (
            ("eragent_packets_sent", "counter"),
            ("eragent_packets_lost", "counter"),
            ("eragent_packets_failed", "counter"),
            ("eragent_packets_overlooked", "counter"),
            ("eragent_samples_noisy", "counter"),
            ("eragent_rtt_seconds", "histogram"),
        )
    }
    for agent, path, base_ms, scale_ms in (
        ("here", "vpn", 9, 3),
        ("here", "expressroute", 5, 1),
        ("here", "dead", 5, 1),
        ("there", "vpn", 9, 3),
    ):
        labels = f'agent="{agent}",probe="stamp",kind="stamp",target="hub",path="{path}"'
        rng = np.random.default_rng(len(path))
        counts = np.zeros(len(RTT_BOUNDS_NS) + 1, dtype=int)
        for minute in range(MINUTES + 1):
            drawn = (base_ms + rng.exponential(scale_ms, PER_MINUTE if minute and path != "dead" else 0)) * 1e6
            counts += np.bincount(np.searchsorted(RTT_BOUNDS_NS, drawn), minlength=len(counts))
            at = now_s - (MINUTES - minute) * 60
            known, overlooked = minute * PER_MINUTE if path == "dead" else int(counts.sum()), minute * 60
            for name, value in (("sent", known + overlooked), ("lost", minute // 100), ("overlooked", overlooked)):
                families[f"eragent_packets_{name}"].append(f"eragent_packets_{name}_total{{{labels}}} {value} {at}")
            failed = minute * 60 if path == "vpn" else 0
            families["eragent_packets_failed"].append(
                f'eragent_packets_failed_total{{{labels},reason="host_unreachable"}} {failed} {at}'
            )
            families["eragent_samples_noisy"].append(f"eragent_samples_noisy_total{{{labels}}} {minute // 60} {at}")
            for bound, count in zip([*RTT_BOUNDS_NS, None], np.cumsum(counts), strict=True):
                le = "+Inf" if bound is None else str(bound / 1e9)
                families["eragent_rtt_seconds"].append(f'eragent_rtt_seconds_bucket{{{labels},le="{le}"}} {count} {at}')
    return "\n".join(line for lines in families.values() for line in lines) + "\n# EOF\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that has six hours of two paths."""
    folder = tmp_path_factory.mktemp("prometheus")
    text = folder / "samples"
    text.write_text(openmetrics(int(time.time()) // 60 * 60))
    promtool = str(debian_program("promtool"))
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True)
    with prometheus_of("global: {scrape_interval: 1m}", folder) as running:
        wait_until(lambda: running.value("vector(1)") == 1, "answer", folder / "prometheus.log")
        yield running._url


def test_histograms_tell_a_better_path_and_what_they_cannot_tell(server: str) -> None:
    found = run(server, "--agent", "here", "--since", "6h", "--json")
    report = json.loads(found.stdout)
    assert (found.exit_code, report["verdict"]) == (0, "better")
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert set(figures) == {"rtt_p50", "rtt_p95", "rtt_p99", "rtt_p999", "rtt_iqr", "rtt_p99_p50", "loss"}
    true_p99_ns = -(4 + 2 * np.log(100)) * 1e6
    assert figures["rtt_p99"]["low"] < true_p99_ns < figures["rtt_p99"]["high"] < 0
    assert figures["rtt_p99"]["difference"] == pytest.approx(true_p99_ns, rel=0.1)
    assert figures["loss"]["baseline"] == pytest.approx(0.1, rel=0.01)  # failed as well; overlooked is not known
    assert figures["loss"]["verdict"] == "better"
    assert "From histograms, not from packets" in report["notes"][0]
    assert report["pairs"] == 0


def test_the_table_ends_with_the_limits_of_histograms_and_the_sentence(server: str) -> None:
    shown = run(server, "--agent", "here", "--since", "6h").stdout.splitlines()
    assert shown[-1].startswith("expressroute is better than vpn in 6 h: 99 % of packets are back within")
    assert any("nothing is paired" in line for line in shown)


def test_time_without_data_is_partial_data(server: str) -> None:
    report = json.loads(run(server, "--agent", "here", "--since", "12h", "--json").stdout)
    assert any(note.startswith("Partial data: ") for note in report["notes"])
    assert report["duration_s"] < 7 * 3600


def test_a_window_of_a_few_steps_is_insufficient(server: str) -> None:
    found = run(server, "--agent", "here", "--since", "10m")
    assert found.exit_code == 3
    assert "steps of time have data of both vpn and expressroute" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no path"),
        (("--agent", "nobody"), "no agent nobody has these paths; those that do: "),
        (("--agent", "here", "--target", "spoke"), "has no probe and target in common"),
        (("--agent", "there"), "has no path expressroute; its paths: vpn"),
    ],
)
def test_what_the_server_does_not_have_is_named(server: str, arguments: tuple[str, ...], message: str) -> None:
    found = run(server, *arguments)
    assert found.exit_code == 2
    assert ("several agents have these paths: here, there" if not arguments else message) in found.stderr.replace(
        "there, here", "here, there"
    )


def test_a_path_that_answers_nothing_is_insufficient(server: str) -> None:
    arguments = ("--baseline", "vpn", "--candidate", "dead", "--agent", "here", "--since", "6h")
    found = CliRunner().invoke(main, ["compare", "--prometheus", server, *arguments])
    assert found.exit_code == 3
    assert "dead answered nothing in this window: without its delays there is nothing to compare." in found.stdout


def test_warnings_of_the_server_are_in_the_answer(server: str) -> None:
    def warned(path: str, form: bytes) -> bytes:
        with urllib.request.urlopen(server + path, form) as response:
            return json.dumps(json.load(response) | {"warnings": ["a store did not answer"]}).encode()

    with serving(lambda path, form: (200, warned(path, form))) as url:
        report = json.loads(run(url, "--agent", "here", "--since", "6h", "--json").stdout)
    assert report["notes"].count("The server warns: a store did not answer") == 1
    assert report["verdict"] == "better"


@contextmanager
def serving(
    answer: Callable[[str, bytes], tuple[int, bytes]], authorised: list[str | None] | None = None
) -> Iterator[str]:
    """Serve what ``answer`` makes of each request's path and form, a status and a body; note who it says it is."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if authorised is not None:
                authorised.append(self.headers.get("Authorization"))
            status, body = answer(self.path, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}"
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (200, "<html>Welcome</html>", "answers no Prometheus API (HTTP 200: '<html>Welcome</html>')"),
        (422, '{"status": "error", "error": "too many samples"}', "refused: too many samples (HTTP 422)"),
        (401, '{"status": "error"}', "refused: without a reason (HTTP 401)"),
        (200, '{"status": "success"}', "answers no Prometheus API"),
        (200, '{"status": "success", "data": {"result": []}}', "has no samples"),
        (200, "[]", "answers no Prometheus API"),
    ],
)
def test_a_server_that_is_none_or_refuses_is_told(status: int, text: str, message: str) -> None:
    with serving(lambda *_: (status, text.encode())) as url:
        found = run(url)
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr


@pytest.mark.parametrize("given", ["in the URL", "in ~/.netrc"])
def test_a_password_reaches_the_server_and_no_message(given: str, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login reader password secret\n")
    netrc.chmod(0o600)
    asked: list[str | None] = []
    with serving(lambda *_: (401, b"{}"), asked) as url:
        credentials, file = ("", str(netrc)) if "netrc" in given else ("reader:secret@", "/nonexistent")
        command = [
            sys.executable,
            "-m",
            "agent",
            "compare",
            *PATHS,
            "--prometheus",
            url.replace("//", "//" + credentials),
        ]
        found = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"NETRC": file})
    assert asked == ["Basic " + b64encode(b"reader:secret").decode()]
    assert found.returncode == 2
    assert f"{url} answers no Prometheus API (HTTP 401" in found.stderr
    assert "secret" not in found.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://"])
def test_a_server_that_is_not_there_is_told(url: str) -> None:
    found = run(url)
    assert found.exit_code == 2
    assert "cannot be asked" in found.stderr
