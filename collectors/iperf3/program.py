"""Finds the iperf3 program and its version, and starts programs such that none of them outlives this one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collectors.iperf3 import bound
from collectors.iperf3.command import Version
from collectors.iperf3.failing import Iperf3Error, Iperf3Failure

_VERSION = re.compile(r"\biperf (\d{1,4})\.(\d{1,4})")
_TELLS_WITHIN_S = 5.0
# The kernel ends the child when this process has ended, however that came (PR_SET_PDEATHSIG). A function to be called
# between fork and exec would make each start copy this whole process.
_WITH_US = (sys.executable, "-I", "-S", bound.__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The iperf3 that is installed."""

    path: str
    version: Version


async def find_program(name: str = "iperf3") -> Program:
    """Find iperf3 and ask its version; raise :class:`Iperf3Error` where there is none. To be done once."""
    path = shutil.which(name)
    if path is None:
        message = "iperf3 is not installed: `apt install iperf3` (everything else works without it)"
        raise Iperf3Error(message, failure=Iperf3Failure.NOT_INSTALLED)
    said = await _said(path)
    found = _VERSION.search(said)
    if found is None:
        message = f"{path} --version tells no version of iperf3, but {said[:80]!r}: install iperf3 3.9 or newer"
        raise Iperf3Error(message, failure=Iperf3Failure.NOT_INSTALLED)
    return Program(path=path, version=(int(found[1]), int(found[2])))


async def started(command: Sequence[str], environment: Mapping[str, str]) -> Process:
    """Start a program whose output is read here; raise :class:`Iperf3Error` where that cannot be.

    Cancelled meanwhile, the program is ended before that shows.
    """
    starting = asyncio.create_task(_start(command, environment))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(Iperf3Error):  # or the caller would go on as if nobody had cancelled it
            await ended(await starting)
        raise


async def ended(process: Process) -> bytes:
    """End a program at once, unless it has ended; return what it printed and nobody had read."""
    with contextlib.suppress(ProcessLookupError):  # uvloop says so, asyncio does not
        process.kill()
    output, _ = await process.communicate()
    return output


async def _start(command: Sequence[str], environment: Mapping[str, str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *_WITH_US, str(os.getpid()), *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment
        )
    except OSError as error:
        message = f"cannot start {command[0]}: {error.strerror}: room for a process is needed"
        raise Iperf3Error(message, failure=Iperf3Failure.OTHER) from error


async def _said(path: str) -> str:
    process = await started([path, "--version"], {})
    try:
        async with asyncio.timeout(_TELLS_WITHIN_S):
            output, _ = await process.communicate()
    except TimeoutError:
        output = await ended(process)
    except asyncio.CancelledError:
        await ended(process)
        raise
    return output.decode(errors="replace")
