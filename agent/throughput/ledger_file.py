"""Keeps the ledger of a budget on disk: one small file, replaced as a whole, so that no crash leaves half of it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from agent.throughput.budget import Booking, Ledger

_log = logging.getLogger(__name__)

FILE_NAME = "throughput.json"
_VERSION = 1


def state_directory(configured: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return where state is kept: the unit's directory (systemd.exec(5)), else the configured one, else nowhere."""
    given = environment.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd separates several by colons
    return Path(given) if given else configured


class LedgerFile:
    """A ledger that outlives the process where there is a directory for it."""

    def __init__(self, directory: Path | None) -> None:
        self._path = None if directory is None else directory / FILE_NAME
        self._one_at_a_time = Lock()  # whose task is cancelled leaves a thread that still writes
        self.ledger = Ledger() if self._path is None else Ledger(_read(self._path))

    def warn(self) -> None:
        """Say it where a restart would forget what was spent."""
        if self._path is None:
            _log.warning(
                "no directory for state: what tests of throughput move is forgotten with a restart, and with it how "
                "much of a day's budget is spent; set StateDirectory= in the unit, or `history.directory`"
            )

    def save(self) -> None:
        """Write the ledger; where that fails, say so and go on in memory."""
        if self._path is None:
            return
        try:
            with self._one_at_a_time:
                _replace(self._path, _text(self.ledger.bookings))
        except OSError as error:
            why = error.strerror
            _log.error("cannot write %s: %s: with a restart today's budget would begin anew", self._path, why)


def _text(bookings: tuple[Booking, ...]) -> str:
    rows = [{"path": each.path, "at": each.at.isoformat(), "octets": each.octets} for each in bookings]
    return json.dumps({"version": _VERSION, "bookings": rows})


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # or a power failure could bring back the name's former file (rename(2))
    finally:
        os.close(directory)


def _read(path: Path) -> list[Booking]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.error("cannot read %s: %s: today's budget begins anew", path, error.strerror)
        return []
    try:
        return [_booking(row) for row in json.loads(content)["bookings"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # of times and nesting without bounds
        _log.error("%s is no file of bookings: today's budget begins anew, and the file is replaced", path)
        return []


def _booking(row: Mapping[str, Any]) -> Booking:
    at, octets = datetime.fromisoformat(row["at"]), row["octets"]
    if at.tzinfo is None or not isinstance(octets, int) or octets < 0 or not isinstance(row["path"], str):
        raise ValueError(f"{row!r} is no booking")
    return Booking(path=row["path"], at=at.astimezone(UTC), octets=octets)
