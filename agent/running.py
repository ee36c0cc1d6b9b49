"""What the engine asks of a running stream, whatever its kind: sessions that send packets, and attempts, have it."""

from __future__ import annotations

from typing import Protocol

from collectors.errors import CollectorError
from collectors.path import NetworkPath


class RunningStream(Protocol):
    """One probe on one path to one target, running; what becomes of its packets goes where it was told when made."""

    path: NetworkPath
    trouble: CollectorError | None
    """Why nothing is sent at present."""

    def aim(self, host: str) -> None:
        """Send to this address (a literal) from now on."""

    def aim_failed(self, error: CollectorError) -> None:
        """Go on without a new address."""

    def prepare(self) -> None:
        """Do ahead of the first slot what would make its packet late."""

    def send(self, slot: int, due_ns: int) -> None:
        """Send the packet of this slot, which was due at this monotonic time, or settle it as not sent."""

    def disturbed(self, since_ns: int) -> None:
        """Note that this host stood still from this monotonic time until now: what was on its way is noisy."""

    def collect(self) -> None:
        """Read what the kernel knows by now of packets that were sent; all paths have sent theirs of this slot."""

    async def idle(self) -> None:
        """Wait until every packet is settled; while somebody waits, no further one is expected to be sent."""

    def close(self) -> None:
        """Stop; what is on its way stays unsettled."""
