"""Asks with STAMP test packets: a Session-Sender (RFC 8762, section 4.2)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from collectors.ancillary import Datagram
from collectors.claim import NO_CLAIM, KernelClaim
from collectors.clock import Clock, ClockState, kernel_clock_state
from collectors.errors import CollectorError
from collectors.path import Address, NetworkPath
from collectors.peer import ReflectorFacts, Rejection
from collectors.roundtrip import Answer, DepartureOf, Quote
from collectors.sockets import StampedSocket, family_of, open_udp
from collectors.stamp.asking import Asking
from collectors.stamp.capabilities import Capabilities, CapabilityCheck
from collectors.stamp.facts import FactSheet
from collectors.stamp.hearing import Hearing
from collectors.stamp.options import StampOptions
from collectors.stamp.timestamp import ErrorEstimate

__all__ = ["StampOptions", "StampSender"]

_CLOCK_STATE_AGE_NS = 10_000_000_000
_CLOCK_STEP_NS = 1_000_000  # a clock that moved by this is not what the kernel said of it
_SILENCE_NS = 10_000_000_000  # with so many packets not understood in it, the far end may have become another one
_NOT_UNDERSTOOD = 8


class StampSender:
    """Builds the test packets of one session, and understands what its Session-Reflector sends back."""

    def __init__(
        self, options: StampOptions, clock: Clock, *, clock_state: Callable[[], ClockState] = kernel_clock_state
    ) -> None:
        self.port = options.port
        self._options = options
        self._clock = clock
        self._clock_state = clock_state
        self._kernel = KernelClaim()
        self._clock_state_until_ns = 0
        self._clock_offset_ns = 0  # from the monotonic clock to the wall clock
        self._sheet = FactSheet()
        self._asking = Asking(options)
        self._hearing: Hearing | None = None
        self._check: CapabilityCheck | None = None
        self._path: NetworkPath | None = None
        self._to: Address = ("", 0)
        self._not_understood = 0  # packets since the last answer that showed what they carry understood
        self._understood_ns = 0

    @property
    def facts(self) -> ReflectorFacts | None:
        """What is known of the reflector: another object once anything of it changed."""
        return self._sheet.facts

    def open(self, path: NetworkPath, to: Address) -> StampedSocket:
        """Open a UDP socket; its port is the session's, and tells the reflector sessions apart.

        Beside it, ask in a session of its own what the reflector can do.
        """
        sock = open_udp(path, family_of(to), self._options.marks)
        self._path, self._to = path, to
        self._sheet = FactSheet()
        self._asking = Asking(self._options)
        self._hearing = Hearing(self._options, to, self._asking, self._sheet)
        self._clock_state_until_ns = self._not_understood = 0
        self._understood_ns = self._clock.monotonic_ns()
        try:
            self._ask_capabilities()
        except CollectorError:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        """Stop asking what the reflector can do."""
        if self._check is not None:
            self._check.close()
            self._check = None

    def request(self, sequence: int, wall_ns: int, monotonic_ns: int) -> bytes:
        """Build the test packet with this number."""
        self._keep_estimate(wall_ns, monotonic_ns)
        if self._check is not None:
            self._look(self._check, wall_ns, monotonic_ns)
        elif self._not_understood >= _NOT_UNDERSTOOD and monotonic_ns - self._understood_ns >= _SILENCE_NS:
            self._start_anew(monotonic_ns)
        self._not_understood += 1
        return self._asking.request(sequence, wall_ns)

    def answer(
        self, datagram: Datagram, *, wall_ns: int, monotonic_ns: int, departure_of: DepartureOf
    ) -> Answer | Rejection:
        """Understand a reflected test packet, or say why it is none."""
        assert self._hearing is not None, "answers come to the socket that was opened"
        if self._check is not None:
            self._look(self._check, wall_ns, monotonic_ns)
        answer = self._hearing.answer(datagram, wall_ns=wall_ns, monotonic_ns=monotonic_ns, departure_of=departure_of)
        if isinstance(answer, Answer) and self._hearing.is_understood:
            self._not_understood, self._understood_ns = 0, monotonic_ns
        return answer

    def quote(self, quoted: bytes, departure_of: DepartureOf) -> Quote | Rejection:
        """Tell which test packet an ICMP error quotes, or say why it is none."""
        assert self._hearing is not None, "errors come to the socket that was opened"
        return self._hearing.quote(quoted, departure_of)

    def _start_anew(self, monotonic_ns: int) -> None:
        """Send plain packets, and ask again: there may be another reflector, which drops or copies what it gets."""
        self._not_understood, self._understood_ns = 0, monotonic_ns
        if self._asking.carried:
            self._asking.carry(Capabilities())
            with contextlib.suppress(CollectorError):  # the session that measures meets the same refusal
                self._ask_capabilities()

    def _ask_capabilities(self) -> None:
        assert self._path is not None
        assert self._hearing is not None
        self._check = CapabilityCheck(
            open_udp(self._path, family_of(self._to), self._options.marks),
            self._to,
            ask=self._asking.capability_request,
            hear=self._hearing.recognise,
            with_tlvs=self._asking.wants_tlvs,
            key=self._options.key,
        )
        wall_ns, monotonic_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        self._keep_estimate(wall_ns, monotonic_ns)
        self._look(self._check, wall_ns, monotonic_ns)

    def _look(self, check: CapabilityCheck, wall_ns: int, monotonic_ns: int) -> None:
        assert self._hearing is not None
        known = check.capabilities
        found = check.look(wall_ns=wall_ns, monotonic_ns=monotonic_ns)
        if found is not known:
            self._asking.carry(found)
            self._sheet.learn(found)
            if found.stateful and not known.stateful:
                self._hearing.expect_follow_ups()
        if check.over:
            self._check = None

    def _keep_estimate(self, wall_ns: int, monotonic_ns: int) -> None:
        """Say what this host's clock is worth, as the kernel knew it at most ten seconds ago and since any step."""
        offset_ns = wall_ns - monotonic_ns
        is_stepped = abs(offset_ns - self._clock_offset_ns) > _CLOCK_STEP_NS
        if monotonic_ns < self._clock_state_until_ns and not is_stepped:
            return
        self._clock_state_until_ns, self._clock_offset_ns = monotonic_ns + _CLOCK_STATE_AGE_NS, offset_ns
        try:
            state = self._clock_state()
        except OSError:  # a sandbox forbids adjtimex: nothing is claimed then
            claim = NO_CLAIM
        else:
            claim = self._kernel.take(state, monotonic_ns)
        estimate = ErrorEstimate.from_clock(synchronised=claim.synchronised, error_ns=claim.error_ns)
        self._asking.estimate = replace(estimate, ptp=self._options.ptp)
