"""Programs that a benchmark starts and ends, what they cost, and what gets in their way."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from benchmarks.figure import NotRun

ERAGENT = str(Path(sys.executable).with_name("eragent"))

# The kernel ends what was started when this process dies, however that happens.
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
_START_S = 10.0
_END_S = 5.0
_CPUCLOCK_SCHED = 2


@contextmanager
def running(
    command: Sequence[str], *, ready: str | None = None, stdout: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Have a program running while the context lasts, from the moment its stderr says ``ready``; then SIGTERM.

    What it prints goes into the file ``stdout``, where one is given. Raise :class:`NotRun` with what it said where it
    does not get that far.
    """
    stderr = subprocess.PIPE if ready is not None else subprocess.DEVNULL
    process = subprocess.Popen(
        [*_WITH_US, *command], stdin=subprocess.DEVNULL, stdout=stdout or subprocess.DEVNULL, stderr=stderr
    )
    try:
        if ready is not None:
            _await_line(process, ready)
        yield process
    finally:
        _end(process)


def output_of(command: Sequence[str], *, seconds: float) -> bytes:
    """Run a program to its end and return its stdout; raise :class:`NotRun` where it cannot do its work.

    Exit code 1 is eragent's verdict on what it measured, which is not judged here.
    """
    with TemporaryFile() as stdout, TemporaryFile() as stderr:  # where a pipe fills up, the program would wait for us
        try:
            code = subprocess.run(
                [*_WITH_US, *command], stdout=stdout, stderr=stderr, timeout=seconds, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise NotRun(f"{' '.join(command)} did not end within {seconds:.0f} s") from error
        stdout.seek(0)
        stderr.seek(0)
        printed, said = stdout.read(), stderr.read().decode(errors="replace")
    if code not in (0, 1) or not printed:
        raise NotRun(f"{' '.join(command)} ended with code {code} and said {said!r}")
    return printed


@contextmanager
def hogs(*, seconds: float, yielding: bool = False) -> Iterator[None]:
    """Keep every core of this process busy, each with a loop pinned to it that ends by itself after ``seconds``.

    ``yielding`` loops take no time from anybody (SCHED_IDLE), but keep the processors from going to sleep.
    """
    loop = (
        "import os, sys, time\nos.sched_setaffinity(0, {int(sys.argv[1])})\nend = time.monotonic() + float(sys.argv[2])"
    )
    loop += "\nwhile time.monotonic() < end: pass"
    with ExitStack() as started:
        for core in sorted(os.sched_getaffinity(0)):
            hog = [sys.executable, "-S", "-c", loop, str(core), str(seconds)]
            started.enter_context(running(["chrt", "--idle", "0", *hog] if yielding else hog))
        yield


def printed_by(process: subprocess.Popen[bytes], stdout: IO[bytes], *, seconds: float) -> bytes:
    """Wait until a program that runs has done its work, and return what it printed into its file.

    Raise :class:`NotRun` where it printed nothing, or takes longer.
    """
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise NotRun(f"{process.args!r} did not end within {seconds:.0f} s") from error
    stdout.seek(0)
    printed = stdout.read()
    if not printed:
        raise NotRun(f"{process.args!r} ended with code {process.returncode} and printed nothing")
    return printed


def cores() -> tuple[int, int]:
    """Return two cores, one for who asks and one for who answers; raise :class:`NotRun` where there is but one."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise NotRun("needs two cores: one for the server, one for who asks it")
    return available[0], available[-1]


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its threads, in user space and in the kernel, to the nanosecond.

    The clock's number is made as clock_getcpuclockid(3) makes it; /proc counts in steps of 10 ms.
    """
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def cpu_share(pid: int, *, seconds: float) -> float:
    """Return how much of a core a process takes, over a stretch of time from now on."""
    cpu_s, since_s = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - cpu_s) / (time.monotonic() - since_s)


def resident_octets(pid: int) -> int:
    """Return the resident size of a process, shared libraries included."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _await_line(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stderr is not None
    said, deadline = b"", time.monotonic() + _START_S
    while text.encode() not in said:
        ready, _, _ = select.select([process.stderr], [], [], max(deadline - time.monotonic(), 0))
        more = os.read(process.stderr.fileno(), 4096) if ready else b""
        if not more:
            raise NotRun(f"waited in vain for {text!r} from a program that said {said.decode(errors='replace')!r}")
        said += more


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()
