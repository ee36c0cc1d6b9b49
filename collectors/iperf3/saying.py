"""What iperf3 says when it fails, in the words of :class:`Iperf3Failure`. No I/O."""

from __future__ import annotations

from collectors.iperf3.failing import Iperf3Failure, Trouble
from collectors.path import NetworkPath

# Texts of iperf_strerror() in 3.9 to 3.21, and of strerror(3) behind them; the first that fits counts.
_SAYINGS = (
    ("server is busy", Iperf3Failure.BUSY),
    ("authorization failed", Iperf3Failure.AUTHENTICATION),
    ("RSA public key", Iperf3Failure.AUTHENTICATION),
    ("server test duration", Iperf3Failure.ENDED_EARLY),
    ("larger than server limit", Iperf3Failure.ENDED_EARLY),
    ("bind-to-device", Iperf3Failure.INTERFACE_UNAVAILABLE),
    ("No such device", Iperf3Failure.INTERFACE_UNAVAILABLE),
    ("Cannot assign requested address", Iperf3Failure.SOURCE_UNAVAILABLE),
    ("TCP_CONGESTION", Iperf3Failure.UNSUPPORTED),
    ("socket buffer size", Iperf3Failure.UNSUPPORTED),
    ("unable to set TCP/SCTP MSS", Iperf3Failure.UNSUPPORTED),
    ("unknown control message", Iperf3Failure.NOT_IPERF3),
    ("Connection refused", Iperf3Failure.REFUSED),
    ("No route to host", Iperf3Failure.UNREACHABLE),
    ("unreachable", Iperf3Failure.UNREACHABLE),
    ("Name or service not known", Iperf3Failure.UNREACHABLE),
    ("Temporary failure in name resolution", Iperf3Failure.UNREACHABLE),
    ("timed out", Iperf3Failure.TIMED_OUT),
    ("Operation now in progress", Iperf3Failure.TIMED_OUT),
    ("Bad file descriptor", Iperf3Failure.UNREACHABLE),  # all that 3.9 says of a connection that did not come about
    ("client has terminated", Iperf3Failure.CANCELLED),
)
# The server says so and closes; then 3.9 fails to take its leave, and that is the error it tells.
_BUSY_IN_3_9 = "send control message: Broken pipe"
# What comes of a far end that goes away, or that never was one: which, is told by how far the test got.
_BROKEN_OFF = (
    "control socket has closed",
    "receive control message",
    "send control message",
    "server has terminated",
    "read from the control socket",
    "write to the control socket",
    "receive results",
    "send results",
    "stream socket",
    "connect stream",
    "send cookie",
    "send parameters",
    "Connection reset",
    "Broken pipe",
    "idle timeout",
)


def trouble_of(error: str, *, begun: bool) -> Trouble:
    """Name an error of iperf3; ``begun``: the server had answered as one, and the test was under way."""
    message = " ".join(error.removeprefix("error - ").split())
    for saying, failure in _SAYINGS:
        if saying in message:
            return Trouble(failure=failure, message=message)
    if not begun and _BUSY_IN_3_9 in message:
        return Trouble(failure=Iperf3Failure.BUSY, message=message)
    if any(saying in message for saying in _BROKEN_OFF):
        failure = Iperf3Failure.ENDED_EARLY if begun else Iperf3Failure.NOT_IPERF3
        return Trouble(failure=failure, message=message)
    return Trouble(failure=Iperf3Failure.OTHER, message=message)


_ADVICE = {
    Iperf3Failure.BUSY: "it takes one test at a time",
    Iperf3Failure.REFUSED: "start `iperf3 -s` there, or correct the port",
    Iperf3Failure.UNREACHABLE: "check the address, and the path's routes (`ip route get`)",
    Iperf3Failure.TIMED_OUT: "check the address and the packet filters on the way, TCP and UDP",
    Iperf3Failure.NOT_IPERF3: "whoever listens there is no iperf3 server, or takes no tests from here",
    Iperf3Failure.SOURCE_UNAVAILABLE: "the path's source is no address of this host (`ip address`)",
    Iperf3Failure.INTERFACE_UNAVAILABLE: "check the path's interface (`ip link`)",
    Iperf3Failure.AUTHENTICATION: "check user, password, public key, the clocks of both ends, and the padding that a "
    "server before 3.17 needs",
}


def advised(trouble: Trouble, server: str, path: NetworkPath) -> Trouble:
    """Return a trouble whose message says where it was, and what to do."""
    message = f"{server} on path {path.name}: {trouble.message}"
    advice = _ADVICE.get(trouble.failure)
    return Trouble(failure=trouble.failure, message=message if advice is None else f"{message}: {advice}")
