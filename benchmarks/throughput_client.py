"""``python -m benchmarks.throughput_client WHAT TARGET PORT NUMBER``: tests by the wrapper of iperf3, in one process.

``test`` runs one of NUMBER seconds; ``cancel`` cancels NUMBER of them, half by the event and half as tasks; ``many``
begins NUMBER short ones, every tenth at a port where nobody listens. Prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from agent import loop
from collectors.iperf3.failing import Iperf3Failure
from collectors.iperf3.options import Iperf3Options
from collectors.iperf3.program import Program, find_program
from collectors.iperf3.run import run_test
from collectors.path import NetworkPath

_PATH = NetworkPath(name="default")
_UNDER_WAY_S = 0.3
_SHORT_S = 0.03
_DISCARD = 9  # RFC 863; nobody serves it any more


async def main(what: str, target: str, options: Iperf3Options, number: int) -> dict[str, object]:
    """Do what the command line says, and return what came of it."""
    program = await find_program()
    if what == "test":
        return await _test(target, replace(options, duration_s=number), program)
    if what == "cancel":
        took_s = [await _cancelled(target, options, program, as_task=bool(turn % 2)) for turn in range(number)]
        return {"seconds": took_s}
    await _short(target, options, program)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # as Path would list it, it has one open itself
    for turn in range(number):
        await _short(target, replace(options, port=_DISCARD) if turn % 10 == 9 else options, program)
    after = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # likewise
    return {"descriptors": after - before, "processes": len(_children())}


async def _test(target: str, options: Iperf3Options, program: Program) -> dict[str, object]:
    result = await run_test(options, target, _PATH, program=program)
    return {
        "bits_per_second": None if result.up is None else result.up.bits_per_second,
        "trouble": None if result.trouble is None else result.trouble.message,
    }


async def _cancelled(target: str, options: Iperf3Options, program: Program, *, as_task: bool) -> float:
    """Return how long a test that is under way takes to be gone."""
    stop = asyncio.Event()
    running = asyncio.create_task(run_test(options, target, _PATH, program=program, stop=stop))
    await asyncio.sleep(_UNDER_WAY_S)
    since_s = time.monotonic()
    if as_task:
        running.cancel()
    else:
        stop.set()
    with contextlib.suppress(asyncio.CancelledError):
        result = await running
        assert result.trouble is not None
        assert result.trouble.failure is Iperf3Failure.CANCELLED, result.trouble.message
    return time.monotonic() - since_s


async def _short(target: str, options: Iperf3Options, program: Program) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(_SHORT_S, stop.set)
    await run_test(options, target, _PATH, program=program, stop=stop)


def _children() -> list[str]:
    found: list[str] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread may have ended meanwhile
            found += file.read_text().split()
    return found


if __name__ == "__main__":
    asked, host, port, count = sys.argv[1:]
    print(json.dumps(loop.run(main(asked, host, Iperf3Options(port=int(port)), int(count)))))
