"""Has iperf3's server supervised beside a program that runs no event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agent.iperf3_server.supervise import Iperf3Server


@contextmanager
def supervised(server: Iperf3Server) -> Iterator[None]:
    """Keep a server running while the context lasts, in a thread of its own that mostly sleeps."""
    loop = asyncio.new_event_loop()
    running = loop.create_task(server.run())
    thread = threading.Thread(target=_run, args=(loop, running), name="iperf3-server")
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, running: asyncio.Task[None]) -> None:
    with contextlib.closing(loop), contextlib.suppress(asyncio.CancelledError):
        asyncio.set_event_loop(loop)
        loop.run_until_complete(running)
