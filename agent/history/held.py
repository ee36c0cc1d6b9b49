"""The file that an agent holds to write it: locked, open, and still the one that lies there. Writes nothing itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from agent.history.files import Lock, identity
from agent.history.store import Store


class HeldFile:
    """A history that is opened when it is first needed, and again after whatever closed it."""

    def __init__(self, directory: Path, agent: str, connect: Callable[[Path], sqlite3.Connection]) -> None:
        self._directory = directory
        self._agent = agent
        self._connect = connect
        self._lock: Lock | None = None
        self._store: Store | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def store(self) -> Store | None:
        """What is open, ``None`` where nothing is."""
        return self._store

    @property
    def was_removed(self) -> bool:
        """Whether what is open is not what lies there: SQLite would go on writing to what nobody can open any more."""
        return self._store is not None and identity(self._directory) != self._identity

    def open(self) -> Store:
        """Lock the directory, which is made where there is none, and open the file in it.

        Raise ``OSError``, :class:`agent.history.files.LockedError`, or what ``connect`` raises.
        """
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = Lock(self._directory, self._agent)
        self._store = Store(self._connect(self._directory))
        self._identity = identity(self._directory)
        return self._store

    def roll_back(self) -> None:
        """Forget what is not committed; where that cannot be, close the file."""
        if self._store is None:
            return
        try:
            self._store.roll_back()
        except sqlite3.Error:
            self.close()

    def close(self) -> None:
        """Close the file, and let others write."""
        store, self._store = self._store, None
        if store is not None:
            store.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
