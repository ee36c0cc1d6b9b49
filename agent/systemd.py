"""What systemd and its services say to each other: readiness (sd_notify) and sockets that it opened (LISTEN_FDS)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_FIRST_PASSED_DESCRIPTOR = 3  # sd_listen_fds(3)


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager a state such as ``READY=1`` (sd_notify(3)); do nothing where none listens."""
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)


def passed_sockets(environment: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the listening sockets that were passed to this very process; none where it was not activated by them."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environment.get("LISTEN_FDS", "0"))
    return [
        socket.socket(fileno=descriptor)
        for descriptor in range(_FIRST_PASSED_DESCRIPTOR, _FIRST_PASSED_DESCRIPTOR + count)
    ]
