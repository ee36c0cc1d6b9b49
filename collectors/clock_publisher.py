"""Tells what the kernel says of the clock to processes whose sandbox forbids to ask: eragent-clock.service.

adjtimex(2) reads the state of the clock and sets it, and a filter of system calls cannot tell one from the other. So a
process without network, capabilities or anything else worth having asks, and those that listen on the network need not
be allowed to. The kernel announces no change, hence the look ten times a second, as often as :mod:`collectors.claim`
takes one.

    python -m collectors.clock_publisher FILE
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from collectors.clock import ask_kernel, published

_EVERY_S = 0.1


def publish(file: Path) -> None:
    """Ask once and replace the file, so that readers see all of it or all of the one before."""
    unfinished = file.with_name(file.name + ".new")
    read_ns = time.monotonic_ns()  # before: what is published may be older than it says, never younger
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o644)
        os.write(descriptor, published(ask_kernel(), read_ns))
    finally:
        os.close(descriptor)
    unfinished.replace(file)


def main() -> None:
    """Publish to the file that the command line names until killed."""
    file = Path(sys.argv[1])
    while True:
        try:
            publish(file)
        except OSError as error:
            sys.exit(f"eragent: the state of the clock cannot be told: {error}; it stays unknown")
        time.sleep(_EVERY_S)


if __name__ == "__main__":
    main()
