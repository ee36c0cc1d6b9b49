"""What is counted of sending a history away, in plain numbers: one thread writes them, another reads. No I/O."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class Failure(StrEnum):
    """Why a request was not taken; it is made again."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    NOT_ALLOWED = "not_allowed"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CREDENTIALS = "credentials"


class Dropped(StrEnum):
    """Why samples are not sent, ever."""

    REFUSED = "refused"
    TOO_OLD = "too_old"


class RemoteCounts:
    """Counts since the agent began; ``sent_until_ns`` is the end of the last minute that was sent."""

    def __init__(self) -> None:
        self.samples = self.requests = 0
        self.dropped: Counter[Dropped] = Counter(dict.fromkeys(Dropped, 0))
        self.errors: Counter[Failure] = Counter(dict.fromkeys(Failure, 0))
        self.failing: Failure | None = None
        self.sent_until_ns: int | None = None
