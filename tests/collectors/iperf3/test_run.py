"""Tests run against the real iperf3, and end in time whatever becomes of its far end, or of this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from collectors.iperf3.failing import Iperf3Failure
from collectors.iperf3.options import Authentication, Direction, Protocol
from collectors.iperf3.program import Program, find_program
from collectors.iperf3.result import Iperf3Result
from collectors.iperf3.run import run_test
from collectors.path import NetworkPath
from tests.collectors.iperf3.servers import (
    PATH,
    SHORT,
    answering,
    children,
    fake,
    free_port,
    iperf3_server,
    no_child_left,
    telling,
    until,
)

RECORDED = Path(__file__).parents[2] / "data" / "iperf3"

# Runs a test for a minute, to be killed meanwhile.
PARENT = """
import asyncio, sys
from collectors.iperf3.options import Iperf3Options
from collectors.iperf3.program import find_program
from collectors.iperf3.run import run_test
from collectors.path import NetworkPath
async def main():
    options = Iperf3Options(port=int(sys.argv[1]), duration_s=60)
    await run_test(options, "127.0.0.1", NetworkPath(name="default"), program=await find_program())
asyncio.run(main())
"""


async def ran(port: int, path: NetworkPath = PATH, **changes: object) -> Iperf3Result:
    options = replace(SHORT, port=port, **changes)  # type: ignore[arg-type]  # each test names fields that there are
    async with no_child_left():
        return await run_test(options, "127.0.0.1", path, program=await find_program())


def failure_of(result: Iperf3Result) -> str | None:
    return None if result.trouble is None else result.trouble.failure.value


async def test_both_directions_at_once_on_the_path_that_was_asked_for() -> None:
    path = NetworkPath(name="lo", source=ip_address("127.0.0.9"), interface="lo")
    with iperf3_server() as (_, port):
        result = await ran(port, path, direction=Direction.BOTH, streams=2, bits_per_second=100_000_000, dscp=46)
    assert result.trouble is None
    assert [transfer.bits_per_second for transfer in result.transfers] == [pytest.approx(100e6, rel=0.2)] * 2
    assert {connection.local_host for connection in result.connections} == {"127.0.0.9"}
    assert len(result.connections) == 4
    assert len(result.intervals_of(Direction.UP)) >= 4
    assert result.local_cpu is not None
    assert result.remote_cpu is not None


async def test_datagrams_at_a_rate() -> None:
    with iperf3_server() as (_, port):
        direction = Direction.DOWN
        result = await ran(
            port, protocol=Protocol.UDP, direction=direction, bits_per_second=20_000_000, payload_bytes=1200
        )
    assert result.trouble is None
    assert result.down is not None
    assert result.down.sent_bits_per_second == pytest.approx(20e6, rel=0.1)
    assert result.down.packets is not None
    assert result.down.jitter_ns is not None


async def test_a_server_that_runs_a_test_is_busy_and_a_test_that_is_stopped_keeps_what_it_has() -> None:
    with iperf3_server() as (server, port):
        stop, program = asyncio.Event(), await find_program()
        options = replace(SHORT, port=port, duration_s=30, bits_per_second=50_000_000)
        async with no_child_left():
            running = asyncio.create_task(run_test(options, "127.0.0.1", PATH, program=program, stop=stop))
            await told_by(server, "Accepted")
            second = await run_test(options, "127.0.0.1", PATH, program=program)
            await told_by(server, *["bits/sec"] * 5)
            stop.set()
            first = await running
    assert failure_of(second) == "busy"
    assert failure_of(first) == "cancelled"
    assert first.intervals
    assert first.up is not None
    assert first.up.sent_bytes


async def told_by(server: subprocess.Popen[str], *texts: str) -> None:
    """Wait until the server has printed lines with these texts, one after the other; its times are never exact ones."""
    assert server.stdout is not None
    async with asyncio.timeout(20):
        for text in texts:
            line = ""
            while text not in line:
                line = await asyncio.to_thread(server.stdout.readline)
                assert line, "the server has ended"


async def test_cancelled_it_leaves_no_process() -> None:
    with iperf3_server() as (server, port):
        program = await find_program()
        async with no_child_left():
            options = replace(SHORT, port=port, duration_s=30)
            running = asyncio.create_task(run_test(options, "127.0.0.1", PATH, program=program))
            await told_by(server, "Accepted")
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        assert running.cancelled()
        assert failure_of(await ran(port, bits_per_second=1_000_000)) is None  # the server takes the next one


async def test_cancelled_before_it_began_it_leaves_no_process_either() -> None:
    program = await find_program()
    async with no_child_left():
        running = asyncio.create_task(run_test(SHORT, "127.0.0.1", PATH, program=program))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_server_that_is_killed_in_the_middle_ends_the_test_early() -> None:
    with iperf3_server() as (server, port):
        running = asyncio.create_task(ran(port, duration_s=30, bits_per_second=50_000_000))
        await told_by(server, *["bits/sec"] * 5)
        server.kill()
        result = await running
    assert failure_of(result) == "ended_early"
    assert result.intervals


async def test_a_far_end_that_dies_without_a_word_hangs_nothing() -> None:
    with iperf3_server() as (server, port):
        running = asyncio.create_task(ran(port, connect_timeout_s=0.5, grace_s=0.0))
        await told_by(server, *["bits/sec"] * 2)
        server.send_signal(signal.SIGSTOP)
        result = await running
    assert failure_of(result) == "timed_out"
    assert result.intervals


async def test_a_server_that_opens_its_port_anew_behind_a_test_is_tried_again(tmp_path: Path) -> None:
    first = "{'error': 'unable to connect to server: Connection refused'}"
    second = "{'error': 'the server is busy running a test'}"
    script = f"import json, os\nif os.path.exists(__file__ + '1'): print(json.dumps({second})); sys.exit()\n"
    script += f"open(__file__ + '1', 'w')\nprint(json.dumps({first}))"
    async with no_child_left():
        assert failure_of(await run_test(SHORT, "127.0.0.1", PATH, program=fake(tmp_path, script))) == "busy"


async def test_nobody_listens() -> None:
    result = await ran(free_port())
    assert failure_of(result) == "refused"
    assert result.trouble is not None
    assert result.trouble.message.endswith("Connection refused: start `iperf3 -s` there, or correct the port")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b"SSH-2.0-x\r\n", b""])
async def test_another_protocol_is_not_iperf3(answer: bytes) -> None:
    with answering(answer) as port:
        assert failure_of(await ran(port)) == "not_iperf3"


@pytest.mark.parametrize("results", [b"\0\0\0\x07garbage", b"\xff\xff\xff\xffand no more"])
async def test_a_server_whose_own_results_are_garbage_hangs_nothing_and_what_was_measured_is_kept(
    results: bytes,
) -> None:
    with telling(results) as port:
        result = await ran(port, connect_timeout_s=0.5, grace_s=1.5, bits_per_second=10_000_000)
    assert failure_of(result) == "ended_early"
    assert result.transferred_bytes > 100_000


async def test_a_port_that_never_says_a_word_is_given_up() -> None:
    with answering(None) as port:
        assert failure_of(await ran(port, connect_timeout_s=0.2, grace_s=-0.5)) == "timed_out"


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        (NetworkPath(name="x", source=ip_address("192.0.2.77")), "source_unavailable"),
        (NetworkPath(name="x", interface="nowhere0"), "interface_unavailable"),
        (NetworkPath(name="x", fwmark=1), "unsupported"),
    ],
)
async def test_a_path_that_cannot_be_taken_is_a_reason_and_no_test(path: NetworkPath, failure: str) -> None:
    with iperf3_server() as (_, port):
        assert failure_of(await ran(port, path)) == failure


async def test_a_congestion_control_that_this_host_lacks() -> None:
    with iperf3_server() as (_, port):
        assert failure_of(await ran(port, congestion_control="none_such")) == "unsupported"


async def test_what_iperf3_does_not_understand_is_told_in_its_words() -> None:
    result = await ran(free_port(), streams=500)
    assert result.trouble is not None
    assert result.trouble.failure is Iperf3Failure.OTHER
    assert "number of parallel streams" in result.trouble.message


async def test_a_program_that_is_too_old_is_not_started(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    program = fake(tmp_path, f"open({str(marker)!r}, 'w')", version=(3, 1))
    assert failure_of(await run_test(SHORT, "127.0.0.1", PATH, program=program)) == "too_old"
    assert not marker.exists()


async def test_a_program_that_has_gone_is_a_reason(tmp_path: Path) -> None:
    program = Program(path=str(tmp_path / "gone"), version=(3, 12))
    assert failure_of(await run_test(SHORT, "127.0.0.1", PATH, program=program)) == "other"


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("print('garbage')", "other"),
        ("print('{\"start\": {\"version\": ')", "other"),
        ("sys.stdout.buffer.write(bytes(range(256)) * 1000)", "other"),
        ("print('iperf3: the sky fell', file=sys.stderr); sys.exit(1)", "other"),
        ("import json; print(json.dumps({'start': {}, 'end': {}, 'error': 'error - test authorization failed'}))",
         "authentication"),
    ],
)  # fmt: skip
async def test_garbage_is_a_reason(tmp_path: Path, script: str, failure: str) -> None:
    async with no_child_left():
        assert failure_of(await run_test(SHORT, "127.0.0.1", PATH, program=fake(tmp_path, script))) == failure


async def test_a_result_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    document = json.loads((RECORDED / "3.21-both.json").read_text())
    document["intervals"] *= 10_000_000 // len(json.dumps(document["intervals"]))
    file = tmp_path / "result.json"
    file.write_text(json.dumps(document))
    program = fake(tmp_path, f"sys.stdout.write(open({str(file)!r}).read())")
    async with no_child_left():
        result = await run_test(SHORT, "127.0.0.1", PATH, program=program)
    assert result.complete
    assert len(result.intervals) == 2 * len(document["intervals"])


@pytest.mark.parametrize("when", ["stop", "cancel"])
async def test_a_program_that_hears_no_signal_is_killed(tmp_path: Path, when: str) -> None:
    ready = tmp_path / "ready"
    script = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen({str(ready)!r}, 'w')\ntime.sleep(60)"
    stop = asyncio.Event()
    async with no_child_left():
        testing = run_test(SHORT, "127.0.0.1", PATH, program=fake(tmp_path, script), stop=stop)
        running = asyncio.create_task(testing)
        await until(ready.exists)
        stop.set() if when == "stop" else running.cancel()
        await asyncio.wait([running])
    assert running.cancelled() if when == "cancel" else failure_of(running.result()) == "cancelled"


async def test_a_password_reaches_the_program_in_its_environment_alone(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame\n")
    script = "import json, os\nprint(json.dumps({'error': os.environ['IPERF3_PASSWORD'] + '|' + ' '.join(sys.argv)}))"
    credentials = Authentication(user="u", password_file=tmp_path / "password", public_key_file=Path("/k"))
    options = replace(SHORT, authentication=credentials)
    result = await run_test(options, "127.0.0.1", PATH, program=fake(tmp_path, script))
    assert result.trouble is not None
    _, said, arguments = result.trouble.message.replace(": ", "|").split("|")[:3]
    assert said == "open sesame"
    assert "sesame" not in arguments
    (tmp_path / "binary").write_bytes(b"open\0sesame")
    for name in ("none", "binary"):
        wrong = replace(options, authentication=replace(credentials, password_file=tmp_path / name))
        assert failure_of(await run_test(wrong, "127.0.0.1", PATH, program=await find_program())) == "authentication"


def test_no_process_outlives_one_that_is_killed() -> None:
    with answering(None) as port, subprocess.Popen([sys.executable, "-c", PARENT, str(port)]) as parent:
        try:
            child = waited_for(lambda: next(iter(running_iperf3(parent.pid)), None))
        finally:
            parent.kill()
        waited_for(lambda: not alive(child) or None)


def running_iperf3(parent: int) -> list[int]:
    """Return the children that were started as a test, not to ask for the version."""
    started = (pid for pid in children(parent) if b"bound.py" not in command_line(pid))
    return [pid for pid in started if b"--client" in command_line(pid)]


def command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def waited_for(what: Callable[[], int | None]) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = what()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def test_nothing_stays_open_after_many_tests(tmp_path: Path) -> None:
    async def many() -> tuple[int, int]:
        program = fake(tmp_path, "print('{}')")
        await run_test(SHORT, "127.0.0.1", PATH, program=program)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # as Path would list it, it has one open itself
        for _ in range(5):
            await run_test(SHORT, "127.0.0.1", PATH, program=program)
        return before, len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # likewise

    before, after = asyncio.run(many())
    assert after == before
