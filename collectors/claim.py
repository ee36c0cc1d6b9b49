"""What a host's clock may be said to be off by at most, and for how long that holds. No I/O, no clock of its own.

A time daemon tells the kernel a bound whenever it has set the clock right, and until the next time the kernel adds
500 ppm to it: what a crystal may do that nobody keeps. Between two updates 8 s apart that makes 4 ms of a bound of
0.05 ms, and of one-way delays nothing could be said most of the time. NTP itself lets a bound grow by 15 ppm, since
the rate of a clock that is kept is known (RFC 5905, section 4). So once an update was observed the bound counts as of
then and grows by that; until then the kernel's stands. What a daemon is still slewing away is in no bound.

How the usual ones tell it (their sources): chrony, ``ntpd`` and so Azure's machines, whose chrony reads the host's
clock from /dev/ptp_hyperv every 8 s, tell NTP's root distance; chrony only where its configuration has ``rtcsync``.
systemd-timesyncd tells 0, whatever the clock is off by: that is no bound, however it has grown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collectors.clock import Clock, ClockState, kernel_clock_state

PHI_PPM = 15.0
"""By how much a clock that is kept may drift between two updates: PHI of RFC 5905, section 4."""

_KERNEL_ADDS_NS = 500_000  # each second, all at once: it leaves the rest of a division by this as it is
_LOOK_EVERY_NS = 100_000_000  # how exactly an update is seen: one in ten of them has a second's growth on it by then


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockClaim:
    """What one end says of its clock: kept at UTC by something, and off by ``error_ns`` at most.

    Of this host it is its kernel's word, of a reflector its Error Estimate; ``None``: it says nothing.
    """

    synchronised: bool = False
    error_ns: int | None = None


NO_CLAIM = ClockClaim()


class KernelClaim:
    """Makes a claim of what a kernel says, time after time."""

    def __init__(self) -> None:
        self._bound_ns: int | None = None  # as it was read last
        self._read_ns = 0
        self._update: tuple[int, int] | None = None  # the bound then, and the latest time that is not after it

    def take(self, state: ClockState, monotonic_ns: int) -> ClockClaim:
        """Take what was read at a monotonic time; return what it is worth."""
        if not state.synchronised:
            self._bound_ns = self._update = None
            return NO_CLAIM
        bound_ns = state.max_error_ns
        if self._bound_ns is not None and _is_updated(self._bound_ns, bound_ns):
            self._update = bound_ns, self._read_ns
        self._bound_ns, self._read_ns = bound_ns, monotonic_ns
        return ClockClaim(synchronised=True, error_ns=self._worth_ns(bound_ns, monotonic_ns))

    def _worth_ns(self, bound_ns: int, monotonic_ns: int) -> int | None:
        if bound_ns % _KERNEL_ADDS_NS == 0:  # it grew from nothing; of true bounds one in 500 is taken for such a one
            return None
        if self._update is None:
            return bound_ns
        then_ns, updated_ns = self._update
        return min(bound_ns, then_ns + round((monotonic_ns - updated_ns) * PHI_PPM * 1e-6))


class OwnClaim:
    """The claim of this host: asks the kernel when somebody wants to know, ten times a second at most.

    ``tai_offset_s`` is TAI less UTC as the kernel knew it then, ``None`` where nothing told it.
    """

    def __init__(self, clock: Clock, *, clock_state: Callable[[], ClockState] = kernel_clock_state) -> None:
        self.tai_offset_s: int | None = None
        self._clock = clock
        self._clock_state = clock_state
        self._kernel = KernelClaim()
        self._claim = NO_CLAIM
        self._until_ns: int | None = None

    def __call__(self) -> ClockClaim:
        """Return the claim as of now: the same object as long as nothing was read anew."""
        now_ns = self._clock.monotonic_ns()
        if self._until_ns is None or now_ns >= self._until_ns:
            self._until_ns = now_ns + _LOOK_EVERY_NS
            self._claim = self._look(now_ns)
        return self._claim

    def _look(self, now_ns: int) -> ClockClaim:
        try:
            state = self._clock_state()
        except OSError:  # a sandbox forbids adjtimex
            return NO_CLAIM
        self.tai_offset_s = state.tai_offset_s
        return self._kernel.take(state, now_ns)


def _is_updated(before_ns: int, now_ns: int) -> bool:
    """Whether a bound became another by more than growing."""
    return now_ns < before_ns or (now_ns - before_ns) % _KERNEL_ADDS_NS != 0
