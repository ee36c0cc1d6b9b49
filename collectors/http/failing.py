"""How an attempt fails within: one exception, which nobody outside sees. No I/O."""

from __future__ import annotations

from collectors.ancillary import IcmpError
from collectors.exchange import HttpFailure
from collectors.failure import Failure


class AttemptError(Exception):
    """An attempt failed: a result of the far side or the way, not a bug.

    ``icmp`` is the error that ended it, where it was one.
    """

    def __init__(self, failure: Failure | HttpFailure, detail: str, icmp: IcmpError | None = None) -> None:
        super().__init__(detail)
        self.failure = failure
        self.icmp = icmp
