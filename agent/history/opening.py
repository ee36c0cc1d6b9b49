"""Opens a history for those who only read it, also while an agent writes it. Knows nothing of samples or numpy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from agent.history.files import FILE
from agent.history.schema import NewerSchemaError, version_of

_OF_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DAMAGED = ": once it is run, the agent sets it aside and begins a new one; `sqlite3` may recover some of it"


class HistoryError(Exception):
    """A history cannot be read; the message says which, why, and what to do."""


@contextmanager
def reading(directory: Path) -> Iterator[sqlite3.Connection]:
    """Read the history in ``directory`` as it is at this moment; raise :class:`HistoryError` where that cannot be."""
    file = directory / FILE
    if not file.is_file():
        raise HistoryError(f"{directory} has no {FILE}: name the directory that `history` has in the configuration")
    try:
        connection = _connected(file)
    except sqlite3.OperationalError as error:
        raise HistoryError(f"{file} cannot be opened: {error}: it and its directory must be readable") from error
    except sqlite3.DatabaseError as error:
        raise HistoryError(f"{file} cannot be read: {error}{_DAMAGED}") from error
    try:
        connection.execute("BEGIN")
        _check_version(connection, file)
        yield connection
    except sqlite3.DatabaseError as error:
        remedy = _DAMAGED if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_DAMAGE else ""
        raise HistoryError(f"{file} cannot be read: {error}{remedy}") from error
    finally:
        connection.close()


def let_go(connection: sqlite3.Connection) -> None:
    """Read on from how the history is from now on; nothing may be half read.

    What is being read keeps the agent's log from being taken over into the file: behind a pager, or a network that is
    slow, it would grow without any limit.
    """
    connection.execute("COMMIT")
    connection.execute("BEGIN")


def _connected(file: Path) -> sqlite3.Connection:
    """Connect; where nobody writes and the directory is not ours to write, take the file for unchanging.

    A file in WAL mode has an index beside it, which a reader makes where no writer has.
    """
    name = f"file:{quote(str(file.resolve()))}"
    connection = sqlite3.connect(f"{name}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if file.with_name(file.name + "-wal").exists():
            raise
        connection = sqlite3.connect(f"{name}?immutable=1", uri=True, isolation_level=None)
    return connection


def _check_version(connection: sqlite3.Connection, file: Path) -> None:
    try:
        found = version_of(connection)
    except NewerSchemaError as error:
        raise HistoryError(f"{file} {error}") from error
    if found == 0:
        raise HistoryError(f"{file} holds nothing yet: the agent was ended before it had written anything")
