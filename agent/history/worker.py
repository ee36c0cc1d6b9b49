"""A thread for work that waits for disks and networks, turn by turn; a task of the loop owns it, and its exceptions."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable

_SWITCH_S = 0.0005
"""How long such a thread may keep Python's lock from the loop that sends; 5 ms, the default, would be lateness."""


class Worker:
    """Runs ``turn`` every ``turn_s``, and ``finish`` at the end, all in one thread.

    Where that thread hangs, the end waits for it no longer than ``patience_s`` (``None``: as long as it takes), and
    ``gave_up`` is called.
    """

    def __init__(
        self,
        name: str,
        *,
        turn: Callable[[], None],
        finish: Callable[[], None],
        gave_up: Callable[[], None],
        turn_s: float,
        patience_s: float | None,
    ) -> None:
        self._name = name
        self._turn = turn
        self._finish = finish
        self._gave_up = gave_up
        self._turn_s = turn_s
        self._patience_s = patience_s
        self._told_to_end = threading.Event()

    async def run(self) -> None:
        """Work until cancelled, and then finish; an unexpected exception of the thread is raised here."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def end(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(None) if error is None else ended.set_exception(error)

        def work() -> None:
            error: BaseException | None = None
            try:
                self._work()
            except BaseException as bug:  # the loop raises it: whatever it is, the program is to end
                error = bug
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(end, error)

        sys.setswitchinterval(_SWITCH_S)
        # A daemon: at its end the program does not wait for a disk that does not answer.
        threading.Thread(target=work, name=self._name, daemon=True).start()
        try:
            await asyncio.shield(ended)
        finally:
            self._told_to_end.set()
            await asyncio.wait([ended], timeout=self._patience_s)
            if ended.done():
                ended.result()
            else:
                self._gave_up()
                ended.cancel()

    def _work(self) -> None:
        while not self._told_to_end.wait(self._turn_s):
            self._turn()
        self._finish()
