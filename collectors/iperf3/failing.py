"""Why a test of iperf3 gave no result, or only a part of one, in words that stay the same. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Iperf3Failure(StrEnum):
    """Why a test failed; stable for labels and JSON."""

    NOT_INSTALLED = "not_installed"
    """There is no iperf3 program."""
    TOO_OLD = "too_old"
    """The iperf3 that is installed does not know what is asked of it."""
    UNSUPPORTED = "unsupported"
    """No iperf3 can do it, or this host refuses it: a path by fwmark, a congestion control that is not loaded."""
    SOURCE_UNAVAILABLE = "source_unavailable"
    """The path's source is no address of this host."""
    INTERFACE_UNAVAILABLE = "interface_unavailable"
    """The path's interface is not there, or may not be used."""
    BUSY = "busy"
    """The server runs another test: it takes one at a time."""
    REFUSED = "refused"
    """Nobody listens on the port."""
    UNREACHABLE = "unreachable"
    """There is no way to the server, or its name has no address."""
    TIMED_OUT = "timed_out"
    """No answer to connecting, or none any more: the time of the whole test is over."""
    NOT_IPERF3 = "not_iperf3"
    """Somebody answers on the port, and it is no iperf3 server."""
    ENDED_EARLY = "ended_early"
    """The test had begun, and its other end, or the program itself, went away."""
    AUTHENTICATION = "authentication"
    """The server does not take the user, password or key."""
    CANCELLED = "cancelled"
    """This program ended it."""
    OTHER = "other"
    """Something else, as the message says."""


class Iperf3Error(Exception):
    """A test cannot be made; the message says what, where and what to do."""

    def __init__(self, message: str, *, failure: Iperf3Failure) -> None:
        super().__init__(message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a test is not complete: a stable word, and a sentence for the operator, not stable."""

    failure: Iperf3Failure
    message: str
