"""What became of an attempt to connect, from what the kernel says of it. No I/O, no clock."""

from __future__ import annotations

import errno

from collectors.ancillary import IcmpError
from collectors.failure import failure_of
from collectors.handshake import Handshake
from collectors.ledger import Ending
from collectors.sample import RETRANSMITTED, Outcome, TimestampSource

# What the far end did to the connection after it had come about, before anybody here looked: the handshake counts.
_CONNECTED = (0, errno.ECONNRESET, errno.EPIPE)


def ending_of(
    error: int, handshake: Handshake, icmp: IcmpError | None, *, elapsed_ns: int, timeout_ns: int, version: int
) -> Ending:
    """Say how an attempt over IP ``version`` ended, ``elapsed_ns`` after it had begun.

    ``error`` is the socket's (SO_ERROR, 0 for none), ``icmp`` the entry of its error queue. That the kernel gave up
    (ETIMEDOUT) is a loss like any other. So is a connection for which the SYN had to be sent again: a packet was lost,
    and the time says how long the kernel waits before it tries again, a second at first, and nothing of the path.
    """
    if error == errno.ETIMEDOUT:
        return Ending(outcome=Outcome.LOST)
    if error not in _CONNECTED:
        return Ending(outcome=Outcome.FAILED, reason=failure_of(error, icmp, version=version), icmp=icmp)
    if handshake.syn_retransmits:
        return Ending(outcome=Outcome.LOST, reason=RETRANSMITTED)
    return _connected(handshake, elapsed_ns=elapsed_ns, timeout_ns=timeout_ns)


def _connected(handshake: Handshake, *, elapsed_ns: int, timeout_ns: int) -> Ending:
    """Take the time from connect() to here, the program's own.

    Only where this program stood still for so long that the timeout has passed, the kernel has the last word: it knows
    that the connection was there in time.
    """
    own = elapsed_ns <= timeout_ns or handshake.rtt_ns is None
    return Ending(
        outcome=Outcome.ANSWERED,
        rtt_ns=elapsed_ns if own else handshake.rtt_ns,
        handshake_ns=handshake.rtt_ns,
        timestamps=TimestampSource.USER if own else TimestampSource.KERNEL,
    )
