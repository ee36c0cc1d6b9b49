"""Runs one test by iperf3: one child process, ended in time whatever happens, and what it found until then kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from collectors.iperf3.command import arguments
from collectors.iperf3.failing import Iperf3Error, Iperf3Failure, Trouble
from collectors.iperf3.options import Authentication, Iperf3Options
from collectors.iperf3.program import Program, started
from collectors.iperf3.reading import reading
from collectors.iperf3.result import Iperf3Result
from collectors.iperf3.saying import advised
from collectors.path import NetworkPath

MAX_OUTPUT = 64 << 20
"""Octets of a result that are read; 128 streams for an hour take 60 MB with all their intervals."""
_MAX_SAYING = 1 << 16
_CHUNK = 1 << 16
# It prints what it has and ends within 2 ms of SIGTERM; one that hangs must not keep anybody waiting for 0.1 s.
_PRINTS_WITHIN_S = 0.06
_ENDS_WITHIN_S = 1.0
# A server closes its port behind each test and opens it anew, which takes it about a millisecond.
_OPENS_ANEW_WITHIN_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    text: str
    said: str
    ended: Trouble | None


async def run_test(
    options: Iperf3Options, host: str, path: NetworkPath, *, program: Program, stop: asyncio.Event | None = None
) -> Iperf3Result:
    """Run one test against the iperf3 server at ``host`` (an address or name) over ``path``, and return what it found.

    Everything that goes wrong is the result's ``trouble``, beside what was known by then. When ``stop`` is set, the
    test ends within 0.1 s with what it has. Cancelled, it is ended as well, and nothing is kept. No test takes longer
    than the deadline of its options.
    """
    stop = stop or asyncio.Event()
    try:
        command = [program.path, *arguments(options, host, path, program.version)]
        environment = _environment(options.authentication)
        result = await _result(command, environment, options.deadline_s, stop)
        if result.trouble is not None and result.trouble.failure is Iperf3Failure.REFUSED:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _OPENS_ANEW_WITHIN_S)
            result = await _result(command, environment, options.deadline_s, stop)
    except Iperf3Error as error:
        return Iperf3Result(trouble=Trouble(failure=error.failure, message=str(error)))
    if result.trouble is None:
        return result
    return replace(result, trouble=advised(result.trouble, f"{host}, port {options.port}", path))


async def _result(
    command: Sequence[str], environment: Mapping[str, str], deadline_s: float, stop: asyncio.Event
) -> Iperf3Result:
    output = await _output(await started(command, environment), deadline_s, stop)
    result = await _read(output)
    if result.complete or output.ended is None:
        return result
    return replace(result, trouble=output.ended)


def _environment(authentication: Authentication | None) -> Mapping[str, str]:
    """Return the child's environment: its language, which the errors it tells are recognised by, and the password."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    if authentication is None:
        return environment
    try:
        return environment | {"IPERF3_PASSWORD": _password(authentication.password_file)}
    except (OSError, ValueError) as error:
        message = f"the password in {authentication.password_file} cannot be read: {error}: name a file with it alone"
        raise Iperf3Error(message, failure=Iperf3Failure.AUTHENTICATION) from error


def _password(file: Path) -> str:
    """Return the text of a file; raise :class:`ValueError` where that can be in no environment."""
    text = file.read_text(encoding="utf-8").rstrip("\r\n")
    if "\0" in text:
        raise ValueError("it is no text")
    return text


async def _output(process: Process, deadline_s: float, stop: asyncio.Event) -> _Output:
    """Collect what the program prints until it ends, or is to end."""
    assert process.stdout is not None
    assert process.stderr is not None
    printed = asyncio.create_task(_all_of(process.stdout, MAX_OUTPUT, process))
    said = asyncio.create_task(_all_of(process.stderr, _MAX_SAYING, process))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({printed, stopping}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        ended = _why_it_is_ended(printed, stop, deadline_s)
        if ended is not None:
            await _end(process, printed)
        text = await printed
        return _Output(text=text.decode(errors="replace"), said=(await said).decode(errors="replace"), ended=ended)
    finally:
        stopping.cancel()
        await _gone(process, printed)
        await said


def _why_it_is_ended(printed: asyncio.Task[bytes], stop: asyncio.Event, deadline_s: float) -> Trouble | None:
    if printed.done():
        if len(printed.result()) < MAX_OUTPUT:
            return None
        message = f"iperf3 printed more than {MAX_OUTPUT >> 20} MiB: take longer intervals"
        return Trouble(failure=Iperf3Failure.OTHER, message=message)
    if stop.is_set():
        return Trouble(failure=Iperf3Failure.CANCELLED, message="the test was ended from here")
    message = f"the server fell silent, or was none: the test had not ended after {deadline_s:g} s"
    return Trouble(failure=Iperf3Failure.TIMED_OUT, message=message)


async def _end(process: Process, printed: asyncio.Task[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await asyncio.wait({printed}, timeout=_PRINTS_WITHIN_S)
    await _gone(process, printed)


async def _gone(process: Process, printed: asyncio.Task[bytes]) -> None:
    """Wait until the program has ended, which who has closed its output is about to; kill it where it is not.

    Not in any case: asyncio looks for itself whether a program that it is to signal has ended, and then misses its end.
    """
    if printed.done():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _ENDS_WITHIN_S)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await asyncio.gather(printed, process.wait())


async def _all_of(stream: asyncio.StreamReader, most: int, process: Process) -> bytes:
    """Read a stream to its end; a program that has more to say than ``most`` octets is ended for that."""
    chunks, size = [], 0
    while chunk := await stream.read(_CHUNK):
        chunks.append(chunk[: most - size])
        size += len(chunks[-1])
        if size == most:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return b"".join(chunks)


async def _read(output: _Output) -> Iperf3Result:
    """Read a result, and let the loop send what is due between one interval and the next."""
    steps = reading(output.text, output.said)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Iperf3Result = done.value
            return result
        await asyncio.sleep(0)
