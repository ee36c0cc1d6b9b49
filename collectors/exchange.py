"""What came of asking a web server once: each phase by its own time, what it said, why it failed if it did. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from collectors.ancillary import IcmpError
from collectors.failure import Failure
from collectors.handshake import Handshake

_DAY = timedelta(days=1)


class Phase(StrEnum):
    """What an attempt consists of, in this order."""

    DNS = "dns"
    """Looking up the host; an address needs none."""
    CONNECT = "connect"
    """From the SYN to the moment at which this program sees the connection."""
    TLS = "tls"
    """The handshake, with both sides' cryptography and the check of the certificate."""
    FIRST_BYTE = "first_byte"
    """From sending the request to the arrival of the first octet of the answer."""
    TRANSFER = "transfer"
    """From there to the arrival of the last octet."""


class HttpFailure(StrEnum):
    """Why an attempt failed, beside the :class:`Failure` of its connection: stable words for labels and JSON."""

    UNRESOLVED = "unresolved"
    """The host has no address."""
    TIMED_OUT = "timed_out"
    """The time was over in a phase before the transfer."""
    CLOSED = "closed"
    """The server closed or reset the connection before its answer was complete."""
    TLS_UNTRUSTED = "tls_untrusted"
    """No certificate authority that this host trusts vouches for the certificate."""
    TLS_EXPIRED = "tls_expired"
    """The certificate, or one above it, is past its end."""
    TLS_HOSTNAME = "tls_hostname"
    """The certificate is another name's."""
    TLS_OTHER = "tls_other"
    """TLS did not come about for another reason: versions, ciphers, an alert, no TLS at all."""
    STATUS = "status"
    """The answer has a status that is not expected."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    """More redirects than are to be followed: a circle, for example."""
    BODY_TOO_LONG = "body_too_long"
    """The body has more octets than are to be read."""
    NEVER_ENDS = "never_ends"
    """The answer began, and was not complete when the time was over."""
    PROTOCOL = "protocol"
    """What came is not HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """From when until when a certificate is valid."""

    not_before: datetime
    not_after: datetime

    def days_left(self, now: datetime) -> float:
        """Return the days until it ends, negative once it has."""
        return (self.not_after - now) / _DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What came of one attempt to get an answer. Times in nanoseconds; what is not known is ``None``.

    ``phases`` has the phases that ended; where redirects were followed, each is the sum over all connections, and all
    else is of the last one. ``total_ns`` is their sum, which only a whole answer has.
    ``phase``: where a failed attempt ended; ``None`` where a whole answer is not the expected one. ``detail``: the
    failure in a sentence, not stable. ``icmp``: the error that ended the attempt.
    ``handshake``: what the kernel says of TCP's handshake; a SYN that it sent again makes ``connect`` longer by a
    second or more.
    ``stamped``: whether the arrival of the first octet is the kernel's time.
    ``received``: octets of all bodies, as transferred. ``certificate`` is the server's own, not those above it.
    ``verified``: whether the certificate was checked.
    """

    address: str | None = None
    phases: Mapping[Phase, int] = field(default_factory=dict)
    total_ns: int | None = None
    failure: Failure | HttpFailure | None = None
    phase: Phase | None = None
    detail: str | None = None
    icmp: IcmpError | None = None
    status: int | None = None
    http_version: str | None = None
    received: int = 0
    redirects: int = 0
    handshake: Handshake | None = None
    stamped: bool | None = None
    tls_version: str | None = None
    certificate: Certificate | None = None
    verified: bool | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the expected answer came, whole and in time."""
        return self.failure is None
