"""What systemd and its services say to each other: states (sd_notify), the watchdog, sockets it opened (LISTEN_FDS)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"

_FIRST_PASSED_DESCRIPTOR = 3  # sd_listen_fds(3)
_LONGEST = 1000  # characters: systemd ignores a message of more than 4096 octets


def ready(status: str) -> str:
    """Return the state of a service that is up, also after a reload; ``status`` is one sentence for operators."""
    return f"READY=1\nSTATUS={status}"


def reloading(monotonic_ns: int) -> str:
    """Return the state of a service that reloads; systemd tells by the time which READY=1 is the answer to it."""
    return f"RELOADING=1\nMONOTONIC_USEC={monotonic_ns // 1000}"


def cannot_start(reasons: str) -> str:
    """Return the state of a service that ends: the first line of what is in the way, and how many there are besides.

    It stays in `systemctl status` between two tries, where systemd shows no log.
    """
    first, *others = reasons.splitlines()
    besides = f" ({len(others)} more in the log)" if others else ""
    return f"STATUS={first[:_LONGEST]}{besides}"


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager a state such as ``READY=1`` (sd_notify(3)); do nothing where none listens.

    It never waits: where the manager is too busy to be told, it is not, and a manager that has gone is no trouble.
    """
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
        contextlib.suppress(OSError),
    ):
        sock.sendto(state.encode(), address)


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return how often the manager wants to hear that this process is alive; ``None`` where it does not.

    That is half of the time after which it would end the process, as sd_watchdog_enabled(3) advises.
    """
    limit_us, of = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not limit_us.isdecimal() or int(limit_us) == 0 or (of is not None and of != str(os.getpid())):
        return None
    return int(limit_us) / 1e6 / 2


def passed_sockets(environment: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the listening sockets that were passed to this very process; none where it was not activated by them."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environment.get("LISTEN_FDS", "0"))
    return [
        socket.socket(fileno=descriptor)
        for descriptor in range(_FIRST_PASSED_DESCRIPTOR, _FIRST_PASSED_DESCRIPTOR + count)
    ]
