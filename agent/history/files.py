"""Where a history lies and who may write it: its directory, the lock, the name of what is damaged."""

from __future__ import annotations

import errno
import fcntl
import os
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

FILE = "history.db"
_LOCK = "history.lock"
_BESIDE = ("-wal", "-shm")
"""What SQLite writes beside a file: what is new and not in it yet, and an index of that."""


class LockedError(Exception):
    """Another process writes this history."""


class Lock:
    """Holds a directory for one writer as long as it lives: the kernel lets go of it however a process ends."""

    def __init__(self, directory: Path, agent: str) -> None:
        """Take the lock, and say in it who holds it; raise :class:`LockedError` with the holder, or ``OSError``."""
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"agent {agent}, process {os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            message = f"{directory} is written by {holder}: give each agent its own directory, or end the other"
            raise LockedError(message) from error
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others write."""
        os.close(self._descriptor)


def set_aside(directory: Path, at: datetime) -> Path:
    """Give a damaged history a name with the date, out of the way of a new one; return that name."""
    stem = f"history-damaged-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    damaged = directory / f"{stem}.db"
    for number in count(2):
        if not damaged.exists():
            break
        damaged = directory / f"{stem}-{number}.db"
    (directory / FILE).rename(damaged)
    for suffix in _BESIDE:
        beside = directory / (FILE + suffix)
        if beside.exists():
            beside.rename(damaged.with_name(damaged.name + suffix))
    return damaged


def identity(directory: Path) -> tuple[int, int] | None:
    """Return what tells a history's file from any other, ``None`` where there is none."""
    try:
        status = (directory / FILE).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def size(directory: Path) -> int:
    """Return the octets that a history takes, 0 where there is none; damaged ones do not count."""
    total = 0
    for name in (FILE, *(FILE + suffix for suffix in _BESIDE)):
        try:
            total += (directory / name).stat().st_size
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
    return total
