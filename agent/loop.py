"""Runs the program on uvloop."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on uvloop, imported only now: it costs start-up time.

    libuv's io_uring is switched off: it gains nothing with sockets that are read directly, and it leaves the process
    such that its next write to a full pipe comes back short, which an unbuffered standard output does not notice.
    """
    os.environ.setdefault("UV_USE_IO_URING", "0")
    import uvloop

    return uvloop.run(main)
