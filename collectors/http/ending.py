"""What an attempt at a web server is to the stream that it is part of. No I/O, no clock."""

from __future__ import annotations

from collectors.exchange import Exchange, HttpFailure
from collectors.ledger import Ending
from collectors.sample import Outcome, TimestampSource


def ending_of(exchange: Exchange) -> Ending:
    """Say how an attempt ended: answered as expected, failed with its reason, or lost where no answer began in time.

    What is measured is the whole, as a user waits for it: a SYN that had to be sent again is part of it, and no loss.
    """
    if exchange.failure is HttpFailure.TIMED_OUT:
        return Ending(outcome=Outcome.LOST, exchange=exchange)
    if exchange.failure is not None:
        return Ending(outcome=Outcome.FAILED, reason=exchange.failure, icmp=exchange.icmp, exchange=exchange)
    return Ending(
        outcome=Outcome.ANSWERED,
        rtt_ns=exchange.total_ns,
        handshake_ns=exchange.handshake.rtt_ns if exchange.handshake is not None else None,
        timestamps=TimestampSource.USER,  # the whole begins by this program's clock, whoever stamped what came
        exchange=exchange,
    )
