"""The reflector's counters in memory that two processes share: it writes them, the agent reads them when scraped.

Nothing polls and nothing is sent: the memory is a file without a name (memfd_create(2)) that the child inherits.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from collectors.errors import REASONS
from collectors.stamp.control.admission import ConnectionRefusal
from collectors.stamp.control.server import ControlCounts
from collectors.stamp.control.sessions import SessionRefusal
from collectors.stamp.refusal import Refusal

_Reason = TypeVar("_Reason", bound=str)

_NAMES = (
    *("answering", "replies", "sessions", "dropped"),
    *(f"refused {refusal}" for refusal in Refusal),
    *(f"not sent {reason}" for reason in REASONS),
)
_TWAMP_NAMES = (
    *("connections open", "connections", "sessions"),
    *(f"connection refused {refusal}" for refusal in ConnectionRefusal),
    *(f"session refused {refusal}" for refusal in SessionRefusal),
)
_LAYOUT = struct.Struct(f"@{len(_NAMES)}Q")
_TWAMP_LAYOUT = struct.Struct(f"@{len(_TWAMP_NAMES)}Q")  # follows the other
_SIZE = _LAYOUT.size + _TWAMP_LAYOUT.size
_NO_FAILURES = (0,) * len(REASONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwampCounts:
    """What TWAMP-Control has done since it began; ``connections_open`` is how many there are now."""

    connections_open: int = 0
    connections: int = 0
    sessions: int = 0
    connections_refused: Mapping[ConnectionRefusal, int] = field(
        default_factory=lambda: dict.fromkeys(ConnectionRefusal, 0)
    )
    sessions_refused: Mapping[SessionRefusal, int] = field(default_factory=lambda: dict.fromkeys(SessionRefusal, 0))

    def after(self, ended: TwampCounts) -> TwampCounts:
        """Return these counts and those of what ended before, and its connections with it."""
        return TwampCounts(
            connections_open=self.connections_open,
            connections=ended.connections + self.connections,
            sessions=ended.sessions + self.sessions,
            connections_refused=_sums(ended.connections_refused, self.connections_refused),
            sessions_refused=_sums(ended.sessions_refused, self.sessions_refused),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorCounts:
    """What a reflector has done since it began; ``sessions`` is how many it keeps now.

    ``dropped`` are datagrams that found no room in the kernel's queue, ``not_sent`` answers by reason of the refusal.
    """

    replies: int = 0
    sessions: int = 0
    dropped: int = 0
    refused: Mapping[Refusal, int] = field(default_factory=lambda: dict.fromkeys(Refusal, 0))
    not_sent: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    twamp: TwampCounts = field(default_factory=TwampCounts)

    def after(self, ended: ReflectorCounts) -> ReflectorCounts:
        """Return these counts and those of reflectors that ended before; sessions ended with them."""
        return ReflectorCounts(
            replies=ended.replies + self.replies,
            sessions=self.sessions,
            dropped=ended.dropped + self.dropped,
            refused=_sums(ended.refused, self.refused),
            not_sent=_sums(ended.not_sent, self.not_sent),
            twamp=self.twamp.after(ended.twamp),
        )


def _sums(ended: Mapping[_Reason, int], living: Mapping[_Reason, int]) -> dict[_Reason, int]:
    return {reason: ended[reason] + count for reason, count in living.items()}


class SharedCounts:
    """The counters of one child as its parent reads them: all at zero until the child answers.

    ``descriptor`` is what the child is to inherit.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("eragent-reflector", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, _SIZE)
        self._memory = mmap.mmap(self.descriptor, _SIZE)

    def close(self) -> None:
        """Close the descriptor, once the child has its own; the counters can still be read."""
        os.close(self.descriptor)

    @property
    def answering(self) -> bool:
        """Whether the child has begun to answer."""
        return bool(self._words()["answering"])

    def read(self) -> ReflectorCounts:
        """Return the counters as they are now."""
        words = self._words()
        return ReflectorCounts(
            replies=words["replies"],
            sessions=words["sessions"],
            dropped=words["dropped"],
            refused={refusal: words[f"refused {refusal}"] for refusal in Refusal},
            not_sent={reason: words[f"not sent {reason}"] for reason in REASONS},
            twamp=self._read_twamp(),
        )

    def _words(self) -> Mapping[str, int]:
        return dict(zip(_NAMES, _LAYOUT.unpack(self._memory[: _LAYOUT.size]), strict=True))

    def _read_twamp(self) -> TwampCounts:
        words = dict(zip(_TWAMP_NAMES, _TWAMP_LAYOUT.unpack(self._memory[_LAYOUT.size :]), strict=True))
        return TwampCounts(
            connections_open=words["connections open"],
            connections=words["connections"],
            sessions=words["sessions"],
            connections_refused={refusal: words[f"connection refused {refusal}"] for refusal in ConnectionRefusal},
            sessions_refused={refusal: words[f"session refused {refusal}"] for refusal in SessionRefusal},
        )


class CountsWriter:
    """Shows the counters of this process to its parent, in the memory that it passed as ``descriptor``.

    Raise :class:`ValueError` where that is something else: the parent is of another version.
    """

    def __init__(self, descriptor: int) -> None:
        try:
            size = os.fstat(descriptor).st_size
        except OSError as error:
            raise ValueError(f"{descriptor} is no open descriptor: it is for `eragent run` to pass") from error
        if size != _SIZE:
            raise ValueError("the agent that started this reflector is of another version: restart the agent")
        self._memory = mmap.mmap(descriptor, _SIZE)

    def write(
        self, *, replies: int, sessions: int, dropped: int, refused: Mapping[Refusal, int], not_sent: Mapping[str, int]
    ) -> None:
        """Write what was counted so far; ``refused`` has all reasons in their order.

        It is done after each batch of answers, so it must be cheap: it takes 1 µs, and took 5 µs when it looked up each
        reason. Aligned words that are copied in one piece are never read by halves. ``pack_into`` will not do: it
        clears the memory first, and 95 of 100 looks from the other process, made meanwhile, saw that.
        """
        failures = [not_sent.get(reason, 0) for reason in REASONS] if not_sent else _NO_FAILURES
        self._memory[: _LAYOUT.size] = _LAYOUT.pack(1, replies, sessions, dropped, *refused.values(), *failures)

    def write_twamp(self, counts: ControlCounts) -> None:
        """Write what TWAMP-Control counted so far, likewise."""
        self._memory[_LAYOUT.size :] = _TWAMP_LAYOUT.pack(
            counts.connections,
            counts.accepted,
            counts.sessions_accepted,
            *counts.connections_refused.values(),
            *counts.sessions_refused.values(),
        )
