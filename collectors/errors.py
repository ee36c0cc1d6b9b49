"""The one error of collectors: a measurement could not be made."""

from __future__ import annotations

import errno

# The kernel's refusals that an operator meets, in words that stay the same in labels and JSON.
_REASONS = {
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EADDRNOTAVAIL: "source_unavailable",
    errno.ENODEV: "interface_unavailable",
    errno.ENXIO: "interface_unavailable",
    errno.ENETDOWN: "interface_down",
    errno.ENETUNREACH: "network_unreachable",
    errno.EHOSTUNREACH: "host_unreachable",
    errno.ECONNREFUSED: "port_unreachable",
    errno.EMSGSIZE: "message_too_long",
    errno.EMFILE: "too_many_files",
    errno.ENFILE: "too_many_files",
    errno.ENOBUFS: "no_buffers",
    errno.ENOMEM: "no_buffers",
    errno.EAGAIN: "no_buffers",
    errno.EINVAL: "invalid",
    errno.EAFNOSUPPORT: "address_family",
    errno.EADDRINUSE: "address_in_use",
}

REASONS = tuple(sorted({*_REASONS.values(), "unresolved", "other"}))
"""Every value that :attr:`CollectorError.reason` and the ``reason`` label can take."""


class CollectorError(Exception):
    """A measurement could not be made: not a loss, and not a bug.

    ``reason`` is one of :data:`REASONS`, stable across versions; the message says what, where and what to do.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def reason_of(error: OSError) -> str:
    """Name the kernel's refusal with one of :data:`REASONS`."""
    return _REASONS.get(error.errno or 0, "other")
