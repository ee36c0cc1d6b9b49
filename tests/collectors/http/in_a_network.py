"""Attempts whose packets a router turns down, in namespaces of their own. Prints what became of each, as JSON.

Runs as root within ``unshare --mount --net``; the argument names the event loop.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import uvloop

from collectors.clock import SystemClock
from collectors.http.attempt import HttpProber
from collectors.http.options import HttpOptions
from collectors.http.url import Url
from collectors.path import NetworkPath
from tests.collectors.tcp.in_a_network import NETWORK


async def unresolved(host: str, path: NetworkPath) -> str:
    raise AssertionError(host)


async def ask(host: str) -> tuple[str | None, str | None, str | None]:
    """Ask a server there; return failure, phase, and who says so."""
    options = HttpOptions(url=Url.parse(f"http://{host}/"))
    prober = HttpProber(options, resolve=unresolved, clock=SystemClock())
    result = await prober.attempt(host, NetworkPath(name="any"), timeout_ns=5_000_000_000)
    return result.failure, result.phase, result.icmp.offender if result.icmp is not None else None


async def main() -> dict[str, tuple[str | None, str | None, str | None]]:
    return {host: await ask(host) for host in ("10.9.2.1", "10.9.3.1", "10.9.1.1")}


if __name__ == "__main__":
    subprocess.run(["sh", "-euc", NETWORK], check=True)
    new_loop = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
    with asyncio.Runner(loop_factory=new_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(main())))
