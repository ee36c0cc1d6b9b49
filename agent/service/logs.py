"""Where the log goes: structured to the journal where it reads our stderr, else as lines for a terminal."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

JOURNAL = Path("/run/systemd/journal/socket")
"""Where the journal takes entries in its native protocol."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
_LONGEST = 32_768  # characters of a value: an entry has to fit into one datagram, of which the kernel takes 200 KiB
_SIZE = struct.Struct("<Q")


def fields(**values: str | None) -> dict[str, dict[str, str]]:
    """Return the ``extra`` of a log call: ``reason="permission"`` becomes the journal's ERAGENT_REASON."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


def start(environment: Mapping[str, str] = os.environ, *, journal: Path = JOURNAL) -> None:
    """Log to the journal where stderr goes there, else to stderr; both without floods."""
    handler: logging.Handler
    if is_journal(sys.stderr.fileno(), environment):
        handler, form = JournalHandler(journal), "%(message)s"
    else:
        handler, form = logging.StreamHandler(), "eragent: %(message)s"
    handler.addFilter(Allowance())
    logging.basicConfig(level=logging.INFO, handlers=[handler], format=form)


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether a descriptor is the stream that systemd connected to the journal (JOURNAL_STREAM, systemd.exec(5))."""
    status = os.fstat(descriptor)
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def entry(values: Mapping[str, str]) -> bytes:
    """Write an entry as the journal's native protocol has it; a value of several lines is preceded by its size."""
    return b"".join(_field(name, value[:_LONGEST].encode("utf-8", "replace")) for name, value in values.items())


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode() + b"\n" + _SIZE.pack(len(value)) + value + b"\n"
    return name.encode() + b"=" + value + b"\n"


class JournalHandler(logging.Handler):
    """Sends each record as an entry with fields. It never waits: an entry that finds no room goes to stderr."""

    def __init__(self, journal: Path = JOURNAL) -> None:
        super().__init__()
        self._journal = str(journal)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        values = entry_of(record, self.format(record))
        try:
            self._socket.sendto(entry(values), self._journal)
        except OSError:  # the journal is restarted, or busy: the stream that systemd keeps open still takes lines
            sys.stderr.write(f"<{values['PRIORITY']}>{values['MESSAGE']}\n")  # sd-daemon(3)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def entry_of(record: logging.LogRecord, message: str) -> dict[str, str]:
    """Return the journal's fields of a record: those that all programs have, and our own with their prefix."""
    own = getattr(record, "fields", {})
    return {
        "MESSAGE": message,
        "PRIORITY": str(next(priority for level, priority in _PRIORITIES if record.levelno >= level)),
        "SYSLOG_IDENTIFIER": "eragent",
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        **{f"ERAGENT_{name.upper()}": value for name, value in own.items()},
    }


class Allowance(logging.Filter):
    """Lets ``burst`` records through at once and then as many every ``every_s``; says how many it left out.

    A log is for what changes. What changes a hundred times in half a minute is for the metrics.
    """

    def __init__(
        self, *, burst: int = 100, every_s: float = 30.0, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._burst = burst
        self._every_s = every_s
        self._monotonic_s = monotonic_s
        self._since_s = monotonic_s()
        self._let_through = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may pass; what was left out before it is told with it."""
        now_s = self._monotonic_s()
        if now_s - self._since_s >= self._every_s:
            self._since_s, self._let_through = now_s, 0
        if self._let_through >= self._burst:
            self._left_out += 1
            return False
        self._let_through += 1
        if self._left_out:
            record.msg = f"{record.getMessage()} ({self._left_out} lines before this were left out: too many at once)"
            record.args = None
            self._left_out = 0
        return True
