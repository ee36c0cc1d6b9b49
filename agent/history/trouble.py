"""What keeps a history from being written: reasons that metrics count, and a sentence with what to do."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent.history.files import LockedError
from agent.history.schema import NewerSchemaError

_LEAST_FREE = 1 << 20


class Reason(StrEnum):
    """Why nothing can be written."""

    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    NO_ACCESS = "no_access"
    LOCKED = "locked"
    BUSY = "busy"
    NEWER_SCHEMA = "newer_schema"
    DAMAGED = "damaged"
    INPUT_OUTPUT = "input_output"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A reason, and a sentence for the operator."""

    reason: Reason
    message: str

    @property
    def may_pass(self) -> bool:
        """Whether the file may stay open: it is as it was, and takes more once there is room or another is done."""
        return self.reason in {Reason.DISK_FULL, Reason.BUSY}


_OF_SQLITE = {
    sqlite3.SQLITE_FULL: Reason.DISK_FULL,
    sqlite3.SQLITE_READONLY: Reason.READ_ONLY,
    sqlite3.SQLITE_PERM: Reason.NO_ACCESS,
    sqlite3.SQLITE_CANTOPEN: Reason.NO_ACCESS,
    sqlite3.SQLITE_BUSY: Reason.BUSY,
    sqlite3.SQLITE_LOCKED: Reason.BUSY,
    sqlite3.SQLITE_CORRUPT: Reason.DAMAGED,
    sqlite3.SQLITE_NOTADB: Reason.DAMAGED,
}
_PRIMARY = 0xFF  # SQLite's extended codes have the reason in their lowest octet

_REMEDIES = {
    Reason.DISK_FULL: "its disk is full: free some room, and lower `history.max_size` so that it stays free",
    Reason.READ_ONLY: "it is read-only: mount it writable, or change `history.directory`",
    Reason.NO_ACCESS: "no place to write: it must be a directory of the agent's user (`StateDirectory=` in the unit)",
    Reason.BUSY: "another program holds it: end what has it open for writing",
    Reason.DAMAGED: "the file is damaged",
    Reason.INPUT_OUTPUT: "its disk does not work: see the kernel's log",
}


def trouble_of(error: sqlite3.Error | OSError | LockedError | NewerSchemaError, directory: Path) -> Trouble:
    """Say why a history in ``directory`` cannot be written."""
    match error:
        case LockedError():
            return Trouble(reason=Reason.LOCKED, message=str(error))
        case NewerSchemaError():
            return Trouble(reason=Reason.NEWER_SCHEMA, message=f"{directory} {error}")
        case sqlite3.Error():
            reason = _OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & _PRIMARY, Reason.INPUT_OUTPUT)
            what = str(error)
        case _:
            reason, what = _of_errno(error), error.strerror or str(error)
    if reason in {Reason.NO_ACCESS, Reason.INPUT_OUTPUT} and _is_full(directory):  # making a file's index fails so
        reason = Reason.DISK_FULL
    return Trouble(reason=reason, message=f"{directory}: {_REMEDIES[reason]} ({what})")


def _of_errno(error: OSError) -> Reason:
    match error:
        case PermissionError() | FileNotFoundError() | NotADirectoryError() | FileExistsError():
            return Reason.NO_ACCESS
        case OSError(errno=28 | 122):  # ENOSPC, EDQUOT
            return Reason.DISK_FULL
        case OSError(errno=30):  # EROFS
            return Reason.READ_ONLY
    return Reason.INPUT_OUTPUT


def _is_full(directory: Path) -> bool:
    try:
        room = os.statvfs(directory)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _LEAST_FREE
