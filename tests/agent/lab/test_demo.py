from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import main
from agent.lab.sandbox import hold_instance
from tests.agent.lab.conftest import QUIET
from tests.agent.lab.traces import Host, processes_in, until

OUTAGE = "events: [{at: 200ms, link: er-primary, down: 300ms}]\nfailover: {detection: 100ms, return: 100ms}\n"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "quiet.yaml"
    path.write_text(QUIET + OUTAGE)
    return path


def metrics_of_onprem(demo: subprocess.Popen[str]) -> str:
    assert demo.stderr is not None
    said = []
    for line in demo.stderr:
        if match := re.match("Agent onprem: metrics on (.*)", line):
            return match[1]
        said.append(line)
    pytest.fail(f"the demo ended: {''.join(said)}")


@contextmanager
def running_demo(host: Host, scenario: Path, temporary: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that measures, and the address of its on-premises agent; at the end nothing of it may be left."""
    before = host.holds()
    with subprocess.Popen(
        host.inside(sys.executable, "-m", "agent", "demo", "--duration", "60s", "--scenario", str(scenario)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as demo:
        try:
            url = metrics_of_onprem(demo)
            unshare = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()[0]
            first = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()[0]
            namespace = str(Path(f"/proc/{first}/ns/pid").readlink())
            yield demo, url
            until(lambda: demo.poll() is not None)
            until(lambda: not processes_in(namespace))
            assert not host.holds() - before
            assert list(temporary.iterdir()) == []
        finally:
            demo.kill()


@pytest.mark.root
def test_two_agents_measure_both_paths_through_an_outage(scenario: Path) -> None:
    result = CliRunner().invoke(main, ["demo", "--duration", "2s", "--json", "--scenario", str(scenario)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    streams = {(stream["probe"], stream["path"]): stream for stream in told["report"]["streams"]}
    assert set(streams) == {(probe, path) for probe in ("stamp", "ping") for path in ("expressroute", "vpn")}
    assert 4_000_000 <= streams["stamp", "expressroute"]["rtt_ns"]["min"] < 6_000_000
    assert 8_000_000 <= streams["stamp", "vpn"]["rtt_ns"]["min"] < 12_000_000
    assert streams["stamp", "expressroute"]["lost_forward"] > 0
    assert streams["stamp", "vpn"]["lost"] == 0
    assert [event["text"] for event in told["events"]] == [
        "er-primary goes silent",
        "the routers use er-secondary",
        "er-primary carries frames again",
        "the routers use er-primary",
    ]
    assert told["report"]["comparisons"][0]["faster_share"] == 1


@pytest.mark.root
def test_the_demo_tells_comparison_events_and_its_own_error(scenario: Path) -> None:
    result = CliRunner().invoke(main, ["demo", "--duration", "1s", "--scenario", str(scenario)])
    assert result.exit_code == 0, result.output
    for text in ("expressroute against vpn", "0.2 s  er-primary goes silent", "Metrics of onprem were on http://127"):
        assert text in result.stdout
    assert "Agent onprem: metrics on" in result.stderr


@pytest.mark.root
def test_the_operator_reads_the_metrics_from_the_host_while_it_runs(host: Host, scenario: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    read = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
    with running_demo(host, scenario, temporary) as (demo, url):
        page = subprocess.run(host.inside(sys.executable, "-c", read, url), capture_output=True, text=True, check=True)
        assert 'path="expressroute"' in page.stdout
        demo.terminate()


@pytest.mark.root
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_nothing_is_left_of_a_demo_that_gets(
    number: signal.Signals, code: int, host: Host, scenario: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with running_demo(host, scenario, temporary) as (demo, _):
        demo.send_signal(number)
        assert demo.wait(timeout=10) == code


@pytest.mark.root
def test_nothing_is_left_of_a_demo_whose_lab_was_killed(host: Host, scenario: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with running_demo(host, scenario, temporary) as (demo, _):
        unshare = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()[0]
        os.kill(int(unshare), signal.SIGKILL)
        assert demo.wait(timeout=10) == 3


def test_a_second_demo_is_refused_with_a_clear_message() -> None:
    with hold_instance("eragent-demo"):
        result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 3
    assert "another `eragent demo` runs on this machine" in result.stderr


def test_a_wrong_scenario_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(QUIET.replace("2ms", "2"))
    result = CliRunner().invoke(main, ["demo", "--scenario", str(path)])
    assert result.exit_code == 2
    assert f"{path}: links.er-primary.delay: a duration needs a unit: write 2ms, not 2" in result.stderr


@pytest.mark.parametrize("duration", ["30", "0s", "soon"])
def test_a_wrong_duration_is_wrong_usage(duration: str) -> None:
    assert CliRunner().invoke(main, ["demo", "--duration", duration]).exit_code == 2
