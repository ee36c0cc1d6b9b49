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


# What is checked first where the kernel refuses a packet, by its reason.
_REMEDIES = {
    "permission": "a packet filter of this host (`nft list ruleset`) or a prohibiting route forbids it",
    "message_too_long": "it is longer than this host knows the path to carry whole: send less, or let routers fragment",
    "no_buffers": "the interface's queue is full (`tc -s qdisc`)",
    "network_unreachable": "this host has no route there from this path (`ip route get`)",
    "host_unreachable": "this host's route there says so, or the next hop does not answer (`ip route get`, `ip neigh`)",
    "interface_down": "set the interface up (`ip link`)",
}


def refusal(what: str, error: OSError) -> CollectorError:
    """Say that the kernel refused something, why, and what to look at."""
    reason = reason_of(error)
    remedy = f": {_REMEDIES[reason]}" if reason in _REMEDIES else ""
    return CollectorError(f"{what}: {error.strerror}{remedy}", reason=reason)


def reason_of(error: OSError) -> str:
    """Name the kernel's refusal with one of :data:`REASONS`."""
    return _REASONS.get(error.errno or 0, "other")
